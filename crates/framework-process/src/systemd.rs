//! The service manager: what it is told, and what it hands over.

mod notify;
mod sockets;

pub use self::{
    notify::{Notifier, NotifyError, State},
    sockets::{InheritedSocket, SocketsError, parse_sockets},
};
