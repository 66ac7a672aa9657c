use std::{
    env, io,
    os::fd::{BorrowedFd, FromRawFd as _, OwnedFd},
};

use super::Tasks;
use crate::ipc::{Handlers, Message, Peer, Request};

/// What tells a process that it does tasks: the descriptor of its socket.
pub(super) const VARIABLE: &str = "FRAMEWORK_TASKS";

/// This process does tasks, and nothing else.
#[derive(Debug)]
pub struct TaskChild {
    socket: OwnedFd,
}

/// The environment says that this process does tasks, and makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{VARIABLE}={value}` makes no sense: it is what a pool says to its processes")]
pub struct TaskChildError {
    /// What it says.
    pub value: String,
}

/// Whether the process is there: it says which tasks it knows, as a number.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Greet;

impl Message for Greet {
    const NAME: &'static str = "framework.tasks.greet";
    const CONTROL: bool = true;
}

impl Request for Greet {
    type Reply = u64;
}

impl TaskChild {
    /// The process that does tasks, if that is what this one is for. What says so is taken out of
    /// the environment.
    ///
    /// To be called once, before there is a thread and before anything is opened.
    ///
    /// # Errors
    ///
    /// When the environment makes no sense.
    pub fn take() -> Result<Option<Self>, TaskChildError> {
        let Some(value) = env::var_os(VARIABLE) else { return Ok(None) };
        if crate::detach::thread_count().is_ok_and(|threads| threads == 1) {
            // SAFETY: there is one thread, this one.
            #[expect(unsafe_code, reason = "other threads could be reading")]
            unsafe {
                env::remove_var(VARIABLE);
            }
        }
        let value = value.to_string_lossy().into_owned();
        let wrong = || TaskChildError { value: value.clone() };
        let descriptor = value.parse::<i32>().ok().filter(|it| *it > 2).ok_or_else(wrong)?;
        // SAFETY: it is only asked about, and a number that is not open is an error.
        #[expect(unsafe_code, reason = "descriptors come as numbers")]
        let asked = unsafe { BorrowedFd::borrow_raw(descriptor) };
        let kind = rustix::net::sockopt::socket_type(asked).map_err(|_| wrong())?;
        if kind != rustix::net::SocketType::SEQPACKET {
            return Err(wrong());
        }
        rustix::io::fcntl_setfd(asked, rustix::io::FdFlags::CLOEXEC).map_err(|_| wrong())?;
        // SAFETY: it is open, as was seen above, and whoever set the variable opened it for this
        // process; nothing else has taken it, as this is called once and first.
        #[expect(unsafe_code, reason = "descriptors come as numbers")]
        let socket = unsafe { OwnedFd::from_raw_fd(descriptor) };
        crate::environment::take_name();
        Ok(Some(Self { socket }))
    }

    /// Does `tasks` until the pool is gone, on a runtime of its own.
    ///
    /// # Errors
    ///
    /// When the operating system refuses.
    pub fn run(self, tasks: &Tasks) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let schema = tasks.handlers.schema();
        let greeting = Handlers::new()
            .answer(move |Greet, _| async move { Ok(schema) })
            .and_then(|greeting| greeting.merge(tasks.handlers.clone()));
        let handlers = greeting.map_err(io::Error::other)?;
        let closed = runtime.block_on(async {
            let (_peer, driver) = Peer::open_to_any(self.socket, handlers)?;
            Ok::<_, io::Error>(driver.await)
        })?;
        tracing::debug!(?closed, "the pool is gone");
        // Nobody waits for what is still being done.
        runtime.shutdown_background();
        Ok(())
    }
}
