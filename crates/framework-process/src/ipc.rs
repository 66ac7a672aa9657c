//! Typed messages and calls between the processes of one application.
//!
//! A [`Peer`] is one end of a socket that two processes share: it sends [`Message`]s, which nobody
//! answers, and calls, which are answered. [`Handlers`] say what is done with what comes in. Frames
//! keep their borders, carry descriptors, and bodies in the form of
//! [postcard](https://docs.rs/postcard).
//!
//! * Each call has a deadline, which the other side knows too. It ends in one of four ways: with
//!   the reply, with the other side's error, at its deadline, or when the other process is gone.
//! * Queues are bounded: whoever sends faster than the other side reads is told
//!   [`IpcError::Overloaded`], and nothing is kept back in silence.
//! * There are two lanes: what [`Message::CONTROL`] marks overtakes everything else, so that a
//!   flood of events does not delay a sign of life.
//! * Both sides greet each other with the messages that they know; those of another version are
//!   refused with [`IpcError::Version`].
//! * A message is delivered at most once: what must not be lost belongs into an outbox.
//!
//! # Examples
//!
//! ```
//! use framework_process::ipc::{Handlers, Message, Peer, Request, To, socket_pair};
//! use serde::{Deserialize, Serialize};
//! use std::time::Duration;
//!
//! #[derive(Serialize, Deserialize)]
//! struct Square(u32);
//!
//! impl Message for Square {
//!     const NAME: &'static str = "doc.square";
//! }
//!
//! impl Request for Square {
//!     type Reply = u64;
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (left, right) = socket_pair()?; // one of them goes to another process, usually
//! let answers = Handlers::new().answer(async |Square(n), _from| Ok(u64::from(n) * u64::from(n)))?;
//! let (_server, serving) = Peer::open(left, answers.clone())?;
//! let (client, calling) = Peer::open(right, answers)?;
//! tokio::spawn(serving);
//! tokio::spawn(calling);
//! let squared = client.call(To::Peer, &Square(12), Duration::from_secs(1)).await?;
//! assert_eq!(squared, 144);
//! # Ok(())
//! # }
//! ```

use std::io;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

mod frame;
mod handlers;
mod inbox;
mod lane;
#[cfg(all(feature = "cluster", feature = "module"))]
mod module;
mod packets;
mod peer;
mod pending;

#[cfg(all(feature = "cluster", feature = "module"))]
pub use self::module::{IpcExt, IpcModule, MessageHandler, Peers, Sender};
pub use self::{
    frame::BadFrame,
    handlers::{Forward, Forwarded, HandlerError, Handlers, Incoming, Outgoing},
    packets::socket_pair,
    peer::{Closed, Peer},
};

/// Something that one process tells another.
pub trait Message: Serialize + DeserializeOwned + Send + 'static {
    /// What it goes by: `shop.order-placed`. Two messages with one name are refused.
    const NAME: &'static str;

    /// To be raised with each change of what it holds: processes with different versions do not
    /// speak to each other.
    const VERSION: u32 = 1;

    /// Whether it overtakes what does not say so: for a few small messages that must not wait.
    const CONTROL: bool = false;
}

/// A message that is answered.
pub trait Request: Message {
    /// The answer.
    type Reply: Serialize + DeserializeOwned + Send + 'static;
}

/// Whom a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum To {
    /// The process at the other end.
    Peer,
    /// A process that the one at the other end knows by this number; in a cluster, the worker in
    /// that slot.
    Slot(u32),
    /// All that the one at the other end knows, but for the sender.
    Others,
}

/// Why a message was not sent, or a call not answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IpcError {
    /// The process at the other end has gone. Whether it did what it was asked is not known.
    #[error("the other process is gone")]
    PeerGone,
    /// The deadline is over. Whether it was done is not known.
    #[error("there was no answer in time")]
    Timeout,
    /// One of the queues is full. It was not sent, or not looked at.
    #[error("too much is waiting for the other process: try again, or send less")]
    Overloaded,
    /// It is longer than can be sent.
    #[error("a message of {length} bytes is longer than {limit}")]
    TooLarge {
        /// How long it is, as far as is known.
        length: usize,
        /// How long it may be.
        limit: usize,
    },
    /// More descriptors than can go along.
    #[error("{length} descriptors are more than {limit}")]
    TooManyDescriptors {
        /// How many there are.
        length: usize,
        /// How many there may be.
        limit: usize,
    },
    /// The two sides were built with different messages.
    #[error("the other process knows other messages: it was built from another version")]
    Version,
    /// Nobody at the other end does anything with messages of this name.
    #[error("nobody answers `{name}` there")]
    Unknown {
        /// The name.
        name: String,
    },
    /// There is no process of that number.
    #[error("there is no process in slot {slot}")]
    NoSuchSlot {
        /// The number.
        slot: u32,
    },
    /// The other side tried, and failed.
    #[error("the other process failed: {0}")]
    Remote(String),
    /// It cannot be put into bytes, or the answer cannot be read.
    #[error("cannot be encoded: {0}")]
    Codec(#[from] postcard::Error),
    /// The other side sent something that makes no sense.
    #[error(transparent)]
    Frame(#[from] BadFrame),
    /// The operating system refused.
    #[error("the operating system refused")]
    System(#[source] io::Error),
}

/// An error as it goes through the socket.
#[derive(Debug, Serialize, Deserialize)]
enum Failure {
    Timeout,
    Overloaded,
    PeerGone,
    Unknown(String),
    NoSuchSlot(u32),
    TooLarge { length: u64, limit: u64 },
    Remote(String),
}

impl To {
    const OTHERS: u32 = u32::MAX;

    fn number(self) -> u32 {
        match self {
            Self::Peer => 0,
            Self::Slot(slot) => slot.saturating_add(1).min(Self::OTHERS - 1),
            Self::Others => Self::OTHERS,
        }
    }

    fn from_number(number: u32) -> Self {
        match number {
            0 => Self::Peer,
            Self::OTHERS => Self::Others,
            other => Self::Slot(other - 1),
        }
    }
}

impl From<IpcError> for Failure {
    fn from(error: IpcError) -> Self {
        match error {
            IpcError::Timeout => Self::Timeout,
            IpcError::Overloaded => Self::Overloaded,
            IpcError::PeerGone => Self::PeerGone,
            IpcError::Unknown { name } => Self::Unknown(name),
            IpcError::NoSuchSlot { slot } => Self::NoSuchSlot(slot),
            IpcError::TooLarge { length, limit } => {
                Self::TooLarge { length: length as u64, limit: limit as u64 }
            }
            IpcError::Remote(why) => Self::Remote(why),
            other => Self::Remote(other.to_string()),
        }
    }
}

impl From<Failure> for IpcError {
    fn from(failure: Failure) -> Self {
        let size = |size| usize::try_from(size).unwrap_or(usize::MAX);
        match failure {
            Failure::Timeout => Self::Timeout,
            Failure::Overloaded => Self::Overloaded,
            Failure::PeerGone => Self::PeerGone,
            Failure::Unknown(name) => Self::Unknown { name },
            Failure::NoSuchSlot(slot) => Self::NoSuchSlot { slot },
            Failure::TooLarge { length, limit } => {
                Self::TooLarge { length: size(length), limit: size(limit) }
            }
            Failure::Remote(why) => Self::Remote(why),
        }
    }
}
