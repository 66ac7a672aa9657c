//! One process takes the place of another, and nobody notices.

use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    process::{Child, Command, ExitStatus},
    time::Duration,
};

use command_fds::{CommandFdExt as _, FdMapping};
use framework_core::is_planted;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, socketpair},
    process::{Pid, PidfdFlags, pidfd_open},
};
use serde::{Deserialize, Serialize};

use crate::{
    InheritedSocket,
    descriptors::{self, Room},
    environment,
};

/// What tells a process that it is to take the place of another one: the descriptor of the socket
/// between them.
const VARIABLE: &str = "FRAMEWORK_PREDECESSOR";

/// The descriptor that it is at.
const DESCRIPTOR: i32 = 3;

/// How long the two may take over a word that needs no work.
const WORD: Duration = Duration::from_secs(10);

/// How long a process may take to end that has let go of the socket.
const LAST_MOMENT: Duration = Duration::from_secs(5);

/// The longest word, in bytes.
const LONGEST: usize = 64 << 10;

/// A process that is to take the place of this one. Dropped before that, it is ended.
///
/// It gets the listening sockets and the lock of this process, and starts. Once it is ready, both
/// serve; only then does this process let go of what only one can have, and the other one takes it.
/// Until that moment nothing has changed, whatever the new process does.
#[derive(Debug)]
pub struct Successor {
    child: Child,
    socket: OwnedFd,
    taken: bool,
}

/// The process before this one, whose place it takes.
#[derive(Debug)]
pub struct Predecessor {
    socket: OwnedFd,
    /// The sockets that it listens at.
    pub sockets: Vec<InheritedSocket>,
    /// The open file that the lock is on, for
    /// [`Instance::take_over`](crate::Instance::take_over).
    pub lock: Option<OwnedFd>,
}

/// One process did not take the place of another.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SuccessionError {
    /// The new process cannot be started.
    #[error("the new process cannot be started")]
    NotStarted(#[source] io::Error),
    /// The new process has ended before it was ready.
    #[error("the new process ended before it was ready, with {0}")]
    Ended(ExitStatus),
    /// The new process was not ready in time, and has been ended.
    #[error("the new process was not ready within {} s", .0.as_secs_f64())]
    TimedOut(Duration),
    /// The two do not understand each other.
    #[error("the two processes do not understand each other")]
    Garbled(#[source] io::Error),
    /// The environment speaks of a process before this one, and makes no sense.
    #[error("`{VARIABLE}={0}` makes no sense: it is what a process says to its successor")]
    Environment(String),
}

/// What the two say to each other.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Word {
    /// Here are some sockets, with their names and whether they are our own, and at the end perhaps
    /// the lock.
    Inherit { names: Vec<(String, bool)>, lock: bool, more: bool },
    /// I am ready.
    Ready,
    /// It is yours.
    Yours,
    /// I have it.
    Taken,
}

// ===== impl Successor =====

