use std::{
    env,
    fs::OpenOptions,
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
    thread,
    time::Duration,
};

use framework_process::{Instance, InstanceError};

/// Holds a PID file for as long as the process runs, as an application does, and does nothing else:
/// so many of them can be started at a time that they meet.
///
/// With `--witness FILE` it says there when it began and ended to hold the file, and ends by itself
/// after `--hold` milliseconds.
#[must_use]
pub fn hold() -> ExitCode {
    let Some(path) = argument("--pid-file") else { return ExitCode::from(64) };
    match Instance::acquire(Path::new(&path)) {
        Ok(instance) => match argument("--witness") {
            Some(witness) => testify(&witness, instance),
            None => loop {
                thread::park();
            },
        },
        Err(InstanceError::Held { .. }) => ExitCode::from(75),
        Err(_) => ExitCode::from(71),
    }
}

fn argument(name: &str) -> Option<String> {
    env::args().skip_while(|argument| argument != name).nth(1)
}

fn testify(witness: &str, instance: Instance) -> ExitCode {
    let millis = argument("--hold").and_then(|millis| millis.parse().ok()).unwrap_or(0);
    let held = say(witness, "begin").and_then(|()| {
        thread::park_timeout(Duration::from_millis(millis));
        say(witness, "end")
    });
    drop(instance);
    if held.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(74) }
}

/// One line, which the kernel puts behind all that were there before.
fn say(witness: &str, what: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(witness)?;
    file.write_all(format!("{what} {}\n", std::process::id()).as_bytes())
}
