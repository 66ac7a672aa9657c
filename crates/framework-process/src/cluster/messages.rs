//! What the primary and its workers tell each other.

use serde::{Deserialize, Serialize};

use super::Operated;
use crate::ipc::{Message, Request};

macro_rules! control {
    ($($message:ident = $name:literal $(=> $reply:ty)?;)*) => {$(
        impl Message for $message {
            const NAME: &'static str = $name;
            const CONTROL: bool = true;
        }

        $(impl Request for $message {
            type Reply = $reply;
        })?
    )*};
}

control! {
    WantSocket = "framework.cluster.want-socket" => Result<bool, (Option<i32>, String)>;
    IsReady = "framework.cluster.is-ready";
    Leaves = "framework.cluster.leaves";
    Lives = "framework.cluster.lives";
    Ask = "framework.cluster.ask" => Operated;
    StopNow = "framework.cluster.stop";
    Lend = "framework.cluster.lend" => ();
    TakeBack = "framework.cluster.take-back";
    Operate = "framework.cluster.operate" => Operated;
    IsHealthy = "framework.cluster.is-healthy" => bool;
}

/// A worker wants the socket called `name`, or the one for `address`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WantSocket {
    pub(super) name: String,
    pub(super) address: String,
}

/// The application in the worker is ready, and listens at these addresses.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct IsReady {
    pub(super) addresses: Vec<String>,
}

/// The worker stops.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Leaves;

/// The worker lives, and its runtime goes on.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Lives {
    pub(super) rss: u64,
    pub(super) requests: u64,
}

/// An operator asks the cluster, through the worker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Ask(pub(super) String);

/// The worker is to stop in order; the second time, to hurry.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StopNow;

/// Accept from another slot's socket as well.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Lend {
    pub(super) server: String,
    pub(super) id: u64,
}

/// Accept from it no longer.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct TakeBack {
    pub(super) server: String,
    pub(super) id: u64,
}

/// An operator asks the worker, through the primary.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Operate(pub(super) String);

/// Does the worker serve, and are its checks well?
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct IsHealthy;
