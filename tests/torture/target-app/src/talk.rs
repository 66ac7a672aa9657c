//! What two processes say to each other that speak through a socket, and what one says that makes no
//! sense.

use std::{
    fs, io,
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

use framework_process::ipc::{HandlerError, Handlers, Message, Request};
use rustix::{
    net::{SendFlags, SocketType, send, sockopt},
    process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open},
};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// How long it takes to handle one of very many.
const EVENT: Duration = Duration::from_micros(20);

/// Some bytes, which come back.
#[derive(Debug, Serialize, Deserialize)]
pub struct Echo(pub Vec<u8>);

/// Nobody answers this, ever.
#[derive(Debug, Serialize, Deserialize)]
pub struct Never;

/// A sign of life, which overtakes everything else.
#[derive(Debug, Serialize, Deserialize)]
pub struct Beat;

/// One of very many.
#[derive(Debug, Serialize, Deserialize)]
pub struct Event(pub String);

/// What only some versions know.
#[derive(Debug, Serialize, Deserialize)]
pub struct Novelty;

impl Message for Echo {
    const NAME: &'static str = "talk.echo";
}

impl Request for Echo {
    type Reply = Vec<u8>;
}

impl Message for Never {
    const NAME: &'static str = "talk.never";
}

impl Request for Never {
    type Reply = ();
}

impl Message for Beat {
    const NAME: &'static str = "talk.beat";
    const CONTROL: bool = true;
}

impl Request for Beat {
    type Reply = ();
}

impl Message for Event {
    const NAME: &'static str = "talk.event";
}

impl Message for Novelty {
    const NAME: &'static str = "talk.novelty";
}

/// What one who talks makes of what it is told; in a newer version, of one thing more.
///
/// # Errors
///
/// Never: there is one handler for each.
pub fn handlers(newer: bool) -> Result<Handlers, HandlerError> {
    let handlers = Handlers::new()
        .answer(async |Echo(bytes), _| Ok(bytes))?
        .answer(async |Never, _| std::future::pending().await)?
        .answer(async |Beat, _| Ok(()))?
        .on(async |Event(_), _| {
            // Whoever sends is faster, on any machine.
            let begun = Instant::now();
            while begun.elapsed() < EVENT {
                std::hint::spin_loop();
            }
            Ok(())
        })?;
    if newer { handlers.on(async |Novelty, _| Ok(())) } else { Ok(handlers) }
}

/// Says this to whoever this process exchanges messages with: a worker to its primary.
///
/// # Errors
///
/// If there is nobody, or the operating system refuses.
pub(crate) fn babble(frame: &[u8]) -> io::Result<()> {
    let link = link()?.ok_or(io::ErrorKind::NotConnected)?;
    send(&link, frame, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// A duplicate of the one socket that keeps the borders of messages.
fn link() -> io::Result<Option<OwnedFd>> {
    let own = pidfd_open(getpid(), PidfdFlags::empty())?;
    for file in fs::read_dir("/proc/self/fd")? {
        let number = file?.file_name().to_str().and_then(|name| name.parse().ok());
        let Some(number) = number else { continue };
        // One of them was the directory that is being read.
        let Ok(found) = pidfd_getfd(own.as_fd(), number, PidfdGetfdFlags::empty()) else {
            continue;
        };
        if sockopt::socket_type(&found).is_ok_and(|kind| kind == SocketType::SEQPACKET) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
