//! The primary's end of a cluster.

use std::{
    collections::BTreeMap,
    fmt, io,
    os::fd::OwnedFd,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use framework_core::is_planted;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

use super::{
    ClusterSettings, Program, SlotSockets, answered,
    directory::{Directory, Post},
    garbled,
    messages::{
        Ask, IsHealthy, IsReady, Leaves, Lend, Lives, Operate, StopNow, TakeBack, WantSocket,
    },
    operated,
    process::{Process, send},
    question,
    supervisor::{Action, Beat, Ended, Event, Notice, Outcome, Rules, Supervisor, WorkerId},
};
use crate::{
    ControlHandler, Refused, Request,
    ipc::{Closed, Handlers, IpcError, Peer, To, socket_pair},
};

mod commands;
mod shown;

pub use self::commands::{ClusterCommands, ReadyWorker, RollFailed};

use self::{
    commands::{Command, News},
    shown::Shown,
};

/// How many events and commands may wait.
const QUEUE: usize = 1024;

/// How long a worker may take to say that it is healthy, and to write a dump.
const PROBE_LIMIT: Duration = Duration::from_secs(1);

/// How long a port may still be in use by workers whose primary was killed.
const LEFT_OVER: Duration = Duration::from_millis(300);

/// The process that has workers: it starts them, watches them, and holds their sockets. It runs
/// nothing of the application itself.
///
/// [`run`](Self::run) does all of that; [`ClusterCommands`] tell it what to do.
#[derive(Debug)]
pub struct Primary {
    program: Program,
    settings: ClusterSettings,
    workers: usize,
    supervisor: Supervisor,
    sockets: Arc<SlotSockets>,
    directory: Directory,
    processes: Processes,
    operators: Arc<OnceLock<Arc<dyn Operators>>>,
    input: mpsc::Sender<Input>,
    inputs: mpsc::Receiver<Input>,
    commands: mpsc::Receiver<Command>,
    tasks: JoinSet<()>,
    shown: watch::Sender<Shown>,
    rolling: Vec<mpsc::Sender<News>>,
    health: Arc<Mutex<BTreeMap<WorkerId, String>>>,
    next_health: Instant,
}

/// There is no cluster any more: no worker serves, and none can be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no worker serves, and none can be started: the last one {ended}")]
#[non_exhaustive]
pub struct ClusterFailed {
    /// The exit code that says the same: that of the last worker, 71 if it could not be started, or
    /// 70.
    pub code: u8,
    ended: Ended,
}

/// What happens around a worker.
#[derive(Debug)]
enum Input {
    Event(Event),
    Addresses(Vec<String>),
}

/// Whoever answers operators that ask through a worker.
trait Operators: ControlHandler + fmt::Debug {}

/// The processes that live, to be ended also when nothing else works.
#[derive(Clone, Debug, Default)]
struct Processes {
    handles: Arc<Mutex<BTreeMap<WorkerId, (u32, OwnedFd)>>>,
}

impl Primary {
    /// A primary that has started nothing yet, of `workers` workers that each run `program`, and
    /// what tells it what to do. A worker that does not stop within `stop_timeout` is ended.
    #[must_use]
    pub fn new(
        program: Program,
        settings: ClusterSettings,
        workers: usize,
        sockets: SlotSockets,
        stop_timeout: Duration,
    ) -> (Self, ClusterCommands) {
        let (input, inputs) = mpsc::channel(QUEUE);
        let (command, commands) = mpsc::channel(QUEUE);
        let now = Instant::now();
        let rules = rules(&settings, workers, stop_timeout);
        let seed = u64::from(std::process::id()).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let (shown, showing) = watch::channel(Shown::default());
        let primary = Self {
            program,
            next_health: now + settings.health_interval,
            settings,
            workers,
            supervisor: Supervisor::new(rules, seed, now),
            sockets: Arc::new(sockets),
            directory: Directory::default(),
            processes: Processes::default(),
            operators: Arc::default(),
            input,
            inputs,
            commands,
            tasks: JoinSet::new(),
            shown,
            rolling: Vec::new(),
            health: Arc::default(),
        };
        let commands = ClusterCommands {
            commands: command,
            shown: showing,
            directory: primary.directory.clone(),
            processes: primary.processes.clone(),
            operators: Arc::clone(&primary.operators),
            sockets: Arc::clone(&primary.sockets),
        };
        (primary, commands)
    }

    /// Starts the workers and watches them until they are told to stop and have done so. Dropped,
    /// it leaves them without a primary, and they stop by themselves.
    ///
    /// # Errors
    ///
    /// When no worker serves, and none can be started.
    pub async fn run(mut self) -> Result<(), ClusterFailed> {
        self.scale(self.workers);
        loop {
            self.perform();
            self.show();
            match self.supervisor.outcome() {
                None => {}
                Some(Outcome::Stopped) => return Ok(()),
                Some(Outcome::Failed(ended)) => return Err(ClusterFailed::of(ended)),
            }
            let wake = self.supervisor.wake_at().min(self.next_health);
            tokio::select! {
                Some(input) = self.inputs.recv() => self.take(input),
                Some(command) = self.commands.recv() => self.obey(command),
                Some(_ended) = self.tasks.join_next() => {}
                () = sleep_until(wake) => self.supervisor.tick(Instant::now()),
            }
            self.ask_for_health();
        }
    }

    fn scale(&mut self, workers: usize) {
        self.workers = workers;
        let most = if is_planted("one-socket-more") { workers + 1 } else { workers };
        let slots = u32::try_from(most).unwrap_or(u32::MAX);
        if let Err(error) = self.sockets.scale(slots) {
            tracing::error!(%error, workers, "no sockets for so many workers");
            return;
        }
        if most > workers {
            self.supervisor.scale(most, Instant::now());
        }
        self.supervisor.scale(workers, Instant::now());
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Addresses(addresses) => self.shown.send_modify(|it| it.addresses = addresses),
            Input::Event(event) => {
                match event {
                    Event::Ready(id) => {
                        self.directory.set_ready(id, true);
                        // Whoever looks soon sees something.
                        self.next_health = self.next_health.min(Instant::now() + PROBE_LIMIT);
                    }
                    Event::Leaving(id) => self.directory.set_ready(id, false),
                    Event::Exited(id, ended) => {
                        self.directory.remove(id);
                        if !is_planted("keeps-the-dead") {
                            self.processes.lock().remove(&id);
                        }
                        lock(&self.health).remove(&id);
                        tracing::info!(worker = id.0, "a worker {ended}");
                    }
                    Event::Beat(..) | Event::Probed(..) => {}
                }
                self.supervisor.event(event, Instant::now());
            }
        }
    }

    fn obey(&mut self, command: Command) {
        let now = Instant::now();
        match command {
            Command::Stop => self.supervisor.stop(now),
            Command::Kill => self.supervisor.kill(),
            Command::Roll(news) => {
                self.rolling.push(news);
                self.supervisor.roll(now);
            }
            Command::Adopt(settings, workers) => {
                let stop_timeout = self.supervisor.rules.stop_timeout;
                self.supervisor.rules = rules(&settings, workers, stop_timeout);
                self.settings = *settings;
                self.scale(workers);
            }
        }
    }

    fn perform(&mut self) {
        loop {
            self.tell();
            let actions = self.supervisor.take_actions();
            if actions.is_empty() {
                return;
            }
            actions.into_iter().for_each(|action| self.act(action));
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Launch { id, slot, generation } => {
                if let Err(error) = self.launch(id, slot, generation) {
                    tracing::error!(%error, slot, "cannot start a worker");
                    let exited = Event::Exited(id, Ended::NotStarted);
                    self.supervisor.event(exited, Instant::now());
                }
            }
            Action::Stop(id) => {
                self.directory.set_ready(id, false);
                if let Some(peer) = self.directory.peer(id)
                    && peer.send(To::Peer, &StopNow).is_err()
                {
                    self.processes.signal(id, Signal::TERM);
                }
            }
            Action::Abort(id) => self.processes.signal(id, Signal::ABORT),
            Action::Kill(id) => self.processes.signal(id, Signal::KILL),
            Action::Dump(id) => self.dump(id),
            Action::Probe(id) => self.probe(id),
            Action::Lend { slot, to } => self.lend(slot, to),
            Action::Return { slot, from } => {
                let Some(peer) = self.directory.peer(from) else { return };
                for (server, number, _) in self.sockets.of_slot(slot) {
                    // One that is gone has nothing to give back.
                    let _ = peer.send(To::Peer, &TakeBack { server, id: number });
                }
            }
        }
    }

    fn launch(&mut self, id: WorkerId, slot: u32, generation: u32) -> io::Result<()> {
        let (own, theirs) = socket_pair()?;
        let (peer, driver) = Peer::open_to_any(own, self.handlers(id, slot))?;
        let process = self.program.start(slot, generation, theirs, &self.settings.of_slot(slot))?;
        tracing::debug!(slot, generation, pid = process.id(), "started a worker");
        self.processes.lock().insert(id, (process.id(), process.handle()?));
        self.directory.add(id, slot, peer);
        let processes = self.processes.clone();
        self.tasks.spawn(async move {
            if let Closed::BadFrame(why) = driver.await {
                tracing::error!(slot, why, "a worker makes no sense, and is ended");
                processes.signal(id, Signal::KILL);
            }
        });
        let input = self.input.clone();
        self.tasks.spawn(async move { wait_for(process, id, &input).await });
        Ok(())
    }

    fn dump(&mut self, id: WorkerId) {
        let Some(peer) = self.directory.peer(id) else { return };
        self.directory.set_ready(id, false);
        self.tasks.spawn(async move {
            match operate(&peer, &Request::Dump, PROBE_LIMIT).await {
                Ok(file) => tracing::error!(%file, "a worker is stuck, and wrote a dump"),
                Err(error) => tracing::error!(%error, "a worker is stuck, and cannot say more"),
            }
        });
    }

    fn probe(&mut self, id: WorkerId) {
        let Some(peer) = self.directory.peer(id) else { return };
        let input = self.input.clone();
        self.tasks.spawn(async move {
            let healthy = peer.call(To::Peer, &IsHealthy, PROBE_LIMIT).await;
            let probed = Event::Probed(id, healthy.unwrap_or(false));
            let _ = input.send(Input::Event(probed)).await;
        });
    }

    fn lend(&mut self, slot: u32, to: WorkerId) {
        let Some(peer) = self.directory.peer(to) else { return };
        let sockets = self.sockets.of_slot(slot);
        tracing::info!(slot, "another worker accepts for a slot that has none");
        self.tasks.spawn(async move {
            for (server, id, socket) in sockets {
                let lent = async {
                    let socket = vec![socket.map_err(IpcError::System)?];
                    let lend = Lend { server, id };
                    peer.call_with_descriptors(To::Peer, &lend, socket, PROBE_LIMIT).await
                };
                if let Err(error) = lent.await {
                    tracing::warn!(%error, slot, "a slot could not be lent");
                }
            }
        });
    }

    /// Tells the log and those who wait what has happened.
    fn tell(&mut self) {
        for notice in self.supervisor.take_notices() {
            match notice {
                Notice::Restarting { slot, reason, wait } => {
                    tracing::warn!(slot, reason, ?wait, "a worker is started again");
                }
                Notice::Degraded => {
                    tracing::error!("workers end too often: they are started again slowly");
                }
                Notice::Recovered => tracing::info!("all workers are well again"),
                Notice::Replaced { slot, generation } => {
                    tracing::info!(slot, generation, "a worker was replaced");
                    self.news(|| News::Step(json!({"slot": slot, "generation": generation})));
                }
                Notice::NotReplaced { slot, why } => {
                    tracing::error!(slot, why, "a worker was not replaced");
                }
                Notice::Rolled(result) => {
                    self.news(|| News::Done(result.clone()));
                    self.rolling.clear();
                }
            }
        }
    }

    fn news(&self, news: impl Fn() -> News) {
        for waiting in &self.rolling {
            // Whoever does not listen any more need not know.
            let _ = waiting.try_send(news());
        }
    }

    fn ask_for_health(&mut self) {
        if Instant::now() < self.next_health {
            return;
        }
        self.next_health = Instant::now() + self.settings.health_interval;
        for (id, peer) in self.directory.ready().into_values() {
            let health = Arc::clone(&self.health);
            self.tasks.spawn(async move {
                let answer = operate(&peer, &Request::Health, PROBE_LIMIT).await;
                let status = answer.as_ref().ok().and_then(|it| it["status"].as_str());
                lock(&health).insert(id, status.unwrap_or("unknown").to_owned());
            });
        }
    }

    fn show(&self) {
        let now = Instant::now();
        let (pids, health) = (self.processes.pids(), lock(&self.health).clone());
        let mut rows = self.supervisor.report(now);
        for row in &mut rows {
            row.pid = row.id.and_then(|id| pids.get(&id).copied());
            row.health = row.id.and_then(|id| health.get(&id).cloned());
        }
        let outcome = self.supervisor.outcome();
        self.shown.send_if_modified(|shown| {
            let complete = shown.complete;
            shown.rows = rows;
            shown.counts = self.supervisor.counts();
            shown.complete = self.supervisor.is_complete();
            shown.degraded = self.supervisor.is_degraded();
            shown.generation = self.supervisor.generation;
            shown.rolling = self.supervisor.roll.is_some();
            shown.workers = self.workers;
            if let Some(Outcome::Failed(ended)) = outcome {
                shown.failed = Some(ClusterFailed::of(ended));
            }
            // Only this is waited for.
            complete != shown.complete || shown.failed.is_some()
        });
    }

    /// What the worker `id` may ask and tell.
    fn handlers(&self, id: WorkerId, slot: u32) -> Handlers {
        let input = self.input.clone();
        let event = move |event| {
            let input = input.clone();
            async move { Ok(input.send(Input::Event(event)).await?) }
        };
        let (ready, leaves, lives) = (self.input.clone(), event.clone(), event);
        let sockets = Arc::clone(&self.sockets);
        let operators = Arc::clone(&self.operators);
        let post = Post { directory: self.directory.clone(), from: (id, slot) };
        let handlers = Handlers::new()
            .on(move |IsReady { addresses }, _| {
                let ready = ready.clone();
                async move {
                    ready.send(Input::Addresses(addresses)).await?;
                    Ok(ready.send(Input::Event(Event::Ready(id))).await?)
                }
            })
            .and_then(|it| it.on(move |Leaves, _| leaves(Event::Leaving(id))))
            .and_then(|it| {
                it.on(move |Lives { rss, requests }, _| {
                    lives(Event::Beat(id, Beat { rss, requests }))
                })
            })
            .and_then(|it| {
                it.answer_with_descriptors(move |want: WantSocket, _| {
                    let sockets = Arc::clone(&sockets);
                    async move { Ok(find_socket(&sockets, slot, &want).await) }
                })
            })
            .and_then(|it| {
                it.answer(move |Ask(text), _| {
                    let operators = operators.get().cloned();
                    async move {
                        let answer = tokio::task::spawn_blocking(move || {
                            let request = serde_json::from_str(&text);
                            let request: Request = request.map_err(|error| garbled(&error))?;
                            let nobody = || Refused::new(70, "the cluster is about to start");
                            operators.ok_or_else(nobody)?.handle(&request, &mut |_| {})
                        });
                        Ok(operated(answer.await?))
                    }
                })
            });
        handlers.expect("the names differ").forward(Arc::new(post))
    }
}

