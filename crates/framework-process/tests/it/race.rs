//! Many processes that start at once: one of them is the instance.

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use framework_process::{Instance, InstanceError, RunFiles};

/// The PID file that the process is to hold.
const FILE: &str = "RACE_PID_FILE";

const STARTERS: usize = 64;

/// How often each state of the file is tried. The torture of the same name tries it 200 times.
const ROUNDS: usize = 2;

/// No test, but the process that the test starts: it begins when it is told to, and ends when nobody
/// speaks to it any more.
#[test]
#[expect(clippy::print_stdout, reason = "it is read by the test")]
fn the_starter() {
    let Some(path) = env::var_os(FILE) else { return };
    let mut told = BufReader::new(std::io::stdin()).lines();
    assert!(told.next().is_some());
    let files = RunFiles::of("race", Some(Path::new(&path))).unwrap();
    let instance = Instance::acquire(files.pid_file());
    match &instance {
        Ok(_) => println!("said: won"),
        Err(InstanceError::Held { .. }) => println!("said: lost"),
        Err(error) => println!("said: {error}"),
    }
    while told.next().is_some() {}
}

struct Starter {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Starter {
    fn new(path: &Path) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "race::the_starter", "--nocapture"])
            .env(FILE, path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, input, output }
    }

    fn go(&mut self) {
        self.input.as_mut().unwrap().write_all(b"go\n").unwrap();
    }

    fn said(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "it ended without a word");
            if let Some((_, said)) = line.trim().split_once("said: ") {
                return said.to_owned();
            }
        }
    }
}

impl Drop for Starter {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

/// Puts something in the way in a directory, and says what the PID file is.
type Prepare = fn(&Path) -> PathBuf;

/// What can be in the way.
fn states() -> Vec<(&'static str, Prepare)> {
    fn file(directory: &Path, text: &str) -> PathBuf {
        let path = directory.join("app.pid");
        fs::write(&path, text).unwrap();
        path
    }
    vec![
        ("absent", |directory| directory.join("app.pid")),
        ("left behind", |directory| file(directory, "999999\n")),
        ("garbage", |directory| file(directory, "\u{0}not a number")),
        ("a stranger's", |directory| file(directory, &format!("{}\n", std::process::id()))),
        ("a link", |directory| {
            let path = directory.join("app.pid");
            symlink(directory.join("target"), &path).unwrap();
            path
        }),
        ("a directory", Path::to_owned),
    ]
}

#[test]
fn of_many_that_start_at_once_exactly_one_is_the_instance() {
    for (state, prepare) in states() {
        for round in 0..ROUNDS {
            let directory = tempfile::tempdir().unwrap();
            let path = prepare(directory.path());
            let mut starters: Vec<_> = (0..STARTERS).map(|_| Starter::new(&path)).collect();
            starters.iter_mut().for_each(Starter::go);
            let said: Vec<_> = starters.iter_mut().map(Starter::said).collect();
            let count = |what: &str| said.iter().filter(|said| *said == what).count();
            assert_eq!(count("won"), 1, "{state}, round {round}: {said:?}");
            assert_eq!(count("lost"), STARTERS - 1, "{state}, round {round}: {said:?}");
        }
    }
}
