//! One configuration for all workers, or the old one: a reload in two phases.
//!
//! Everybody does first what can fail, and keeps it. Only when all have, and all have read the same,
//! is it put into force; else all let go of it.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use framework_config::{ConfigHandle, PreparedReload, ReloadOutcome, ReloadTrigger};
use framework_core::{Phase, is_planted};
use framework_process::{ClusterSettings, ReadyWorker, Refused, ReloadHow, Request, State};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use tokio::{
    runtime::Handle,
    sync::oneshot,
    time::{sleep, timeout},
};

use super::primary::{Clustered, by_worker};
use crate::{
    Exit,
    errand::Errand,
    operator::{Operator, lock},
    prepare::section,
    running::reloaded,
};

/// The shortest time from the end of one reload to the next.
const PAUSE: Duration = Duration::from_millis(100);

/// How often the workers may find different files before a reload is given up.
const ATTEMPTS: u32 = 3;

/// The wait before they look again.
const AGAIN: Duration = Duration::from_millis(50);

/// How long a worker holds what it has prepared: longer than the primary waits for the others.
const HELD: Duration = Duration::from_secs(30);

/// How a primary reloads its workers.
pub(crate) struct Reloading {
    errand: Arc<Errand>,
    // Held all the while: a second reload would take from the workers what the first one has had
    // them prepare.
    agreed: Mutex<Agreed>,
}

/// What the primary and its workers have agreed on.
struct Agreed {
    /// The number of the last reload; 0 before there is one, or when it was taken back.
    number: u64,
    /// How many there were.
    count: u64,
    /// When the last one came into force, in microseconds of the monotonic clock.
    at: Option<u64>,
    /// What the primary itself goes by.
    settings: ClusterSettings,
    /// What it went by before.
    before: ClusterSettings,
}

/// What a worker has prepared, and waits to hear of.
#[derive(Debug)]
pub(crate) struct Undecided {
    /// When the process of a worker was started; nothing in a process of its own.
    started: Option<u64>,
    decide: Mutex<Option<oneshot::Sender<Answer>>>,
    /// The number of the last reload that was committed and not taken back; 0 if there is none.
    committed: AtomicU64,
}

/// Where to say what became of what was prepared, when it is to be committed.
type Answer = oneshot::Sender<Result<Value, Refused>>;

/// Why a reload in two phases goes no further.
enum Obstacle {
    Refused(Refused),
    /// The workers have read something else at this path.
    Differs(String),
}

// ===== impl Reloading =====

impl Reloading {
    /// Reloads the cluster of this operator, as often as that is asked for and no more than ten times
    /// in a second.
    pub(crate) fn new(operator: Weak<Operator>, settings: ClusterSettings) -> Self {
        let errand = Errand::new("reload", PAUSE, move || {
            if let Some(target) = operator.upgrade().and_then(|it| it.target()) {
                // What comes of it is logged.
                let _ = target.reload(ReloadHow::Now);
            }
        });
        let before = settings.clone();
        let agreed = Agreed { number: 0, count: 0, at: None, settings, before };
        Self { errand, agreed: Mutex::new(agreed) }
    }

    pub(super) fn ask(&self) {
        self.errand.ask();
    }

    /// Whether there was a reload since `then`, by the monotonic clock.
    pub(super) fn is_newer_than(&self, then: u64) -> bool {
        lock(&self.agreed).at.is_some_and(|at| at >= then)
    }
}

// ===== impl Clustered =====

impl Clustered {
    /// Reloads all workers or none, and says what became of it to everybody.
    pub(super) fn reload_all(&self) -> Result<Value, Refused> {
        // Until all workers are there, there is nobody to ask.
        self.runtime.block_on(self.lifecycle.reached(Phase::Ready));
        let phase = self.lifecycle.phase();
        if phase != Phase::Ready {
            let message = format!("the cluster is {phase}, and reloads only while it runs");
            return Err(Refused::new(Exit::Internal.code(), message));
        }
        let mut agreed = lock(&self.reloading.agreed);
        let result = self.agree_and_commit(&mut agreed);
        let outcome = match &result {
            Ok(record) => {
                let outcome = record["outcome"].as_str().unwrap_or_default();
                tracing::info!(outcome, "the workers have read their configuration again");
                Ok(outcome)
            }
            Err(refused) => {
                tracing::error!(error = refused.message, "the configuration stays as it is");
                Err(refused as _)
            }
        };
        if let Some(operator) = self.operator.upgrade() {
            operator.reloaded(outcome);
        }
        result
    }

