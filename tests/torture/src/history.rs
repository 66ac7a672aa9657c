//! What happened to every request, written down while it happens and judged afterwards.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// Answered, whole, and as expected.
    Ok,
    /// Answered with 503.
    Unavailable,
    /// Nobody listened.
    Refused,
    /// Reset before the first byte of an answer.
    Reset,
    /// Closed before the first byte of an answer.
    EofBeforeResponse,
    /// Closed or reset within an answer.
    Partial,
    /// No answer in time.
    TimedOut,
    /// Another answer than was expected.
    WrongBody,
    /// The server has said that it did not look at it: a stream of HTTP/2 above the last one of a
    /// goodbye.
    NotTaken,
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record {
    /// Whether the connection had had an answer before.
    pub(crate) established: bool,
    /// For how long the connection had been unused, as far as its client knows.
    pub(crate) idle: Duration,
    /// Before connecting, where it connected for this request.
    pub(crate) invoked: Instant,
    pub(crate) returned: Instant,
    pub(crate) outcome: Outcome,
    /// Which process has answered, where it says so; for one that was not answered, which process had
    /// on that connection before.
    pub(crate) by: Option<u32>,
}

/// All requests of a run, in the order in which they ended. Clones write to the same one.
#[derive(Clone, Debug)]
pub(crate) struct History {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    records: Mutex<Vec<Record>>,
    count: watch::Sender<usize>,
}

impl History {
    pub(crate) fn new() -> Self {
        let shared = Shared { records: Mutex::default(), count: watch::Sender::new(0) };
        Self { shared: Arc::new(shared) }
    }

    pub(crate) fn add(&self, record: Record) {
        let mut records = self.shared.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.push(record);
        self.shared.count.send_replace(records.len());
    }

    /// Waits until this many requests have ended.
    pub(crate) async fn reaches(&self, count: usize) {
        let mut counts = self.shared.count.subscribe();
        // The sender is here.
        let _ = counts.wait_for(|now| *now >= count).await;
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        self.shared.records.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn len(&self) -> usize {
        *self.shared.count.borrow()
    }
}

/// How long the slowest of a hundred answers took.
pub(crate) fn p99(records: &[Record]) -> Duration {
    let answered = records.iter().filter(|record| record.outcome == Outcome::Ok);
    let mut took: Vec<_> = answered.map(|record| record.returned - record.invoked).collect();
    took.sort_unstable();
    took.get(took.len() * 99 / 100).copied().unwrap_or_default()
}

/// How many requests ended in which way.
pub(crate) fn tally(records: &[Record]) -> BTreeMap<Outcome, usize> {
    let mut tally = BTreeMap::new();
    for record in records {
        *tally.entry(record.outcome).or_default() += 1;
    }
    tally
}
