use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use http::{Request, Response};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::{
    task::unconstrained,
    time::{Instant, Sleep, sleep},
};
use tokio_util::task::TaskTracker;
use tower::Service;

use super::{
    ServerSettings, Traffic,
    accept::Admitted,
    establish::establish,
    executor::StreamTasks,
    io::{ConnectionIo, Place},
    service::ConnectionService,
    state::{ConnectionState, Due},
    transport::Transport,
};
use crate::{drain::DrainStage, planted::Planted};
use framework_core::Chain;

/// How often to look at a connection that is busy, should nothing else wake it.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What all connections of a server have in common.
#[derive(Clone)]
pub(crate) struct Setting {
    pub(crate) settings: ServerSettings,
    pub(crate) planted: Planted,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<tokio_rustls::TlsAcceptor>,
}

/// One accepted connection.
#[derive(Debug)]
pub(crate) struct Connection {
    transport: Transport,
    place: Place,
    state: Arc<ConnectionState>,
    streams: TaskTracker,
}

impl Connection {
    pub(crate) fn new(
        admitted: Admitted,
        setting: &Setting,
        traffic: &Traffic,
        streams: TaskTracker,
    ) -> Self {
        let Admitted { transport, permit } = admitted;
        let place = Place::new(traffic, permit);
        let state =
            ConnectionState::new(traffic.clone(), setting.settings).planted(setting.planted);
        let state = Arc::new(state);
        Self { transport, place, state, streams }
    }

    pub(crate) async fn serve<S, B>(self, service: S, setting: Arc<Setting>)
    where
        S: Service<Request<Body>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send + 'static,
        B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let Self { transport, place, state, streams } = self;
        let peer = transport.peer();
        let transport = match establish(transport, &setting, state.traffic()).await {
            Ok(transport) => transport,
            Err(error) => {
                tracing::debug!(?peer, error = %Chain(&error), "a connection came to nothing");
                return;
            }
        };
        let peer = transport.peer();
        let io = ConnectionIo::new(transport, Arc::clone(&state), place);
        let (executor, _ends_streams) =
            StreamTasks::new(streams, setting.settings.write_stall_timeout);
        let mut builder = Builder::new(executor);
        // The state's own limit covers the head as well, with one timer a connection.
        builder.http1().header_read_timeout(None);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(200)
            .keep_alive_interval(setting.settings.ping_interval)
            .keep_alive_timeout(setting.settings.ping_interval);
        let service = ConnectionService::new(service, Arc::clone(&state), peer);
        let protocol = builder.serve_connection_with_upgrades(TokioIo::new(io), service);
        let mut protocol = pin!(protocol);
        let driver = Driver { state, peer };
        driver.run(protocol.as_mut(), |protocol| protocol.graceful_shutdown()).await;
    }
}

/// Keeps one connection to its limits, and through a drain.
struct Driver {
    state: Arc<ConnectionState>,
    peer: Option<SocketAddr>,
}

/// A timer that is asked with every request and hardly ever goes off.
struct Timer {
    sleep: Pin<Box<Sleep>>,
    // It knows whom to wake, and need not be polled until it has gone off.
    armed: bool,
}

enum Event {
    Ended,
    Stage(DrainStage),
    Due(Due),
}

impl Driver {
    async fn run<P, E>(self, mut protocol: Pin<&mut P>, say_goodbye: impl Fn(Pin<&mut P>))
    where
        P: Future<Output = Result<(), E>>,
        E: std::fmt::Display,
    {
        let mut stages = self.state.traffic().watch_stage();
        let mut stage = *stages.borrow_and_update();
        let mut timer = Timer { sleep: Box::pin(sleep(self.look_after(stage))), armed: false };
        loop {
            let event = {
                // Outside of the task's budget: what has been polled once is then registered for
                // sure, and need not be polled with every request.
                let mut changed = pin!(unconstrained(stages.changed()));
                let mut registered = false;
                poll_fn(|cx| {
                    if let Poll::Ready(ended) = protocol.as_mut().poll(cx) {
                        self.note_end(ended);
                        return Poll::Ready(Event::Ended);
                    }
                    if !registered || self.state.traffic().is_past(stage) {
                        registered = true;
                        if changed.as_mut().poll(cx).is_ready() {
                            return Poll::Ready(Event::Stage(stage));
                        }
                    }
                    self.poll_due(stage, &mut timer, cx).map(Event::Due)
                })
                .await
            };
            match event {
                Event::Ended => return,
                Event::Stage(old) => {
                    stage = *stages.borrow_and_update();
                    if stage >= DrainStage::Force {
                        return;
                    }
                    if self.leaves_at(old, stage) && self.state.close() {
                        say_goodbye(protocol.as_mut());
                    }
                    timer.reset(Instant::now() + self.look_after(stage));
                }
                Event::Due(Due::CloseIdle) => {
                    if self.state.close() {
                        say_goodbye(protocol.as_mut());
                    }
                }
                Event::Due(Due::Abort(why)) => {
                    tracing::debug!(peer = ?self.peer, "dropped a connection: the client {why}");
                    return;
                }
            }
        }
    }

    /// HTTP/2 finishes its streams after a goodbye, so it is said as soon as there is a reason to.
    /// HTTP/1 connections leave with their next response, or when they are idle.
    fn leaves_at(&self, old: DrainStage, new: DrainStage) -> bool {
        self.state.is_http2() && old < new
    }

    /// Ready when something is due. The timer may go off early and finds out then: most requests
    /// end long before their connection's limit, and need not touch it.
    fn poll_due(&self, stage: DrainStage, timer: &mut Timer, cx: &mut Context<'_>) -> Poll<Due> {
        loop {
            let due = self.state.due(stage);
            if let Some((at, _)) = due
                && at < timer.sleep.deadline()
            {
                timer.reset(at);
            }
            if timer.poll(cx).is_pending() {
                return Poll::Pending;
            }
            let now = Instant::now();
            match due {
                Some((at, due)) if at <= now => {
                    timer.reset(now + self.look_after(stage));
                    return Poll::Ready(due);
                }
                Some((at, _)) => timer.reset(at),
                None => timer.reset(now + self.look_after(stage)),
            }
        }
    }

    fn look_after(&self, stage: DrainStage) -> Duration {
        let settings = self.state.settings();
        let limit = if stage >= DrainStage::StopAccept {
            settings.drain_linger
        } else {
            settings.keep_alive
        };
        limit.clamp(Duration::from_millis(1), LOOK_EVERY)
    }

    fn note_end<E: std::fmt::Display>(&self, ended: Result<(), E>) {
        if let Err(error) = ended {
            tracing::debug!(peer = ?self.peer, %error, "a connection ended with an error");
        }
    }
}

impl Timer {
    fn reset(&mut self, deadline: Instant) {
        self.sleep.as_mut().reset(deadline);
        self.armed = false;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.armed && !self.sleep.is_elapsed() {
            return Poll::Pending;
        }
        self.armed = true;
        // Outside of the task's budget, which could end the poll before it has left its waker.
        Pin::new(&mut unconstrained(self.sleep.as_mut())).poll(cx)
    }
}
