use std::{io, os::fd::OwnedFd};

use super::Tasks;
use crate::{
    environment,
    ipc::{Handlers, Message, Peer, Request},
};

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
        let Some(value) = environment::take(VARIABLE) else { return Ok(None) };
        let value = value.to_string_lossy().into_owned();
        let wrong = || TaskChildError { value: value.clone() };
        let descriptor = value.parse().map_err(|_| wrong())?;
        // SAFETY: whoever set the variable opened the descriptor for this process, and nothing else
        // has taken it, as this is called once and first.
        #[expect(unsafe_code, reason = "descriptors come as numbers")]
        let socket = unsafe { environment::take_socket(descriptor) }.ok_or_else(wrong)?;
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
