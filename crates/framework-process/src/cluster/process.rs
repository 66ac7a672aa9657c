//! The processes of the workers.

use std::{
    env,
    ffi::OsString,
    fs::File,
    io,
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::process::{CommandExt as _, ExitStatusExt as _},
    },
    path::Path,
    process::{Child, Command, ExitStatus},
};

use command_fds::{CommandFdExt as _, FdMapping};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::io::unix::AsyncFd;

use super::{settings::SlotSettings, supervisor::Ended};

/// What tells a process that it is a worker: the descriptor of its socket, its slot and its
/// generation.
pub(super) const VARIABLE: &str = "FRAMEWORK_WORKER";

/// The slot of a worker, for its configuration: `${env:FRAMEWORK_SLOT}`.
pub(super) const SLOT_VARIABLE: &str = "FRAMEWORK_SLOT";

/// The descriptor that a worker finds its socket at.
pub(crate) const DESCRIPTOR: i32 = 3;

/// A program that can be started any number of times, also when its file on the disk has been
/// replaced meanwhile.
#[derive(Debug)]
pub struct Program {
    executable: File,
    name: OsString,
    arguments: Vec<OsString>,
}

/// A process that was started, and is waited for.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    handle: AsyncFd<OwnedFd>,
}

impl Program {
    /// The program at `path`, with the arguments that this process was started with.
    ///
    /// # Errors
    ///
    /// When its file cannot be opened.
    pub fn at(path: &Path) -> io::Result<Self> {
        Ok(Self { executable: File::open(path)?, ..Self::own()? })
    }

    /// The program that this process runs, with the arguments that it was started with.
    ///
    /// # Errors
    ///
    /// When its file cannot be opened.
    pub fn own() -> io::Result<Self> {
        let mut arguments = env::args_os();
        let name = arguments.next().unwrap_or_default();
        let executable = File::open("/proc/self/exe")?;
        Ok(Self { executable, name, arguments: arguments.collect() })
    }

    /// A command that starts it, with its name and arguments.
    #[must_use]
    pub fn command(&self) -> Command {
        // The kernel finds the file by the descriptor that the copy of this process still has.
        let path = format!("/proc/self/fd/{}", self.executable.as_raw_fd());
        let mut command = Command::new(path);
        command.arg0(&self.name).args(&self.arguments);
        command
    }

    /// Starts a worker, in a process group of its own: a terminal that interrupts the primary does
    /// not interrupt the workers, which the primary stops in order.
    pub(super) fn start(
        &self,
        slot: u32,
        generation: u32,
        socket: OwnedFd,
        settings: &SlotSettings,
    ) -> io::Result<Process> {
        let mut command = self.command();
        for (key, value) in &settings.set {
            command.arg("--set").arg(format!("{key}={value}"));
        }
        command.envs(&settings.env);
        command.env(VARIABLE, format!("{DESCRIPTOR}:{slot}:{generation}"));
        command.env(SLOT_VARIABLE, slot.to_string());
        Process::start(command, socket)
    }
}

impl Process {
    /// Starts a process that finds `socket` at [`DESCRIPTOR`], in a group of its own.
    pub(crate) fn start(mut command: Command, socket: OwnedFd) -> io::Result<Self> {
        command.process_group(0);
        let mapping = FdMapping { parent_fd: socket, child_fd: DESCRIPTOR };
        command.fd_mappings(vec![mapping]).map_err(|error| io::Error::other(error.to_string()))?;
        Self::of(command.spawn()?)
    }

    fn of(mut child: Child) -> io::Result<Self> {
        let handle = watched(&child).inspect_err(|_| {
            // Nobody would wait for it.
            let _ = child.kill();
            let _ = child.wait();
        })?;
        Ok(Self { child, handle })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// A handle that names this process, and never another one that has got its number.
    pub(crate) fn handle(&self) -> io::Result<OwnedFd> {
        self.handle.get_ref().try_clone()
    }

    /// Ends it, whatever it is at.
    #[cfg(feature = "pool")]
    pub(crate) fn end(&mut self) {
        // It has ended already, perhaps; in both cases it is waited for, which takes a moment.
        let ended = self.child.kill().and_then(|()| self.child.wait());
        if let Err(error) = ended {
            tracing::error!(%error, "a process cannot be ended");
        }
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(&mut self) -> Ended {
        loop {
            // It is readable once the process has ended, and stays so.
            let readable = self.handle.readable().await;
            match (readable, self.child.try_wait()) {
                (_, Ok(Some(status))) => return ended(status),
                (Ok(mut guard), Ok(None)) => guard.clear_ready(),
                (Err(error), _) | (_, Err(error)) => {
                    tracing::error!(%error, "cannot wait for a worker");
                    return Ended::NotStarted;
                }
            }
        }
    }
}

fn watched(child: &Child) -> io::Result<AsyncFd<OwnedFd>> {
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let id = id.ok_or(io::ErrorKind::InvalidInput)?;
    let handle = pidfd_open(id, PidfdFlags::NONBLOCK)?;
    // SAFETY: an `OwnedFd` is open for as long as it lives, and nothing takes it out of there.
    #[expect(unsafe_code, reason = "the runtime cannot know that the descriptor stays open")]
    let watched = unsafe { AsyncFd::register(handle) }?;
    Ok(watched)
}

fn ended(status: ExitStatus) -> Ended {
    let number = |number: i32| u8::try_from(number).unwrap_or(u8::MAX);
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Code(number(code)),
        (None, signal) => Ended::Signal(number(signal.unwrap_or_default())),
    }
}

/// Sends a signal to the process of a handle. One that has ended already needs none.
pub(crate) fn send(handle: &OwnedFd, signal: Signal) {
    if let Err(error) = pidfd_send_signal(handle, signal)
        && error != rustix::io::Errno::SRCH
    {
        tracing::error!(%error, "cannot send a signal to a worker");
    }
}
