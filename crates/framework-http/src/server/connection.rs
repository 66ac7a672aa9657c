use std::{
    future::{Future, poll_fn},
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::Either;
use http::Extensions;
use tokio::{
    task::unconstrained,
    time::{Sleep, sleep_until},
};
use tokio_util::task::TaskTracker;

use super::{
    ServerSettings, Traffic,
    accept::Admitted,
    establish::establish,
    io::{ConnectionIo, Place},
    protocol::{Driven, Protocol},
    service::{Application, ConnectionService, roomy},
    state::{ConnectionState, Due, REST_AFTER, after},
    transport::Transport,
};
use crate::drain::DrainStage;
use framework_core::{Chain, is_planted};

/// How often to look at a connection that is busy, should nothing else wake it.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What all connections of a server have in common.
#[derive(Clone)]
pub(crate) struct Setting {
    pub(crate) settings: ServerSettings,
    // Empty, with room for what requests have.
    pub(super) extensions: Extensions,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<tokio_rustls::TlsAcceptor>,
}

impl Setting {
    pub(crate) fn new(settings: ServerSettings) -> Self {
        Self {
            settings,
            extensions: roomy(),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
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
        let state = ConnectionState::new(traffic.clone(), setting.settings);
        let state = Arc::new(state);
        Self { transport, place, state, streams }
    }

    /// Serves the connection until it ends.
    pub(crate) fn serve(
        self,
        service: impl Application,
        setting: Arc<Setting>,
    ) -> impl Future<Output = ()> + Send {
        if setting.has_preface(&self.transport) {
            // Boxed: a handshake needs room that the connection would keep.
            return Either::Left(Box::pin(self.establish_and_serve(service, setting)));
        }
        Either::Right(self.serve_established(service, setting))
    }

    async fn establish_and_serve(self, service: impl Application, setting: Arc<Setting>) {
        let Self { transport, place, state, streams } = self;
        let peer = transport.peer();
        match Box::pin(establish(transport, &setting, state.traffic())).await {
            Ok(transport) => {
                let established = Self { transport, place, state, streams };
                established.serve_established(service, setting).await;
            }
            Err(error) => {
                tracing::debug!(?peer, error = %Chain(&error), "a connection came to nothing");
            }
        }
    }

    fn serve_established(
        self,
        service: impl Application,
        setting: Arc<Setting>,
    ) -> impl Future<Output = ()> + Send {
        let Self { transport, place, state, streams } = self;
        let peer = transport.peer();
        let io = ConnectionIo::new(transport, Arc::clone(&state), place);
        let service = ConnectionService::new(service, Arc::clone(&state), peer, &setting);
        // Made here and not within the future, which would keep both what it is made of and it.
        let mut protocol = Protocol::new(io, service, setting, streams);
        let driver = Driver { state, peer };
        async move { driver.run(&mut protocol).await }
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
    // When it goes off, on the server's clock.
    at: u64,
    // It knows whom to wake, and need not be polled until it has gone off.
    armed: bool,
}

enum Event {
    Ended,
    Stage(DrainStage),
    Due(Due),
}

impl Driver {
    async fn run(&self, protocol: &mut impl Driven) {
        let mut stages = self.state.traffic().watch_stage();
        let mut stage = *stages.borrow_and_update();
        // Most clients ask once and then wait, if they ask again at all.
        let first = REST_AFTER.min(self.look_after(stage));
        let at = after(self.state.now(), first);
        let sleep = Box::pin(sleep_until(self.state.traffic().instant(at)));
        let mut timer = Timer { sleep, at, armed: false };
        loop {
            let event = {
                // Outside of the task's budget: what has been polled once is then registered for
                // sure, and need not be polled with every request.
                let mut changed = pin!(unconstrained(stages.changed()));
                let mut registered = false;
                poll_fn(|cx| {
                    self.state.poll_begins();
                    if let Poll::Ready(ended) = protocol.poll_end(cx) {
                        self.note_end(ended);
                        return Poll::Ready(Event::Ended);
                    }
                    if !registered || self.state.traffic().is_past(stage) {
                        registered = true;
                        if changed.as_mut().poll(cx).is_ready() {
                            return Poll::Ready(Event::Stage(stage));
                        }
                    }
                    self.poll_due(stage, protocol.is_awake(), &mut timer, cx).map(Event::Due)
                })
                .await
            };
            match event {
                Event::Ended => return,
                Event::Stage(old) => {
                    stage = *stages.borrow_and_update();
                    let hangs_up = is_planted("hangs-up") && self.leaves_at(old, stage);
                    if stage >= DrainStage::Force || hangs_up {
                        return;
                    }
                    if self.leaves_at(old, stage) && self.state.close() {
                        protocol.say_goodbye();
                    }
                    self.reset(&mut timer, after(self.state.now(), self.look_after(stage)));
                }
                Event::Due(Due::CloseIdle) => {
                    if self.state.close() {
                        protocol.say_goodbye();
                    }
                }
                Event::Due(Due::Rest) => protocol.rest(),
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
    fn poll_due(
        &self,
        stage: DrainStage,
        awake: bool,
        timer: &mut Timer,
        cx: &mut Context<'_>,
    ) -> Poll<Due> {
        loop {
            let due = self.state.due(stage);
            if let Some((at, _)) = due
                && at < timer.at
            {
                self.reset(timer, at);
            }
            if timer.armed && self.state.was_before(timer.at) || timer.poll(cx).is_pending() {
                return Poll::Pending;
            }
            let now = self.state.now();
            // Looked at no sooner than here: it is due after almost every request, and hardly ever
            // comes to that.
            let rest = self.state.rests_at().filter(|_| awake).map(|at| (at, Due::Rest));
            match due.into_iter().chain(rest).min_by_key(|&(at, _)| at) {
                Some((at, due)) if at <= now => {
                    self.reset(timer, after(now, self.look_after(stage)));
                    return Poll::Ready(due);
                }
                Some((at, _)) => self.reset(timer, at),
                None => self.reset(timer, after(now, self.look_after(stage))),
            }
        }
    }

    fn reset(&self, timer: &mut Timer, at: u64) {
        timer.sleep.as_mut().reset(self.state.traffic().instant(at));
        (timer.at, timer.armed) = (at, false);
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

    fn note_end(&self, ended: Result<(), axum::BoxError>) {
        if let Err(error) = ended {
            if is_planted("counts-the-dead") {
                let _ = Box::leak(Box::new(self.state.traffic().open()));
            }
            tracing::debug!(peer = ?self.peer, %error, "a connection ended with an error");
        }
    }
}

impl Timer {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.armed && !self.sleep.is_elapsed() {
            return Poll::Pending;
        }
        self.armed = true;
        // Outside of the task's budget, which could end the poll before it has left its waker.
        Pin::new(&mut unconstrained(self.sleep.as_mut())).poll(cx)
    }
}

#[cfg(test)]
mod tests;
