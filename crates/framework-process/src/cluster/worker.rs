//! The worker's end of a cluster.

use std::{
    collections::BTreeMap,
    fmt, io,
    os::fd::OwnedFd,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    thread,
    time::Duration,
};

use framework_core::{BoxFuture, LentSocket, SocketSource, is_planted};
use serde_json::Value;
use tokio::{runtime::Builder, sync::mpsc, time::sleep};

use super::{
    answered, garbled,
    messages::{
        Ask, IsHealthy, IsReady, Leaves, Lend, Lives, Operate, StopNow, TakeBack, WantSocket,
    },
    operated,
    process::VARIABLE,
    question,
};
use crate::{
    InheritedSocket, Refused, Request, environment,
    ipc::{Handlers, IpcError, Peer, To},
};

/// How long the primary may take to find a socket, and to answer an operator.
const SOCKET_LIMIT: Duration = Duration::from_secs(10);
const ASK_LIMIT: Duration = Duration::from_secs(30);

/// How many sockets may be lent before the server has taken them.
const LENT: usize = 64;

/// This process is a worker, of which the primary knows nothing yet.
#[derive(Debug)]
pub struct WorkerEnd {
    slot: u32,
    generation: u32,
    socket: OwnedFd,
}

/// The environment says that this process is a worker, and it makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{VARIABLE}={value}` makes no sense: it is what a primary says to its workers")]
pub struct WorkerEndError {
    /// What it says.
    pub value: String,
}

/// What the primary asks of a worker. Called on a thread of its own, also while the application's
/// runtime is stuck.
pub trait WorkerHooks: Send + Sync + 'static {
    /// To stop in order; the second time, to hurry.
    fn stop(&self);

    /// The primary is gone, and nobody will restart this worker.
    fn primary_gone(&self);

    /// Does what an operator asks. It may take its time.
    ///
    /// # Errors
    ///
    /// When it cannot be done.
    fn operate(&self, request: &Request) -> Result<Value, Refused>;

    /// Whether the application serves, and its checks are well.
    fn is_healthy(&self) -> bool;
}

/// What a worker says of itself with each sign of life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beat {
    /// The memory that it holds, in bytes.
    pub rss: u64,
    /// The requests that it has answered.
    pub requests: u64,
}

/// The conversation of a worker with its primary.
pub struct WorkerLink {
    slot: u32,
    generation: u32,
    peer: Peer,
    handlers: Arc<OnceLock<Handlers>>,
    lending: Lending,
}

/// What is lent, and has not been taken by a server yet, by the full name of the server.
#[derive(Clone, Debug, Default)]
struct Lending {
    queues: Arc<Mutex<BTreeMap<String, Queue>>>,
}

#[derive(Clone, Debug)]
struct Queue {
    sender: mpsc::Sender<LentSocket>,
    receiver: Arc<tokio::sync::Mutex<mpsc::Receiver<LentSocket>>>,
}

impl WorkerEnd {
    /// The worker that this process is, if a primary has started it. What says so is taken out of
    /// the environment.
    ///
    /// To be called once, before there is a thread and before anything is opened.
    ///
    /// # Errors
    ///
    /// When the environment makes no sense.
    pub fn take() -> Result<Option<Self>, WorkerEndError> {
        let Some(value) = environment::take(VARIABLE) else { return Ok(None) };
        let value = value.to_string_lossy().into_owned();
        let wrong = || WorkerEndError { value: value.clone() };
        let numbers: Vec<u32> = value.split(':').filter_map(|it| it.parse().ok()).collect();
        let [descriptor, slot, generation] = numbers[..] else { return Err(wrong()) };
        let descriptor = i32::try_from(descriptor).map_err(|_| wrong())?;
        // SAFETY: whoever set the variable opened the descriptor for this process, and nothing else
        // has taken it, as this is called once and first.
        #[expect(unsafe_code, reason = "descriptors come as numbers")]
        let socket = unsafe { environment::take_socket(descriptor) }.ok_or_else(wrong)?;
        Ok(Some(Self { slot, generation, socket }))
    }

    /// Which slot it has.
    #[must_use]
    pub fn slot(&self) -> u32 {
        self.slot
    }

    /// Speaks to the primary from a thread of its own, for as long as both live.
    ///
    /// # Errors
    ///
    /// When the operating system refuses.
    pub fn join(self, hooks: Arc<dyn WorkerHooks>) -> io::Result<Arc<WorkerLink>> {
        let Self { slot, generation, socket } = self;
        let lending = Lending::default();
        let handlers: Arc<OnceLock<Handlers>> = Arc::default();
        let known = worker_handlers(&hooks, &lending).late(Arc::clone(&handlers));
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (peer, driver) = {
            let _inside = runtime.enter();
            Peer::open_to_any(socket, known)?
        };
        if is_planted("heart-apart") {
            // The thread that speaks to the primary is well, whatever the application does.
            let heart = peer.clone();
            runtime.spawn(async move {
                loop {
                    let _ = heart.send(To::Peer, &Lives { rss: 0, requests: 0 });
                    sleep(Duration::from_secs(1)).await;
                }
            });
        }
        let talk = move || {
            let closed = runtime.block_on(driver);
            tracing::warn!(?closed, "the primary is gone");
            hooks.primary_gone();
        };
        thread::Builder::new().name("cluster".to_owned()).spawn(talk)?;
        Ok(Arc::new(WorkerLink { slot, generation, peer, handlers, lending }))
    }
}