    /// Puts what was in force before the reload of this number back, in all workers; nothing, if
    /// that was done, or another one has come since.
    pub(super) fn take_back_all(&self, number: u64, cause: &str) -> Result<Value, Refused> {
        let mut agreed = lock(&self.reloading.agreed);
        if number == 0 || agreed.number != number {
            return Ok(json!({}));
        }
        agreed.number = 0;
        let request = Request::TakeBackReload { number, cause: cause.to_owned() };
        for (slot, answer) in self.ask_all(&request) {
            if let Err(refused) = answer {
                let error = refused.message;
                tracing::error!(slot, error, "a worker keeps a configuration that is taken back");
            }
        }
        agreed.settings = agreed.before.clone();
        self.adopt(&agreed.settings);
        tracing::error!(cause, "the workers have their configuration before again");
        if let Some(operator) = self.operator.upgrade() {
            let status = format!("the configuration before is in force again: {cause}");
            operator.tell(&[State::Ready, State::Status(&status)]);
        }
        Ok(json!({}))
    }

    fn adopt(&self, settings: &ClusterSettings) {
        let workers = settings.workers(self.workers);
        self.runtime.block_on(self.commands.adopt(settings.clone(), workers));
    }

    fn agree_and_commit(&self, agreed: &mut Agreed) -> Result<Value, Refused> {
        if is_planted("each-for-itself") {
            return self.all_agree(&Request::Reload { how: ReloadHow::Now });
        }
        for attempt in 1.. {
            let workers = self.commands.ready_workers();
            let settings = self.prepare(&workers).and_then(|()| self.settings());
            match settings {
                Ok(settings) => {
                    agreed.count += 1;
                    agreed.number = agreed.count;
                    let before = std::mem::replace(&mut agreed.settings, settings);
                    let result = self.commit(&workers, agreed.number);
                    // Nothing to go back from: what may still fail is what came before.
                    if result.as_ref().map_or(true, |record| record["outcome"] != "unchanged") {
                        agreed.before = before;
                    }
                    agreed.at = Some(monotonic_micros());
                    self.adopt(&agreed.settings);
                    return result;
                }
                Err(obstacle) => {
                    self.ask(&workers, ReloadHow::Abandon);
                    match obstacle {
                        Obstacle::Refused(refused) => return Err(refused),
                        Obstacle::Differs(_) if attempt < ATTEMPTS => {
                            self.runtime.block_on(async { sleep(AGAIN).await });
                        }
                        Obstacle::Differs(path) => return Err(unsettled(&path)),
                    }
                }
            }
        }
        unreachable!("the last attempt returns")
    }

    fn ask(&self, workers: &[ReadyWorker], how: ReloadHow) -> Vec<(u32, Result<Value, Refused>)> {
        self.runtime.block_on(ReadyWorker::ask_each(workers, &Request::Reload { how }))
    }

    /// Has all workers prepare, and compares what they have read.
    fn prepare(&self, workers: &[ReadyWorker]) -> Result<(), Obstacle> {
        let mut read: BTreeMap<String, Value> = BTreeMap::new();
        let answers = self.ask(workers, ReloadHow::Prepare);
        for (worker, (slot, answer)) in workers.iter().zip(answers) {
            let answer = match answer {
                Ok(answer) => answer,
                // Whoever comes in its place reads the same.
                Err(_) if !self.commands.is_ready(worker) => continue,
                Err(refused) => return Err(Obstacle::Refused(by_worker(slot, &refused))),
            };
            for (path, hash) in answer["files"].as_object().into_iter().flatten() {
                // What is different for a slot may lead to files that the others do not know.
                let known = read.entry(path.clone()).or_insert_with(|| hash.clone());
                if known != hash {
                    return Err(Obstacle::Differs(path.clone()));
                }
            }
        }
        Ok(())
    }

    /// The number of workers and how they are treated, which the primary itself reads.
    fn settings(&self) -> Result<ClusterSettings, Obstacle> {
        let invalid = |why: String| Obstacle::Refused(Refused::new(Exit::Invalid.code(), why));
        let loaded = self.sources.load().map_err(|error| invalid(error.to_string()))?;
        section(&loaded, "cluster")
            .ok_or_else(|| invalid("the section `cluster` makes no sense".to_owned()))
    }

