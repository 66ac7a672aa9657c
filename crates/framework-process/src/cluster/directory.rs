//! Which worker is where, for messages between workers.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use framework_core::BoxFuture;

use super::supervisor::WorkerId;
use crate::ipc::{Forward, Forwarded, IpcError, Outgoing, Peer, To};

/// The workers that can be spoken to.
#[derive(Clone, Debug, Default)]
pub(super) struct Directory {
    entries: Arc<Mutex<BTreeMap<WorkerId, Entry>>>,
}

#[derive(Clone, Debug)]
struct Entry {
    slot: u32,
    ready: bool,
    peer: Peer,
}

/// Passes messages of one worker on to others.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) directory: Directory,
    pub(super) from: (WorkerId, u32),
}

impl Directory {
    pub(super) fn add(&self, id: WorkerId, slot: u32, peer: Peer) {
        self.lock().insert(id, Entry { slot, ready: false, peer });
    }

    pub(super) fn remove(&self, id: WorkerId) {
        self.lock().remove(&id);
    }

    pub(super) fn set_ready(&self, id: WorkerId, ready: bool) {
        if let Some(entry) = self.lock().get_mut(&id) {
            entry.ready = ready;
        }
    }

    pub(super) fn peer(&self, id: WorkerId) -> Option<Peer> {
        self.lock().get(&id).map(|entry| entry.peer.clone())
    }

    /// The newest worker of each slot that is ready.
    pub(super) fn ready(&self) -> BTreeMap<u32, (WorkerId, Peer)> {
        let entries = self.lock();
        let ready = entries.iter().filter(|(_, it)| it.ready);
        ready.map(|(id, it)| (it.slot, (*id, it.peer.clone()))).collect()
    }

    // No code of others runs while it is held.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<WorkerId, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Forward for Post {
    fn forward(
        &self,
        to: To,
        message: Forwarded,
        limit: Option<Duration>,
    ) -> BoxFuture<Result<Outgoing, IpcError>> {
        let ready = self.directory.ready();
        let (id, from) = self.from;
        Box::pin(async move {
            match (to, limit) {
                (To::Slot(slot), limit) => {
                    let (_, peer) = ready.get(&slot).ok_or(IpcError::NoSuchSlot { slot })?;
                    match limit {
                        Some(limit) => peer.pass_on_and_wait(from, &message, limit).await,
                        None => peer.pass_on(from, &message).map(|()| Outgoing::none()),
                    }
                }
                (To::Others, None) => {
                    let others = ready.values().filter(|(other, _)| *other != id);
                    let mut refused = None;
                    // One that does not read must not keep it from the others.
                    for (_, peer) in others {
                        refused = peer.pass_on(from, &message).err().or(refused);
                    }
                    refused.map_or(Ok(Outgoing::none()), Err)
                }
                (To::Others, Some(_)) => {
                    Err(IpcError::Remote("a call goes to one worker, and not to all".to_owned()))
                }
                (To::Peer, _) => Err(IpcError::Unknown { name: "the primary".to_owned() }),
            }
        })
    }
}
