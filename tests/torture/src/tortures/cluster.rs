//! What all tortures of clusters share: how one is started, watched, and judged.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::{
    BoxError,
    client::request,
    history::{Outcome, Record},
    process::{Operator, Place, Process, Program},
    suite::Setting,
    verdict::Verdict,
};

/// How often is looked at a cluster.
const LOOK: Duration = Duration::from_millis(15);

/// How late a client may notice what has happened to its request.
const GRACE: Duration = Duration::from_secs(1);

/// How long a signal may take to arrive.
const ARRIVAL: Duration = Duration::from_millis(5);

/// How late a client may still use a connection whose end it has not noticed.
const UNNOTICED: Duration = Duration::from_millis(50);

/// A target that runs as so many workers, and replaces them soon.
///
/// # Errors
///
/// Returns an error if it is not built.
pub(crate) fn program(setting: Setting, workers: usize) -> Result<Program, BoxError> {
    Ok(soon(setting.program("target")?).cluster(Some(workers)))
}

/// Has a program let go of clients soon, and trust new workers soon.
pub(crate) fn soon(program: Program) -> Program {
    program.alone().set("cluster.min_ready", "100ms").set("http.keep_alive", "1s")
}

/// Ends a cluster in order, and requires that nothing of it is left.
///
/// # Errors
///
/// Returns an error if it does not end in order.
pub(crate) async fn stop(process: Process, verdict: &mut Verdict) -> Result<(), BoxError> {
    let ended = process.stop().await?;
    let left = ended.place.processes();
    verdict.require(left.is_empty(), || format!("processes are left: {left:?}"));
    Ok(())
}

/// When none of these processes was left, if that was in time.
pub(crate) async fn gone(process: &Process, pids: &[u32], until: Instant) -> Option<Instant> {
    loop {
        let now = Instant::now();
        let left = process.place().processes();
        if !pids.iter().any(|pid| left.contains(pid)) {
            return Some(now);
        }
        if now > until {
            return None;
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// Where a program that has [a door](door) listens beside its port, in its place.
const DOOR: &str = "door.sock";

/// Has a program listen at a Unix socket as well, whose file comes and goes with it.
pub(crate) fn door(program: Program) -> Program {
    program.set("http.also", format_args!("[\"unix:{DOOR}\"]"))
}

/// Requires that whoever comes to the door is answered.
pub(crate) async fn answers_at_the_door(place: &Place, verdict: &mut Verdict) {
    let asked = async {
        let mut stream = UnixStream::connect(place.path().join(DOOR)).await?;
        stream.write_all(&request("GET", "/", "close", b"")).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok::<_, io::Error>(answer)
    };
    let answer = timeout(GRACE * 5, asked).await;
    let is_well = matches!(&answer, Ok(Ok(answer)) if answer.starts_with(b"HTTP/1.1 200"));
    verdict.require(is_well, || format!("whoever comes to the door gets {answer:?}"));
}

/// Requires that the door is gone with the last process.
pub(crate) fn no_door(place: &Place, verdict: &mut Verdict) {
    let is_left = place.path().join(DOOR).exists();
    verdict.require(!is_left, || "the file of the Unix socket is left".to_owned());
}

/// Looks at a cluster again and again.
#[derive(Debug)]
pub(crate) struct Watch {
    seen: Arc<Mutex<Seen>>,
    _looking: JoinSet<()>,
}

/// What was seen of a cluster.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) looks: usize,
    /// The fewest workers that served at a time.
    pub(crate) least_ready: Option<usize>,
    pub(crate) primaries: BTreeSet<u32>,
    /// Each worker, by its process.
    pub(crate) lives: BTreeMap<u32, Life>,
}

/// The life of a worker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life {
    pub(crate) slot: u32,
    pub(crate) started: Instant,
    pub(crate) ready: Option<Instant>,
}

impl Watch {
    /// Looks from now on.
    pub(crate) fn start(operator: &Operator) -> Self {
        let (seen, mut looking) = (Arc::<Mutex<Seen>>::default(), JoinSet::new());
        let (operator, notes) = (operator.clone(), Arc::clone(&seen));
        looking.spawn(async move {
            loop {
                // Between two primaries nobody may answer; what counts is what is seen.
                if let Ok(workers) = operator.workers().await {
                    lock(&notes).note(&workers);
                }
                sleep(LOOK).await;
            }
        });
        Self { seen, _looking: looking }
    }

    /// What was seen up to now: at least one look begins after this call.
    pub(crate) async fn seen(&self) -> Seen {
        let looks = lock(&self.seen).looks;
        loop {
            let seen = lock(&self.seen).clone();
            if seen.looks > looks + 1 {
                return seen;
            }
            sleep(LOOK).await;
        }
    }
}

impl Seen {
    fn note(&mut self, workers: &crate::process::Workers) {
        let now = Instant::now();
        let ready = workers.ready().len();
        self.looks += 1;
        self.least_ready = Some(self.least_ready.map_or(ready, |least| least.min(ready)));
        self.primaries.insert(workers.primary);
        for worker in &workers.workers {
            let Some(pid) = worker.pid else { continue };
            let slot = worker.slot;
            let life = self.lives.entry(pid).or_insert_with(|| Life {
                slot,
                started: started(pid).unwrap_or(now),
                ready: None,
            });
            if worker.state == "ready" {
                life.ready.get_or_insert(now);
            }
        }
    }

    /// The worker that took the place of one that ended at this moment.
    pub(crate) fn heir(&self, slot: u32, ended: Instant) -> Option<Life> {
        // The kernel counts the starts of processes in hundredths of a second.
        let after = |life: &&Life| life.slot == slot && life.started + ARRIVAL * 4 >= ended;
        self.lives.values().filter(after).min_by_key(|life| life.started).copied()
    }
}

/// When a process was started.
fn started(pid: u32) -> Option<Instant> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let ticks: u64 = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()?;
    let now = clock_gettime(ClockId::Boottime);
    let now = Duration::new(now.tv_sec.cast_unsigned(), u32::try_from(now.tv_nsec).ok()?);
    Instant::now().checked_sub(now.saturating_sub(Duration::from_millis(ticks * 10)))
}