    fn commit(&self, workers: &[ReadyWorker], number: u64) -> Result<Value, Refused> {
        let mut result = Ok(json!({"outcome": "unchanged", "changes": []}));
        let answers = self.ask(workers, ReloadHow::Commit { number });
        for (worker, (slot, answer)) in workers.iter().zip(answers) {
            match answer {
                Ok(record) => {
                    // A worker that has just come has read it already.
                    if result.as_ref().is_ok_and(|it| it["outcome"] == "unchanged") {
                        result = Ok(record);
                    }
                }
                // Whoever comes in its place reads the same.
                Err(refused) if !self.commands.is_ready(worker) => {
                    tracing::warn!(slot, error = refused.message, "a worker left during a reload");
                }
                Err(refused) => result = Err(by_worker(slot, &refused)),
            }
        }
        result
    }
}

fn unsettled(path: &str) -> Refused {
    let message = format!(
        "`{path}` changes all the while: the workers have read different contents {ATTEMPTS} times; \
         reload again when it is written"
    );
    Refused::new(Exit::Invalid.code(), message)
}

/// The monotonic clock, which all processes of a machine share.
pub(crate) fn monotonic_micros() -> u64 {
    let now = Duration::try_from(clock_gettime(ClockId::Monotonic)).unwrap_or_default();
    u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
}

// ===== impl Undecided =====

impl Undecided {
    /// `started` is when the process of a worker was, in microseconds of the monotonic clock.
    pub(crate) fn new(started: Option<u64>) -> Self {
        Self { started, decide: Mutex::default(), committed: AtomicU64::new(0) }
    }

    /// When this worker was started, in microseconds of the monotonic clock.
    pub(crate) fn started(&self) -> u64 {
        self.started.unwrap_or_default()
    }

    /// The number of the last reload, for the primary.
    pub(crate) fn committed(&self) -> u64 {
        self.committed.load(Ordering::SeqCst)
    }

    /// Puts what was in force before the reload of this number back, if that was the last. Blocks.
    pub(crate) fn take_back(
        &self,
        number: u64,
        cause: &str,
        config: &ConfigHandle,
        runtime: &Handle,
    ) -> Result<Value, Refused> {
        let none = || {
            let message = "it has started with its configuration, and has none to go back to";
            Refused::new(Exit::Internal.code(), message)
        };
        let last = self.committed.compare_exchange(number, 0, Ordering::SeqCst, Ordering::SeqCst);
        if number == 0 || last.is_err() {
            return Err(none());
        }
        let record = runtime.block_on(config.take_back(cause.to_owned())).ok_or_else(none)?;
        match &record.outcome {
            ReloadOutcome::RolledBack { .. } => Ok(record.to_json()),
            _ => reloaded(&record),
        }
    }

    /// Does what the primary asks of this worker. Blocks.
    pub(crate) fn take_part(
        &self,
        how: ReloadHow,
        config: &ConfigHandle,
        runtime: &Handle,
    ) -> Result<Value, Refused> {
        if self.started.is_none() {
            let message = "only the primary of a cluster reloads in two phases";
            return Err(Refused::new(Exit::Usage.code(), message));
        }
        // Dropping it gives up what was prepared before, which nobody waits for any more.
        let decide = lock(&self.decide).take();
        match how {
            ReloadHow::Prepare => {
                drop(decide);
                let prepared = runtime.block_on(config.prepare_reload(ReloadTrigger::Call));
                let prepared = match prepared {
                    Ok(prepared) => prepared,
                    Err(record) => return reloaded(&record),
                };
                let answer = answer(&prepared);
                *lock(&self.decide) = Some(hold(prepared, runtime));
                Ok(answer)
            }
            ReloadHow::Commit { number } => {
                let lost = || {
                    let message = format!("nothing is prepared, or not for {HELD:?} any more");
                    Refused::new(Exit::Internal.code(), message)
                };
                let (answer, outcome) = oneshot::channel();
                decide.and_then(|it| it.send(answer).ok()).ok_or_else(lost)?;
                self.committed.store(number, Ordering::SeqCst);
                runtime.block_on(outcome).unwrap_or_else(|_| Err(lost()))
            }
            _ => Ok(json!({})),
        }
    }
}

fn answer(prepared: &PreparedReload) -> Value {
    let files: serde_json::Map<_, _> =
        prepared.files().map(|(path, hash)| (path.display().to_string(), json!(hash))).collect();
    json!({"outcome": prepared.outlook().label(), "files": files})
}

