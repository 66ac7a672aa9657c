use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use framework_core::is_planted;
use tokio::sync::oneshot;

use super::{Closed, IpcError, Outgoing};

pub(super) type Answer = Result<Outgoing, IpcError>;

/// The calls that wait for an answer. Each is answered once, whoever comes first: the reply, the
/// deadline, or the end of the other process.
#[derive(Debug, Default)]
pub(super) struct Pending {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    closed: Option<Closed>,
    waiting: HashMap<u64, oneshot::Sender<Answer>>,
}

/// A call that waits. Dropped, nobody waits any more.
pub(super) struct Waiting<'p> {
    pending: &'p Pending,
    id: u64,
    answer: oneshot::Receiver<Answer>,
}

/// As many calls may wait at a time.
const MOST: usize = 4096;

impl Pending {
    /// Has a call wait.
    pub(super) fn wait(&self) -> Result<Waiting<'_>, IpcError> {
        let mut state = self.lock();
        if let Some(closed) = &state.closed {
            return Err(closed.error());
        }
        if state.waiting.len() >= MOST {
            return Err(IpcError::Overloaded);
        }
        state.next += 1;
        let id = state.next;
        let (sender, answer) = oneshot::channel();
        state.waiting.insert(id, sender);
        Ok(Waiting { pending: self, id, answer })
    }

    /// Answers the call `id`. One that nobody waits for any more is not answered.
    pub(super) fn answer(&self, id: u64, answer: Answer) {
        let waiting = self.lock().waiting.remove(&id);
        if let Some(waiting) = waiting {
            // It may have been given up at this moment.
            let _ = waiting.send(answer);
        }
    }

    /// Answers all calls, and those to come: the other process is gone.
    pub(super) fn close(&self, why: &Closed) {
        let mut state = self.lock();
        state.closed = Some(why.clone());
        if is_planted("keeps-callers-waiting") {
            return;
        }
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        for (_, waiting) in waiting {
            let _ = waiting.send(Err(why.error()));
        }
    }

    // No code of others runs while it is held.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting<'_> {
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Whether waiting is over.
    pub(super) fn is_over(&self) -> bool {
        self.answer.is_terminated() || !self.answer.is_empty()
    }

    pub(super) async fn answered(mut self) -> Answer {
        (&mut self.answer).await.unwrap_or(Err(IpcError::PeerGone))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.pending.lock().waiting.remove(&self.id);
    }
}