impl Successor {
    /// Starts `command`, and hands `sockets` and the lock over to it.
    ///
    /// # Errors
    ///
    /// When it cannot be started, or ends at once.
    pub fn start(
        mut command: Command,
        sockets: &[InheritedSocket],
        lock: Option<BorrowedFd<'_>>,
    ) -> Result<Self, SuccessionError> {
        let flags = SocketFlags::CLOEXEC;
        let pair = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None);
        let (socket, theirs) = pair.map_err(|error| SuccessionError::NotStarted(error.into()))?;
        let mapping = FdMapping { parent_fd: theirs, child_fd: DESCRIPTOR };
        command.env(VARIABLE, DESCRIPTOR.to_string());
        command
            .fd_mappings(vec![mapping])
            .map_err(|error| SuccessionError::NotStarted(io::Error::other(error.to_string())))?;
        let child = command.spawn().map_err(SuccessionError::NotStarted)?;
        // The command holds the other end, and the end of the process must show here.
        drop(command);
        let mut successor = Self { child, socket, taken: false };
        successor.bequeath(sockets, lock).map_err(|error| successor.lost(error))?;
        Ok(successor)
    }

    fn bequeath(
        &self,
        sockets: &[InheritedSocket],
        lock: Option<BorrowedFd<'_>>,
    ) -> io::Result<()> {
        let mut parts: Vec<_> = sockets.chunks(descriptors::MOST - 1).collect();
        if parts.is_empty() {
            parts.push(&[]);
        }
        let last = parts.len() - 1;
        for (at, part) in parts.into_iter().enumerate() {
            let mut along: Vec<_> = part.iter().map(|it| it.socket.as_fd()).collect();
            let lock = lock.filter(|_| at == last);
            along.extend(lock);
            let names = part.iter().map(|it| (it.name.clone(), it.own)).collect();
            let word = Word::Inherit { names, lock: lock.is_some(), more: at != last };
            say(self.socket.as_fd(), &word, &along)?;
        }
        Ok(())
    }

    /// The number of the new process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it is ready to serve beside this process.
    ///
    /// # Errors
    ///
    /// When it ends, or is not ready within `limit`. It is ended then.
    pub fn ready(&mut self, limit: Duration) -> Result<(), SuccessionError> {
        if is_planted("blind-succession") {
            return Ok(());
        }
        match hear(self.socket.as_fd(), limit) {
            Ok(Some((Word::Ready, _))) => Ok(()),
            Ok(Some(_)) => {
                let error = io::Error::new(io::ErrorKind::InvalidData, "it said something else");
                Err(SuccessionError::Garbled(error))
            }
            Ok(None) => Err(SuccessionError::TimedOut(limit)),
            Err(error) => Err(self.lost(error)),
        }
    }

    /// Leaves the lock, and whatever else only one process can have, to it, and waits until it has
    /// taken them. From then on it lives for itself.
    ///
    /// # Errors
    ///
    /// When it ends. What is left to it is then still this process's.
    pub fn leave_to_it(mut self) -> Result<(), SuccessionError> {
        let left = say(self.socket.as_fd(), &Word::Yours, &[]);
        if is_planted("blind-succession") {
            self.taken = true;
            return Ok(());
        }
        match left.and_then(|()| hear(self.socket.as_fd(), WORD)) {
            Ok(Some((Word::Taken, _))) => {
                self.taken = true;
                Ok(())
            }
            Ok(_) => Err(SuccessionError::TimedOut(WORD)),
            Err(error) => Err(self.lost(error)),
        }
    }

    /// Why it does not answer.
    fn lost(&mut self, error: io::Error) -> SuccessionError {
        // It lets go of the socket a moment before it ends, and how it ends says why.
        let _ = wait_for_end(&self.child, LAST_MOMENT);
        let _ = self.child.kill();
        match self.child.wait() {
            Ok(status) => SuccessionError::Ended(status),
            Err(_) => SuccessionError::Garbled(error),
        }
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        if !self.taken {
            // It may have ended already; in both cases it is waited for.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

// ===== impl Predecessor =====

impl Predecessor {
    /// The process before this one, if this one is to take its place. What says so is taken out of
    /// the environment.
    ///
    /// To be called once, before there is a thread and before anything is opened.
    ///
    /// # Errors
    ///
    /// When the environment makes no sense, or the other process is gone.
    pub fn take() -> Result<Option<Self>, SuccessionError> {
        let Some(value) = environment::take(VARIABLE) else { return Ok(None) };
        let value = value.to_string_lossy().into_owned();
        let wrong = || SuccessionError::Environment(value.clone());
        let descriptor = value.parse().map_err(|_| wrong())?;
        // SAFETY: whoever set the variable opened the descriptor for this process, and nothing else
        // has taken it, as this is called once and first.
        #[expect(unsafe_code, reason = "descriptors come as numbers")]
        let socket = unsafe { environment::take_socket(descriptor) }.ok_or_else(wrong)?;
        Self::inherit(socket).map(Some).map_err(SuccessionError::Garbled)
    }

    fn inherit(socket: OwnedFd) -> io::Result<Self> {
        let (mut sockets, mut lock) = (Vec::new(), None);
        loop {
            let heard = hear(socket.as_fd(), WORD)?;
            let Some((Word::Inherit { names, lock: locked, more }, mut along)) = heard else {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "nothing was handed over"));
            };
            if locked {
                lock = along.pop();
            }
            if along.len() != names.len() {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "sockets are missing"));
            }
            let named = names.into_iter().zip(along);
            let named = named.map(|((name, own), socket)| InheritedSocket { name, socket, own });
            sockets.extend(named);
            if !more {
                return Ok(Self { socket, sockets, lock });
            }
        }
    }

    /// Tells the process before this one that this one is ready, and waits until it has let go of
    /// what only one can have. If it is gone, it has.
    pub fn ready(&self) {
        let told = say(self.socket.as_fd(), &Word::Ready, &[]);
        if let Err(error) = told.and_then(|()| hear(self.socket.as_fd(), WORD).map(drop)) {
            tracing::warn!(%error, "the process before this one is gone");
        }
    }

    /// Tells it that this process has taken everything.
    pub fn taken(self) {
        if let Err(error) = say(self.socket.as_fd(), &Word::Taken, &[]) {
            tracing::warn!(%error, "the process before this one is gone");
        }
    }
}

fn say(socket: BorrowedFd<'_>, word: &Word, along: &[BorrowedFd<'_>]) -> io::Result<()> {
    let text = serde_json::to_vec(word)?;
    descriptors::send(socket, &text, along, SendFlags::empty())
}

/// The next word; `None` if there is none within `limit`.
fn hear(socket: BorrowedFd<'_>, limit: Duration) -> io::Result<Option<(Word, Vec<OwnedFd>)>> {
    if !is_readable(socket, limit)? {
        return Ok(None);
    }
    let mut bytes = vec![0; LONGEST];
    let arrived = Room::new().receive(socket, &mut bytes, RecvFlags::empty())?;
    if arrived.length == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some((serde_json::from_slice(&bytes[..arrived.length])?, arrived.descriptors)))
}

/// Waits until the process has ended, or for `limit`.
fn wait_for_end(child: &Child, limit: Duration) -> io::Result<bool> {
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let id = id.ok_or(io::ErrorKind::InvalidInput)?;
    is_readable(pidfd_open(id, PidfdFlags::empty())?.as_fd(), limit)
}

fn is_readable(socket: BorrowedFd<'_>, limit: Duration) -> io::Result<bool> {
    let limit = Timespec::try_from(limit).map_err(io::Error::other)?;
    loop {
        let mut waiting = [PollFd::from_borrowed_fd(socket, PollFlags::IN)];
        match poll(&mut waiting, Some(&limit)) {
            Ok(ready) => return Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
