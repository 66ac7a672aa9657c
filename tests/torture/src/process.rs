//! A real process: what it says, and how it ends.

use std::{
    fs,
    io::PipeReader,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::{
    process::{Child, Command},
    task::JoinSet,
    time::{Instant, timeout},
};

use crate::{BoxError, client::Dial};

mod log;
mod manager;
mod operator;
mod place;

pub(crate) use self::{
    log::{Line, Log},
    manager::Manager,
    operator::{Operator, Workers},
    place::{Place, kill},
};

/// What a process that is alone in its place holds there.
pub(crate) const PID_FILE: &str = "app.pid";

/// How long anything may take that is not measured.
const PATIENCE: Duration = Duration::from_secs(30);

/// A program and what it is told, before it runs. Clones run in the same place.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    binary: PathBuf,
    place: Arc<Place>,
    arguments: Vec<String>,
    manager: Option<Arc<Manager>>,
    sets: Vec<String>,
    in_file: Vec<&'static str>,
    planted: Option<Planted>,
    prelude: String,
    gate: Option<Arc<PipeReader>>,
    ip: Ipv4Addr,
}

/// A mistake, and which of the programs makes it.
#[derive(Clone, Debug)]
struct Planted {
    mistake: &'static str,
    program: String,
}

/// A process that runs. It is killed if it is dropped before it has ended.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pid: Pid,
    log: Log,
    place: Arc<Place>,
    operator: Operator,
    _readers: JoinSet<()>,
    pub(crate) http: SocketAddr,
    pub(crate) admin: Option<SocketAddr>,
}

/// How a process ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) at: Instant,
    pub(crate) log: Log,
    pub(crate) place: Arc<Place>,
}

// ===== impl Program =====

/// What a module says that is to panic, and what the runtime does where no more files may be open;
/// both are caught.
const CAUGHT: [&str; 2] = ["it was told to panic", "failed to create UnixStream"];

/// Each process gets an address of its own, so that no client of one ever meets another.
static PROCESSES: AtomicU32 = AtomicU32::new(0);

impl Program {
    /// The program called `name` from where this one is.
    ///
    /// # Errors
    ///
    /// Returns an error if it has not been built.
    pub(crate) fn new(name: &str) -> Result<Self, BoxError> {
        let here = std::env::current_exe()?;
        let binary = here.with_file_name(name);
        if !binary.is_file() {
            return Err(format!("`{}` is not built", binary.display()).into());
        }
        let number = PROCESSES.fetch_add(1, Ordering::Relaxed) % (250 * 250);
        let part = |part: u32| u8::try_from(part % 250).unwrap_or(0) + 2;
        let ip = Ipv4Addr::new(127, 1, part(number / 250), part(number));
        let place = Arc::new(Place::new()?);
        Ok(Self {
            binary,
            place,
            arguments: Vec::new(),
            manager: None,
            sets: Vec::new(),
            in_file: Vec::new(),
            planted: None,
            prelude: String::new(),
            gate: None,
            ip,
        })
    }

    /// Has the program called `name` make a mistake.
    pub(crate) fn planted(mut self, mistake: &'static str, name: &str) -> Self {
        // What becomes another program has no mistakes of its own.
        if name != "init" {
            self.binary = self.binary.with_file_name("target-planted");
        }
        self.planted = Some(Planted { mistake, program: name.to_owned() });
        self
    }

    /// A command that is all that this program is told, but for its arguments.
    pub(crate) fn bare(&self) -> std::process::Command {
        let mut command = std::process::Command::new(&self.binary);
        self.surround(&mut command);
        command
    }

    pub(crate) fn set(mut self, key: &str, value: impl std::fmt::Display) -> Self {
        self.sets.push(format!("{key}={value}"));
        self
    }

    /// Runs it as a cluster of so many workers; without a number, of as many as the file says.
    pub(crate) fn cluster(self, workers: Option<usize>) -> Self {
        let argument = match workers {
            Some(workers) => format!("--cluster={workers}"),
            None => "--cluster".to_owned(),
        };
        self.argument(argument)
    }

    /// Lets it hold its place, so that operators find it there and no second one starts.
    pub(crate) fn alone(self) -> Self {
        self.argument("--pid-file").argument(PID_FILE)
    }