/// A worker came to harm.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Harm {
    /// Which one, where that is known.
    pub(crate) pid: Option<u32>,
    /// From then on it did nothing any more.
    pub(crate) begun: Instant,
    /// When it ended.
    pub(crate) ended: Instant,
}

impl Harm {
    /// Whether a request was in hand then, so that it is lost with the worker.
    fn explains(&self, record: &Record) -> bool {
        self.finds_in_hand(record) && record.returned <= self.ended + GRACE
    }

    /// Whether it may have had the request: on a connection of its own, or a new one whose worker
    /// nobody knows.
    fn finds_in_hand(&self, record: &Record) -> bool {
        // A new connection that came later waits in the queue, which nobody may lose.
        let accepted = match record.established {
            true => record.invoked <= self.ended + UNNOTICED,
            false => record.invoked <= self.begun + ARRIVAL,
        };
        let had_it = self.pid.zip(record.by).is_none_or(|(own, by)| own == by);
        had_it && accepted && record.returned >= self.begun
    }
}

/// Requires that nothing was lost but what the workers that came to harm had in hand.
pub(crate) fn only_in_hand(verdict: &mut Verdict, records: &[Record], harms: &[Harm]) {
    let (mut answered, mut lost) = (0_usize, 0_usize);
    for record in records {
        match record.outcome {
            Outcome::Ok => answered += 1,
            Outcome::Unavailable | Outcome::NotTaken => {}
            Outcome::Refused => {
                verdict.require(false, || "a connection was refused".to_owned());
            }
            other => {
                lost += 1;
                let explained = harms.iter().any(|harm| harm.explains(record));
                verdict.require(explained, || unexplained(other, record, harms));
            }
        }
    }
    let in_hand = |harm: &Harm| records.iter().filter(|it| harm.finds_in_hand(it)).count();
    let in_hand: usize = harms.iter().map(in_hand).sum();
    verdict.figure(format_args!("{answered} answered, {lost} lost of {in_hand} in hand"));
    verdict.require(lost <= in_hand, || format!("{lost} lost, and {in_hand} were in hand"));
}

fn unexplained(outcome: Outcome, record: &Record, harms: &[Harm]) -> String {
    let near = harms.iter().rev().find(|harm| harm.begun <= record.returned);
    let when = near.map_or_else(
        || "before any harm".to_owned(),
        |harm| {
            let after = record.returned - harm.begun;
            let asked = record.invoked.saturating_duration_since(harm.begun);
            format!("{after:.1?} after a worker came to harm, asked {asked:.1?} after")
        },
    );
    let what = match record.established {
        true => "a request on an established connection",
        false => "a connection that nobody had accepted",
    };
    format!("{what} was lost: {outcome:?} {when}")
}

// No code of others runs while one is held.
fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_in_a_queue_is_not_excused_by_the_end_of_a_worker() {
        let begun = Instant::now();
        let at = |ms| begun + Duration::from_millis(ms);
        let harm = Harm { pid: Some(7), begun: at(0), ended: at(100) };
        let record = |established, invoked, returned| Record {
            established,
            idle: Duration::ZERO,
            invoked,
            returned,
            outcome: Outcome::Reset,
            by: None,
        };
        let before = begun.checked_sub(Duration::from_millis(3)).unwrap();
        assert!(harm.explains(&record(false, before, at(101))));
        assert!(harm.explains(&record(true, at(50), at(101))));
        assert!(!harm.explains(&record(false, at(50), at(101))));
        assert!(!harm.explains(&record(true, at(50), at(1200))));
        let of = |by| Record { by: Some(by), ..record(true, at(50), at(101)) };
        assert!(harm.explains(&of(7)) && !harm.explains(&of(8)), "another worker has lost it");
        let mut verdict = Verdict::default();
        only_in_hand(&mut verdict, &[record(false, at(50), at(101))], &[harm]);
        let fault = verdict.shown().next().unwrap();
        let mut allowed = Verdict::default();
        only_in_hand(&mut allowed, &[record(true, at(101), at(102))], &[harm]);
        assert_eq!(allowed.shown().count(), 0, "its client could not have noticed");
        assert!(fault.starts_with("a connection that nobody had accepted was lost"), "{fault}");
    }
}