fn rules(settings: &ClusterSettings, workers: usize, stop_timeout: Duration) -> Rules {
    Rules {
        restart: settings.restart_policy(workers),
        boot_timeout: settings.boot_timeout,
        min_ready: settings.min_ready,
        silence: settings.silence,
        stop_timeout,
        recycle: settings.recycle_limits(),
    }
}

type Found = (Result<bool, (Option<i32>, String)>, Vec<OwnedFd>);

/// Workers whose primary was killed let go of their sockets in a moment.
async fn find_socket(sockets: &SlotSockets, slot: u32, want: &WantSocket) -> Found {
    let give_up = Instant::now() + LEFT_OVER;
    loop {
        match sockets.get(slot, &want.name, &want.address) {
            Ok(socket) => return (Ok(true), vec![socket]),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < give_up => {
                sleep(Duration::from_millis(20)).await;
            }
            Err(error) => return (Err((error.raw_os_error(), error.to_string())), Vec::new()),
        }
    }
}

async fn wait_for(mut process: Process, id: WorkerId, input: &mpsc::Sender<Input>) {
    let ended = process.ended().await;
    // The primary lives as long as this task.
    let _ = input.send(Input::Event(Event::Exited(id, ended))).await;
}

/// Asks one worker.
async fn operate(peer: &Peer, request: &Request, limit: Duration) -> Result<Value, Refused> {
    let answer = peer.call(To::Peer, &Operate(question(request)), limit).await;
    answered(answer.map_err(|error| Refused::new(70, error.to_string()))?)
}

/// Operators may still hold the sockets by then, until the process has ended.
impl Drop for Primary {
    fn drop(&mut self) {
        self.sockets.remove_files();
    }
}

impl ClusterFailed {
    fn of(ended: Ended) -> Self {
        let code = match ended {
            Ended::Code(code @ 64..=78) => code,
            // What the operating system refuses.
            Ended::NotStarted => 71,
            _ => 70,
        };
        Self { code, ended }
    }
}

impl Processes {
    fn signal(&self, id: WorkerId, signal: Signal) {
        if let Some((_, handle)) = self.lock().get(&id) {
            send(handle, signal);
        }
    }

    fn kill_all(&self) {
        self.lock().values().for_each(|(_, handle)| send(handle, Signal::KILL));
    }

    fn pids(&self) -> BTreeMap<WorkerId, u32> {
        self.lock().iter().map(|(id, (pid, _))| (*id, *pid)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<WorkerId, (u32, OwnedFd)>> {
        lock(&self.handles)
    }
}

// No code of others runs while one is held.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