    pub(crate) fn argument(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Runs it from `path`, where a copy of it is.
    pub(crate) fn at(mut self, path: PathBuf) -> Self {
        self.binary = path;
        self
    }

    pub(crate) fn binary(&self) -> &Path {
        &self.binary
    }

    /// Has it started by this service manager, with the sockets that it keeps.
    pub(crate) fn managed_by(mut self, manager: &Arc<Manager>) -> Self {
        self.manager = Some(Arc::clone(manager));
        self
    }

    /// Leaves a key to the file, where this program would set it.
    pub(crate) fn in_file(mut self, key: &'static str) -> Self {
        self.in_file.push(key);
        self
    }

    /// Limits how many files the process may have open.
    pub(crate) fn open_files(self, limit: u32) -> Self {
        self.after(&format!("ulimit -n {limit}"))
    }

    /// Has a shell do this first, which then becomes the process.
    pub(crate) fn after(mut self, script: &str) -> Self {
        self.prelude.push_str(script);
        self.prelude.push_str(" && ");
        self
    }

    /// Lets it begin only when the other end of the gate is closed, with all that wait there.
    pub(crate) fn behind(mut self, gate: &Arc<PipeReader>) -> Self {
        self.gate = Some(Arc::clone(gate));
        // That nothing comes is what it waits for.
        self.after("{ read -r _ || :; }")
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    pub(crate) fn ip(&self) -> Ipv4Addr {
        self.ip
    }

    /// Starts the process, and does not wait for anything.
    ///
    /// # Errors
    ///
    /// Returns an error if it cannot be started.
    pub(crate) fn spawn(self) -> Result<Process, BoxError> {
        let mut command = Command::from(self.command()?);
        let mut child = command.kill_on_drop(true).spawn()?;
        // It may hold descriptors that only the other process is to have.
        drop(command);
        let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let pid = pid.ok_or("the process has no id")?;
        let (log, mut readers) = (Log::new(), JoinSet::new());
        if let Some(out) = child.stdout.take() {
            readers.spawn(log.clone().read(out));
        }
        if let Some(err) = child.stderr.take() {
            readers.spawn(log.clone().read(err));
        }
        let http = SocketAddr::from((self.ip, 0));
        let operator = Operator::new(&self, &self.place);
        let Self { place, .. } = self;
        Ok(Process { child, pid, log, place, operator, _readers: readers, http, admin: None })
    }

    fn command(&self) -> Result<std::process::Command, BoxError> {
        use std::process::Command;
        let mut prelude = self.prelude.clone();
        if self.manager.is_some() {
            // Only the process itself knows its number.
            prelude.push_str("LISTEN_PID=$$ && export LISTEN_PID && ");
        }
        let mut command = if prelude.is_empty() {
            Command::new(&self.binary)
        } else {
            let mut shell = Command::new("/bin/sh");
            shell.arg("-c").arg(format!("{prelude}exec \"$0\" \"$@\"")).arg(&self.binary);
            shell
        };
        command.args(&self.arguments);
        let given = |key: &str| {
            self.in_file.contains(&key) || self.sets.iter().any(|set| set.starts_with(key))
        };
        for (key, value) in [
            ("http.addr", format!("{}:0", self.ip)),
            ("admin.enabled", "false".to_owned()),
            ("config.watch", "false".to_owned()),
        ] {
            if !given(key) {
                command.arg("--set").arg(format!("{key}={value}"));
            }
        }
        for set in &self.sets {
            command.arg("--set").arg(set);
        }
        self.surround(&mut command);
        if let Some(manager) = &self.manager {
            manager.hand_over(&mut command)?;
        }
        let stdin = match &self.gate {
            Some(gate) => Stdio::from(gate.try_clone()?),
            None => Stdio::null(),
        };
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(command)
    }

    fn surround(&self, command: &mut std::process::Command) {
        command.current_dir(self.place.path()).env_clear().env("PATH", "/usr/bin:/bin");
        if let Some(planted) = &self.planted {
            planted.put_into(command);
        }
    }

    /// Starts the process, and waits until it is ready.
    ///
    /// # Errors
    ///
    /// Returns an error if it ends instead, with what it has said.
    pub(crate) async fn start(self) -> Result<Process, BoxError> {
        let mut process = self.spawn()?;
        process.ready().await?;
        Ok(process)
    }
}

// ===== impl Planted =====

impl Planted {
    fn put_into(&self, command: &mut std::process::Command) {
        let Self { mistake, program } = self;
        command.env("TORTURE_PLANTED", mistake).env("TORTURE_PROGRAM", program);
    }
}

// ===== impl Process =====

impl Process {
    /// Waits until the process says that it is ready, and where it listens.
    ///
    /// # Errors
    ///
    /// Returns an error if it ends instead, with what it has said.
    pub(crate) async fn ready(&mut self) -> Result<(), BoxError> {
        // A worker says so too, and before the whole cluster is.
        let says = |line: &Line| line.text.contains("\"addresses\":") && !line.is_of_a_worker();
        let line = self.log.until_some(0, says, "\"addresses\"").await?;
        let line: Value = serde_json::from_str(&line.text)?;
        let addresses = line["fields"]["addresses"].as_str().unwrap_or_default().to_owned();
        let of = |module: &str| {
            addresses.split(' ').find_map(|address| {
                let url = address.strip_prefix(module)?.strip_prefix('=')?;
                url.split_once("://")?.1.parse().ok()
            })
        };
        self.http = of("http").or_else(|| of("cluster")).ok_or("it listens nowhere")?;
        self.admin = of("admin");
        Ok(())
    }

    pub(crate) fn dial(&self) -> Dial {
        Dial::plain(self.http)
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// Whoever may tell it what to do.
    pub(crate) fn operator(&self) -> &Operator {
        &self.operator
    }

    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().cast_unsigned()
    }

    /// Sends a signal, and says when. One to a process that has ended is sent to nobody.
    ///
    /// # Errors
    ///
    /// Returns an error if the process cannot be sent signals.
    pub(crate) fn signal(&self, signal: Signal) -> Result<Instant, BoxError> {
        // Its id is still its own: it has not been waited for.
        kill_process(self.pid, signal)?;
        Ok(Instant::now())
    }

    /// Waits for the end of a process that may not end at all.
    ///
    /// # Errors
    ///
    /// Returns an error if it cannot be waited for.
    pub(crate) async fn exit(&mut self) -> Result<(ExitStatus, Instant), BoxError> {
        let status = self.child.wait().await?;
        Ok((status, Instant::now()))
    }

    /// Waits for the end.
    ///
    /// # Errors
    ///
    /// Returns an error, and kills the process, if that takes longer than `limit`; and if something
    /// in it has panicked that was not told to.
    pub(crate) async fn ended(mut self, limit: Duration) -> Result<Ended, BoxError> {
        let Ok(status) = timeout(limit, self.child.wait()).await else {
            return Err(format!("it still ran after {limit:?}:\n{}", self.log.last_words()).into());
        };
        let at = Instant::now();
        self.log.closed().await;
        let caught = |line: &Line| CAUGHT.iter().any(|words| line.text.contains(words));
        let panicked = |line: &Line| line.text.contains("\"panicked: ") && !caught(line);
        if let Some(line) = self.log.from(0).into_iter().find(panicked) {
            return Err(format!("something in it has panicked: {}", line.text).into());
        }
        Ok(Ended { status: status?, at, log: self.log, place: self.place })
    }

    /// Asks it to stop and waits for that, where nothing about it is judged.
    ///
    /// # Errors
    ///
    /// Returns an error if it does not stop in time, or not with 0.
    pub(crate) async fn stop(self) -> Result<Ended, BoxError> {
        self.signal(Signal::TERM)?;
        let ended = self.ended(PATIENCE).await?;
        if ended.status.success() {
            Ok(ended)
        } else {
            let (status, words) = (ended.status, ended.log.last_words());
            Err(format!("it ended with {status}:\n{words}").into())
        }
    }

    /// How many bytes of memory are its own.
    ///
    /// # Errors
    ///
    /// Returns an error if `/proc` does not say, and if it has ended.
    pub(crate) fn memory(&self) -> Result<u64, BoxError> {
        memory_of(self.pid())?.ok_or_else(|| "it has ended".into())
    }

    /// How many files it has open.
    ///
    /// # Errors
    ///
    /// Returns an error if `/proc` does not say.
    pub(crate) fn open_files(&self) -> Result<usize, BoxError> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.pid()))?.count())
    }

    /// How many of its children have ended, and were not waited for.
    pub(crate) fn zombies(&self) -> usize {
        let Ok(processes) = fs::read_dir("/proc") else { return 0 };
        let parent = self.pid().to_string();
        let is_zombie = |process: &fs::DirEntry| {
            let stat = fs::read_to_string(process.path().join("stat")).unwrap_or_default();
            let after_name = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
            let mut fields = after_name.split_whitespace();
            fields.next() == Some("Z") && fields.next() == Some(parent.as_str())
        };
        processes.flatten().filter(is_zombie).count()
    }

    /// How long it has had a processor, in all.
    ///
    /// # Errors
    ///
    /// Returns an error if `/proc` does not say.
    pub(crate) fn processor(&self) -> Result<Duration, BoxError> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid()))?;
        let after_name = stat.rsplit_once(')').ok_or("no name")?.1;
        let ticks: u64 = after_name
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(|ticks| ticks.parse::<u64>().unwrap_or(0))
            .sum();
        // The kernel counts a hundred ticks a second for whoever reads this.
        Ok(Duration::from_millis(ticks * 10))
    }
}

// ===== impl Ended =====

impl Ended {
    /// The exit code, where it ended by itself.
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }
}

/// How many bytes of memory are a process's own; `None` once it gave up all of it, which is the first
/// thing that it does at its end.
///
/// # Errors
///
/// Returns an error if `/proc` does not say.
pub(crate) fn memory_of(pid: u32) -> Result<Option<u64>, BoxError> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    // The pages of its program come and go as the kernel likes.
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = |line: &str| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok();
    line.map(|line| Ok(kib(line).ok_or("RssAnon is no number")? * 1024)).transpose()
}