/// Holds what was prepared until it is decided on; dropping the sender gives it up.
fn hold(prepared: PreparedReload, runtime: &Handle) -> oneshot::Sender<Answer> {
    let (decide, decision) = oneshot::channel::<Answer>();
    runtime.spawn(async move {
        match timeout(HELD, decision).await {
            Ok(Ok(answer)) => {
                // The primary may not wait any more; it is in force all the same.
                let _ = answer.send(reloaded(&prepared.commit()));
            }
            Ok(Err(_)) => {}
            Err(_) => tracing::warn!("the primary has said nothing about a reload: it is given up"),
        }
    });
    decide
}

impl fmt::Debug for Reloading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloading").field("errand", &self.errand).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use framework_config::{Config, LiveConfig, Sources};
    use tokio::{runtime::Runtime, task::spawn_blocking, time::Instant};

    use super::*;

    /// A worker, and the file of its configuration.
    struct Worker {
        undecided: Arc<Undecided>,
        config: ConfigHandle,
        settings: Config<ClusterSettings>,
        directory: tempfile::TempDir,
    }

    impl Worker {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let mut live = LiveConfig::new(Sources::standard("shop").dir(directory.path()));
            let settings = live.section("cluster");
            let (config, undecided) = (live.load().unwrap(), Arc::new(Undecided::new(Some(0))));
            Self { undecided, config, settings, directory }
        }

        fn write(&self, min_ready: &str) {
            let text = format!("[cluster]\nmin_ready = \"{min_ready}\"\n");
            fs::write(self.directory.path().join("app.toml"), text).unwrap();
        }

        async fn take_part(&self, how: ReloadHow) -> Result<Value, Refused> {
            let (undecided, config) = (Arc::clone(&self.undecided), self.config.clone());
            let runtime = Handle::current();
            let asked = spawn_blocking(move || undecided.take_part(how, &config, &runtime));
            asked.await.unwrap()
        }
    }

    #[tokio::test]
    async fn a_worker_does_the_second_half_only_of_the_last_that_it_has_prepared() {
        let worker = Worker::new();
        let refused = worker.take_part(ReloadHow::Commit { number: 1 }).await.unwrap_err();
        assert!(refused.message.starts_with("nothing is prepared"), "{refused}");

        worker.write("7s");
        let answer = worker.take_part(ReloadHow::Prepare).await.unwrap();
        assert_eq!(answer["outcome"], "acceptable");
        let file = worker.directory.path().join("app.toml").display().to_string();
        assert!(answer["files"][file].is_u64(), "{answer}");
        worker.take_part(ReloadHow::Abandon).await.unwrap();
        assert!(
            worker.take_part(ReloadHow::Commit { number: 1 }).await.is_err(),
            "it was given up"
        );
        assert_ne!(worker.settings.get().min_ready, Duration::from_secs(7));

        // One that nobody came back to does not stand in the way of the next.
        worker.take_part(ReloadHow::Prepare).await.unwrap();
        let again = timeout(HELD / 2, worker.take_part(ReloadHow::Prepare));
        again.await.expect("it waits for the one before").unwrap();
        let record = worker.take_part(ReloadHow::Commit { number: 1 }).await.unwrap();
        assert_eq!(record["outcome"], "applied");
        assert_eq!(worker.settings.get().min_ready, Duration::from_secs(7));
        assert!(worker.take_part(ReloadHow::Commit { number: 1 }).await.is_err(), "it is done");

        worker.write("soon");
        let refused = worker.take_part(ReloadHow::Prepare).await.unwrap_err();
        assert_eq!(refused.exit, Exit::Invalid.code());
        assert!(refused.message.contains("cluster.min_ready"), "{refused}");
    }

    #[test]
    fn a_process_of_its_own_takes_part_in_nothing() {
        let (worker, runtime) = (Worker::new(), Runtime::new().unwrap());
        let alone = Undecided::new(None);
        let refused = alone.take_part(ReloadHow::Prepare, &worker.config, runtime.handle());
        assert_eq!(refused.unwrap_err().exit, Exit::Usage.code());
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_decides_on_is_given_up() {
        let worker = Worker::new();
        worker.write("7s");
        let prepared = worker.config.prepare_reload(ReloadTrigger::Call).await.unwrap();
        let _decide = hold(prepared, &Handle::current());
        // It waits for its turn.
        let began = Instant::now();
        let record = worker.config.reload().await;
        assert!(record.is_applied(), "{record:?}");
        assert_eq!(began.elapsed().as_secs(), HELD.as_secs());
    }
}
