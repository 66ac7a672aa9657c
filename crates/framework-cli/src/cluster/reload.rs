//! One configuration for all workers, or the old one: a reload in two phases.
//!
//! Everybody does first what can fail, and keeps it. Only when all have, and all have read the same,
//! is it put into force; else all let go of it.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use framework_config::{ConfigHandle, PreparedReload, ReloadTrigger};
use framework_core::is_planted;
use framework_process::{ClusterSettings, ReadyWorker, Refused, ReloadHow, Request, State};
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
    // A second reload would take from the workers what the first one has had them prepare.
    turn: Mutex<()>,
}

/// What a worker has prepared, and waits to hear of.
#[derive(Debug)]
pub(crate) struct Undecided {
    has_primary: bool,
    decide: Mutex<Option<oneshot::Sender<Answer>>>,
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
    pub(crate) fn new(operator: Weak<Operator>) -> Self {
        let errand = Errand::new("reload", PAUSE, move || {
            if let Some(target) = operator.upgrade().and_then(|it| it.target()) {
                // It is logged.
                let _ = target.reload(ReloadHow::Now);
            }
        });
        Self { errand, turn: Mutex::default() }
    }

    pub(super) fn ask(&self) {
        self.errand.ask();
    }
}

// ===== impl Clustered =====

impl Clustered {
    /// Reloads all workers or none, and says what became of it to everybody.
    pub(super) fn reload_all(&self) -> Result<Value, Refused> {
        let _turn = lock(&self.reloading.turn);
        let result = self.agree_and_commit();
        let status = match &result {
            Ok(record) => {
                let outcome = record["outcome"].as_str().unwrap_or_default();
                tracing::info!(outcome, "the workers have read their configuration again");
                format!("the configuration was reloaded: {outcome}")
            }
            Err(refused) => {
                tracing::error!(error = refused.message, "the configuration stays as it is");
                format!("the configuration stays as it is: {}", refused.message)
            }
        };
        if let Some(operator) = self.operator.upgrade() {
            operator.tell(&[State::Ready, State::Status(&status)]);
        }
        result
    }

    fn agree_and_commit(&self) -> Result<Value, Refused> {
        if is_planted("each-for-itself") {
            return self.all_agree(&Request::Reload { how: ReloadHow::Now });
        }
        for attempt in 1.. {
            let workers = self.commands.ready_workers();
            let settings = self.prepare(&workers).and_then(|()| self.settings());
            match settings {
                Ok(settings) => {
                    let result = self.commit(&workers);
                    let wanted = settings.workers(self.workers);
                    self.runtime.block_on(self.commands.adopt(settings, wanted));
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
        for (slot, answer) in self.ask(workers, ReloadHow::Prepare) {
            let answer = answer.map_err(|refused| Obstacle::Refused(by_worker(slot, &refused)))?;
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

    fn commit(&self, workers: &[ReadyWorker]) -> Result<Value, Refused> {
        let mut result = Ok(json!({"outcome": "unchanged", "changes": []}));
        let answers = self.ask(workers, ReloadHow::Commit);
        for (worker, (slot, answer)) in workers.iter().zip(answers) {
            match answer {
                Ok(record) if result.is_ok() => result = Ok(record),
                Ok(_) => {}
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

// ===== impl Undecided =====

impl Undecided {
    pub(crate) fn new(has_primary: bool) -> Self {
        Self { has_primary, decide: Mutex::default() }
    }

    /// Does what the primary asks of this worker. Blocks.
    pub(crate) fn take_part(
        &self,
        how: ReloadHow,
        config: &ConfigHandle,
        runtime: &Handle,
    ) -> Result<Value, Refused> {
        if !self.has_primary {
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
            ReloadHow::Commit => {
                let lost = || {
                    let message = format!("nothing is prepared, or not for {HELD:?} any more");
                    Refused::new(Exit::Internal.code(), message)
                };
                let (answer, outcome) = oneshot::channel();
                decide.and_then(|it| it.send(answer).ok()).ok_or_else(lost)?;
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
            let (config, undecided) = (live.load().unwrap(), Arc::new(Undecided::new(true)));
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
        let refused = worker.take_part(ReloadHow::Commit).await.unwrap_err();
        assert!(refused.message.starts_with("nothing is prepared"), "{refused}");

        worker.write("7s");
        let answer = worker.take_part(ReloadHow::Prepare).await.unwrap();
        assert_eq!(answer["outcome"], "acceptable");
        let file = worker.directory.path().join("app.toml").display().to_string();
        assert!(answer["files"][file].is_u64(), "{answer}");
        worker.take_part(ReloadHow::Abandon).await.unwrap();
        assert!(worker.take_part(ReloadHow::Commit).await.is_err(), "it was given up");
        assert_ne!(worker.settings.get().min_ready, Duration::from_secs(7));

        // One that nobody came back to does not stand in the way of the next.
        worker.take_part(ReloadHow::Prepare).await.unwrap();
        let again = timeout(HELD / 2, worker.take_part(ReloadHow::Prepare));
        again.await.expect("it waits for the one before").unwrap();
        let record = worker.take_part(ReloadHow::Commit).await.unwrap();
        assert_eq!(record["outcome"], "applied");
        assert_eq!(worker.settings.get().min_ready, Duration::from_secs(7));
        assert!(worker.take_part(ReloadHow::Commit).await.is_err(), "it is done");

        worker.write("soon");
        let refused = worker.take_part(ReloadHow::Prepare).await.unwrap_err();
        assert_eq!(refused.exit, Exit::Invalid.code());
        assert!(refused.message.contains("cluster.min_ready"), "{refused}");
    }

    #[test]
    fn a_process_of_its_own_takes_part_in_nothing() {
        let (worker, runtime) = (Worker::new(), Runtime::new().unwrap());
        let alone = Undecided::new(false);
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
