//! A primary process and its workers: the same program several times, at the same addresses.
//!
//! The [`Primary`] starts the workers, each as a new process of this program, and watches them. It
//! runs nothing of the application, so what harms a worker does not harm it. It binds the
//! addresses: each worker has a listening socket of its own, its *slot*, which stays open when the
//! worker ends. What the kernel has put into it is then accepted by the next worker in that slot,
//! or meanwhile by another one: nothing that waits is lost with a worker.
//!
//! A worker is the application as it always is, and knows by [`WorkerEnd::take`] that it is one: it
//! asks the primary for its sockets, and tells it how it is.

use std::fmt;

use serde_json::Value;

use crate::{Refused, Request};

mod directory;
mod merge;
mod messages;
mod policy;
mod primary;
pub(crate) mod process;
mod roll;
mod settings;
mod sockets;
mod supervisor;
mod worker;

pub use self::{
    merge::merge_metrics,
    policy::RestartPolicy,
    primary::{ClusterCommands, ClusterFailed, Primary, ReadyWorker, RollFailed},
    process::Program,
    roll::RecycleLimits,
    settings::{Accept, ClusterSettings, RecycleSettings, RestartSettings, SlotSettings},
    sockets::SlotSockets,
    worker::{Beat, WorkerEnd, WorkerEndError, WorkerHooks, WorkerLink},
};

/// What a process answers to operators that ask through another one.
pub(crate) type Operated = Result<String, (u8, String)>;

/// A question of an operator, and the answer, as they go from process to process.
fn operated(answer: Result<Value, Refused>) -> Operated {
    match answer {
        Ok(value) => Ok(value.to_string()),
        Err(refused) => Err((refused.exit, refused.message)),
    }
}

fn answered(answer: Operated) -> Result<Value, Refused> {
    match answer {
        Ok(text) => serde_json::from_str(&text).map_err(|error| garbled(&error)),
        Err((exit, message)) => Err(Refused::new(exit, message)),
    }
}

fn question(request: &Request) -> String {
    serde_json::to_string(request).expect("a request is plain data")
}

fn garbled(error: &dyn fmt::Display) -> Refused {
    Refused::new(70, format!("the answer of another process makes no sense: {error}"))
}
