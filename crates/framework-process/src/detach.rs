use std::{
    fs::File,
    io::{self, PipeReader, PipeWriter, Read as _, Write as _},
    os::fd::AsFd as _,
    time::Duration,
};

use framework_core::is_planted;
use nix::unistd::{ForkResult, fork, setsid};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    stdio::{dup2_stderr, dup2_stdin, dup2_stdout},
};

/// Which side of [`detach`] a process is.
#[derive(Debug)]
pub enum Side {
    /// The one that was started: it waits for what becomes of the other.
    Launcher(Launcher),
    /// The one in the background, with no terminal.
    Daemon(Reporter),
}

/// Waits for a daemon to be ready, or to fail.
#[derive(Debug)]
pub struct Launcher {
    pipe: PipeReader,
}

/// Tells the launcher how it went. Dropped without a word, the daemon has crashed.
#[derive(Debug)]
pub struct Reporter {
    pipe: PipeWriter,
}

/// What became of a daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It is ready, as this process.
    Ready {
        /// Its number.
        pid: u32,
    },
    /// It has ended with this exit code, and has said why.
    Failed {
        /// The code.
        code: u8,
    },
    /// It has ended without a word.
    Crashed,
    /// It was neither ready nor gone when the time was over.
    TimedOut,
}

/// A process cannot go into the background.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DetachError {
    /// A service manager waits for this very process.
    #[error("a service manager has started this process, and would take its end for the service's")]
    Managed,
    /// It is the first process, of a container mostly, which ends with it.
    #[error("this is the first process of its container, which would end with it")]
    First,
    /// A copy of a process has only one of its threads.
    #[error("this process has {threads} threads, and only one of them would live on")]
    Threads {
        /// How many there are.
        threads: usize,
    },
    /// The operating system refused.
    #[error("the operating system refused")]
    System(#[from] io::Error),
}

/// Copies the process into the background, where it has no terminal, no session but its own and no
/// standard input. It keeps its working directory, which relative paths in its configuration begin
/// at, and until it is ready its output.
///
/// To be called before there is any thread. `managed` says whether a service manager has started
/// the process.
///
/// # Errors
///
/// When that would hide the process from whoever waits for it, or the operating system refuses.
pub fn detach(managed: bool) -> Result<Side, DetachError> {
    if managed {
        return Err(DetachError::Managed);
    }
    if std::process::id() == 1 {
        return Err(DetachError::First);
    }
    let threads = thread_count()?;
    if threads != 1 {
        return Err(DetachError::Threads { threads });
    }
    let (read, write) = io::pipe()?;
    if let Process::Original = copy()? {
        drop(write);
        return Ok(Side::Launcher(Launcher { pipe: read }));
    }
    drop(read);
    setsid().map_err(io::Error::from)?;
    // One that leads a session could get a terminal again.
    if let Process::Original = copy()? {
        end_at_once();
    }
    dup2_stdin(File::open("/dev/null")?).map_err(io::Error::from)?;
    Ok(Side::Daemon(Reporter { pipe: write }))
}

enum Process {
    Original,
    Copy,
}

fn copy() -> io::Result<Process> {
    // SAFETY: there is one thread, so no lock is held by one that the copy has not.
    #[expect(unsafe_code, reason = "there is no other way to copy a process")]
    let forked = unsafe { fork() }?;
    Ok(match forked {
        ForkResult::Parent { .. } => Process::Original,
        ForkResult::Child => Process::Copy,
    })
}

/// Ends the process between the two copies: what is to be done at exit is the others' business.
fn end_at_once() -> ! {
    // SAFETY: it does not return, and touches no memory.
    #[expect(unsafe_code, reason = "`exit` would run what the copies have to run")]
    unsafe {
        nix::libc::_exit(0)
    }
}

/// Lets go of standard output and standard error: what is written there from now on is lost.
///
/// # Errors
///
/// When the operating system refuses.
pub fn let_go_of_output() -> io::Result<()> {
    let null = File::options().write(true).open("/dev/null")?;
    io::stdout().flush()?;
    dup2_stdout(&null)?;
    dup2_stderr(&null)?;
    Ok(())
}

/// How many threads the process has.
pub(crate) fn thread_count() -> io::Result<usize> {
    Ok(std::fs::read_dir("/proc/self/task")?.count())
}

// ===== impl Launcher =====

impl Launcher {
    /// Waits for the daemon, no longer than `limit`.
    #[must_use]
    pub fn wait(mut self, limit: Duration) -> Outcome {
        if is_planted("leaves-at-once") {
            return Outcome::Ready { pid: 0 };
        }
        let mut record = [0; 5];
        let mut filled = 0;
        while filled < record.len() {
            if !self.is_readable(limit) {
                return Outcome::TimedOut;
            }
            match self.pipe.read(&mut record[filled..]) {
                Ok(0) | Err(_) => return Outcome::Crashed,
                Ok(read) => filled += read,
            }
        }
        let [kind, number @ ..] = record;
        let number = u32::from_le_bytes(number);
        match kind {
            READY => Outcome::Ready { pid: number },
            _ => Outcome::Failed { code: u8::try_from(number).unwrap_or(u8::MAX) },
        }
    }

    fn is_readable(&self, limit: Duration) -> bool {
        let limit = Timespec::try_from(limit).ok();
        loop {
            let mut waiting = [PollFd::from_borrowed_fd(self.pipe.as_fd(), PollFlags::IN)];
            match poll(&mut waiting, limit.as_ref()) {
                Ok(ready) => return ready > 0,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return false,
            }
        }
    }
}

const READY: u8 = b'R';
const FAILED: u8 = b'F';

// ===== impl Reporter =====

impl Reporter {
    /// Tells the launcher that the daemon is ready, and lets go of its output: what comes from now
    /// on is for the log.
    ///
    /// # Errors
    ///
    /// When the output cannot be let go of.
    pub fn ready(self) -> io::Result<()> {
        let_go_of_output()?;
        self.tell(READY, std::process::id());
        Ok(())
    }

    /// Tells the launcher that the daemon ends with `code`. Why is said on its standard error.
    pub fn failed(self, code: u8) {
        self.tell(FAILED, u32::from(code));
    }

    fn tell(mut self, kind: u8, number: u32) {
        let [a, b, c, d] = number.to_le_bytes();
        // The launcher may have been interrupted; the daemon does not depend on it.
        let _ = self.pipe.write_all(&[kind, a, b, c, d]);
    }
}