fn worker_handlers(hooks: &Arc<dyn WorkerHooks>, lending: &Lending) -> Handlers {
    let (stopping, operating, healthy) = (Arc::clone(hooks), Arc::clone(hooks), Arc::clone(hooks));
    let (lend, take_back) = (lending.clone(), lending.clone());
    let handlers = Handlers::new()
        .on(move |StopNow, _| {
            stopping.stop();
            async { Ok(()) }
        })
        .and_then(|it| {
            it.answer(move |Operate(text), _| {
                let hooks = Arc::clone(&operating);
                async move {
                    // It may wait for the application, and others are still to be heard.
                    let answer = tokio::task::spawn_blocking(move || {
                        let request = serde_json::from_str(&text);
                        let request = request.map_err(|error| garbled(&error))?;
                        hooks.operate(&request)
                    });
                    Ok(operated(answer.await?))
                }
            })
        })
        .and_then(|it| {
            it.answer(move |IsHealthy, _| {
                let healthy = healthy.is_healthy();
                async move { Ok(healthy) }
            })
        })
        .and_then(|it| {
            it.answer_with_descriptors(move |Lend { server, id }, mut sockets: Vec<OwnedFd>| {
                let queue = lend.of(&server);
                async move {
                    let socket = sockets.pop().ok_or("no socket came along")?;
                    queue.sender.send(LentSocket::Lend { id, socket }).await?;
                    Ok(((), Vec::new()))
                }
            })
        })
        .and_then(|it| {
            it.on(move |TakeBack { server, id }, _| {
                let queue = take_back.of(&server);
                async move { Ok(queue.sender.send(LentSocket::Return { id }).await?) }
            })
        });
    handlers.expect("the names differ")
}

impl WorkerLink {
    /// Which slot it has.
    #[must_use]
    pub fn slot(&self) -> u32 {
        self.slot
    }

    /// Which generation it is of.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// The end through which other workers can be spoken to: [`To::Slot`] and [`To::Others`].
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Has these handlers handle what other workers send. Only the first ones count.
    pub fn handle(&self, handlers: Handlers) {
        let _ = self.handlers.set(handlers);
    }

    /// Tells the primary that the application is ready.
    ///
    /// # Errors
    ///
    /// When the primary is gone.
    pub fn ready(&self, addresses: Vec<String>) -> Result<(), IpcError> {
        self.peer.send(To::Peer, &IsReady { addresses })
    }

    /// Tells the primary that this worker stops.
    ///
    /// # Errors
    ///
    /// When the primary is gone.
    pub fn leaves(&self) -> Result<(), IpcError> {
        self.peer.send(To::Peer, &Leaves)
    }

    /// Tells the primary each second, or as often as `every` says, that this worker lives; never
    /// completes. To be polled by the runtime that works for the application: if that is stuck, the
    /// primary hears nothing.
    pub async fn live(
        &self,
        every: Duration,
        mut beat: impl FnMut() -> Beat,
    ) -> std::convert::Infallible {
        loop {
            let Beat { rss, requests } = beat();
            // Without a primary, the worker ends by itself.
            let _ = self.peer.send(To::Peer, &Lives { rss, requests });
            sleep(every).await;
        }
    }

    /// Asks the whole cluster, through the primary.
    ///
    /// # Errors
    ///
    /// When the primary refuses, or is gone.
    pub async fn ask(&self, request: &Request) -> Result<Value, Refused> {
        let asked = self.peer.call(To::Peer, &Ask(question(request)), ASK_LIMIT).await;
        answered(asked.map_err(|error| Refused::new(70, error.to_string()))?)
    }
}

impl SocketSource for WorkerLink {
    fn socket(&self, name: &str, address: &str) -> BoxFuture<io::Result<Option<OwnedFd>>> {
        let peer = self.peer.clone();
        let want = WantSocket { name: name.to_owned(), address: address.to_owned() };
        Box::pin(async move {
            let none = Vec::new();
            let given = peer.call_with_descriptors(To::Peer, &want, none, SOCKET_LIMIT).await;
            match given {
                Ok((Ok(true), mut sockets)) => Ok(sockets.pop()),
                Ok((Ok(false), _)) => Ok(None),
                Ok((Err((Some(number), _)), _)) => Err(io::Error::from_raw_os_error(number)),
                Ok((Err((None, why)), _)) => Err(io::Error::other(why)),
                Err(error) => Err(io::Error::other(error)),
            }
        })
    }

    fn lent(&self, name: &str, address: &str) -> BoxFuture<LentSocket> {
        let server = InheritedSocket::full_name(name, address);
        let Queue { receiver, sender } = self.lending.of(&server);
        Box::pin(async move {
            let change = receiver.lock().await.recv().await;
            drop(sender);
            match change {
                Some(change) => change,
                // There is a sender for as long as anybody waits.
                None => std::future::pending().await,
            }
        })
    }
}

impl Lending {
    fn of(&self, server: &str) -> Queue {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = queues.entry(server.to_owned()).or_insert_with(|| {
            let (sender, receiver) = mpsc::channel(LENT);
            Queue { sender, receiver: Arc::new(tokio::sync::Mutex::new(receiver)) }
        });
        queue.clone()
    }
}

impl fmt::Debug for WorkerLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerLink")
            .field("slot", &self.slot)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}
