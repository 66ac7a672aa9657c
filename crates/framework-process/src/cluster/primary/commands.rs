use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use serde_json::Value;
use tokio::sync::{mpsc, watch};

use super::{
    ClusterFailed, ClusterSettings, Directory, Operators, Processes, Shown, SlotSockets, operate,
};
use crate::{
    ControlHandler, Progress, Refused, Request,
    cluster::{merge_metrics, supervisor::WorkerId},
    ipc::Peer,
};

/// How long all workers together may take to answer an operator.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// Tells a [`Primary`](super::Primary) what to do, from wherever. Clones tell the same one.
#[derive(Clone, Debug)]
pub struct ClusterCommands {
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) shown: watch::Receiver<Shown>,
    pub(super) directory: Directory,
    pub(super) processes: Processes,
    pub(super) operators: Arc<OnceLock<Arc<dyn Operators>>>,
    pub(super) sockets: Arc<SlotSockets>,
}

#[derive(Debug)]
pub(super) enum Command {
    Stop,
    Kill,
    Roll(mpsc::Sender<News>),
    Adopt(Box<ClusterSettings>, usize),
}

/// What whoever asked for a roll is told.
#[derive(Debug)]
pub(super) enum News {
    Step(Value),
    Done(Result<u32, String>),
}

/// The workers were not all replaced; those that were not, serve as before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
#[non_exhaustive]
pub struct RollFailed {
    /// Why.
    pub why: String,
}

impl ClusterCommands {
    /// Has `operators` answer what operators ask through a worker.
    pub fn answer_operators(&self, operators: Arc<dyn ControlHandler>) {
        // Only the first one counts.
        let _ = self.operators.set(Arc::new(Answering(operators)));
    }

    /// Waits until every slot has a worker that is ready.
    ///
    /// # Errors
    ///
    /// When no worker serves, and none can be started.
    pub async fn complete(&self) -> Result<(), ClusterFailed> {
        let mut shown = self.shown.clone();
        let ready = shown.wait_for(|it| it.complete || it.failed.is_some()).await;
        match ready.as_ref().map(|it| it.failed) {
            Ok(Some(failed)) => Err(failed),
            // It is complete; or the primary has ended, and says itself how.
            Ok(None) | Err(_) => Ok(()),
        }
    }

    /// Has all workers stop in order; called again, hurries them.
    pub async fn stop(&self) {
        // A primary that has ended has no workers.
        let _ = self.commands.send(Command::Stop).await;
    }

    /// Ends all workers at once.
    pub fn kill(&self) {
        let _ = self.commands.try_send(Command::Kill);
        self.processes.kill_all();
    }

    /// Replaces all workers, one after the other: each new one has to be ready and well before the
    /// old one is let go. Tells `progress` of each.
    ///
    /// # Errors
    ///
    /// When a new worker is not: it is ended, and the old ones stay.
    pub async fn roll(&self, mut progress: impl FnMut(Value)) -> Result<u32, RollFailed> {
        let gone = || RollFailed { why: "the cluster has ended".to_owned() };
        let (news, mut listening) = mpsc::channel(64);
        self.commands.send(Command::Roll(news)).await.map_err(|_| gone())?;
        loop {
            match listening.recv().await.ok_or_else(gone)? {
                News::Step(step) => progress(step),
                News::Done(result) => return result.map_err(|why| RollFailed { why }),
            }
        }
    }

    /// Has `workers` workers from now on, treated as `settings` say.
    pub async fn adopt(&self, settings: ClusterSettings, workers: usize) {
        let _ = self.commands.send(Command::Adopt(Box::new(settings), workers)).await;
    }

    /// The workers that are ready now, one in each slot: for those who have more than one thing to
    /// ask of the same ones.
    #[must_use]
    pub fn ready_workers(&self) -> Vec<ReadyWorker> {
        let ready = self.directory.ready().into_iter();
        ready.map(|(slot, (id, peer))| ReadyWorker { slot, id, peer }).collect()
    }

    /// Whether `worker` is still the one that serves in its slot.
    #[must_use]
    pub fn is_ready(&self, worker: &ReadyWorker) -> bool {
        self.directory.ready().get(&worker.slot).is_some_and(|(id, _)| *id == worker.id)
    }

    /// Asks every worker that is ready, and returns the answers by slot.
    pub async fn ask_all(&self, request: &Request) -> Vec<(u32, Result<Value, Refused>)> {
        ReadyWorker::ask_each(&self.ready_workers(), request).await
    }

    /// The metrics of all workers in one text, each with its slot as the label `worker`, and those
    /// of the cluster itself.
    pub async fn metrics(&self, accept: Option<String>) -> String {
        let answers = self.ask_all(&Request::Metrics { accept }).await;
        let text = |answer: Value| answer["text"].as_str().map(str::to_owned);
        let texts: Vec<_> = answers
            .into_iter()
            .filter_map(|(slot, answer)| Some((slot, text(answer.ok()?)?)))
            .collect();
        let (merged, own) = (merge_metrics(&texts), self.shown.borrow().metrics());
        match merged.strip_suffix("# EOF\n") {
            Some(merged) => format!("{merged}{own}# EOF\n"),
            None => merged + &own,
        }
    }

    /// The workers, as JSON.
    #[must_use]
    pub fn describe(&self) -> Value {
        self.shown.borrow().to_json()
    }

    /// Where the application listens, each module before its address.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.shown.borrow().addresses.clone()
    }

    /// The sockets of the cluster.
    #[must_use]
    pub fn sockets(&self) -> &SlotSockets {
        &self.sockets
    }
}

/// A worker that was ready when this was [got](ClusterCommands::ready_workers).
#[derive(Clone, Debug)]
pub struct ReadyWorker {
    slot: u32,
    id: WorkerId,
    peer: Peer,
}

impl ReadyWorker {
    /// Its slot, from 0.
    #[must_use]
    pub fn slot(&self) -> u32 {
        self.slot
    }

    /// Asks all of these `workers` at the same time, and returns the answers by slot; each has 20 s.
    pub async fn ask_each(
        workers: &[Self],
        request: &Request,
    ) -> Vec<(u32, Result<Value, Refused>)> {
        let asked = workers.iter().map(|worker| async move {
            (worker.slot, operate(&worker.peer, request, ANSWER_LIMIT).await)
        });
        futures_util::future::join_all(asked).await
    }
}

struct Answering(Arc<dyn ControlHandler>);

impl Operators for Answering {}

impl ControlHandler for Answering {
    fn handle(&self, request: &Request, progress: &mut Progress<'_>) -> Result<Value, Refused> {
        self.0.handle(request, progress)
    }
}

impl fmt::Debug for Answering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answering")
    }
}
