use std::{
    io,
    os::fd::OwnedFd,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use framework_core::{BoxFuture, Lifecycle, Module, Phase, Registrar, SocketSource};
use framework_process::{InheritedSocket, State};
use tokio::time::sleep;

use crate::operator::Operator;

/// How often the service manager hears that the process still gets on with its start or its end.
const GETTING_ON: Duration = Duration::from_secs(2);

/// How much longer it then waits.
const LONGER: Duration = Duration::from_secs(10);

/// Sockets that the service manager has bound, for the servers whose addresses they are.
#[derive(Debug)]
pub(crate) struct HandedOver {
    sockets: Mutex<Vec<InheritedSocket>>,
}

impl HandedOver {
    pub(crate) fn new(sockets: Vec<InheritedSocket>) -> Arc<Self> {
        Arc::new(Self { sockets: Mutex::new(sockets) })
    }

    /// Those that nobody has asked for, by name.
    pub(crate) fn left(&self) -> Vec<String> {
        let sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        sockets.iter().map(|socket| socket.name.clone()).collect()
    }
}

impl SocketSource for HandedOver {
    fn socket(&self, name: &str, address: &str) -> BoxFuture<io::Result<Option<OwnedFd>>> {
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        let at = sockets.iter().position(|socket| socket.is(name, address));
        let socket = at.map(|at| sockets.remove(at).socket);
        Box::pin(async move { Ok(socket) })
    }
}

/// Offers the sockets that were handed over to whoever listens.
#[derive(Debug)]
pub(crate) struct HandedOverModule(pub(crate) Arc<HandedOver>);

impl Module for HandedOverModule {
    fn name(&self) -> &'static str {
        "sockets"
    }

    fn register(self, reg: &mut Registrar<'_>) {
        reg.foundation();
        let sockets = self.0;
        reg.provide_arc::<dyn SocketSource, _, _>(move |_cx| async move { Ok(sockets as _) });
    }
}

/// Keeps the service manager informed for as long as the application lives; never completes.
pub(crate) async fn keep_informed(
    operator: &Operator,
    lifecycle: &Lifecycle,
    watchdog: Option<Duration>,
) -> std::convert::Infallible {
    let phases = async {
        let mut told = None;
        let mut phases = lifecycle.phases();
        loop {
            let phase = *phases.borrow_and_update();
            if told.replace(phase) != Some(phase) {
                tell_phase(operator, lifecycle, phase);
            }
            if phases.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    let alive = async {
        // Twice in each period, from within the runtime: one that is stuck says nothing.
        let Some(period) = watchdog else { return std::future::pending::<()>().await };
        loop {
            operator.tell(&[State::Watchdog]);
            sleep(period / 2).await;
        }
    };
    let getting_on = async {
        let mut seen = lifecycle.events().len();
        loop {
            sleep(GETTING_ON).await;
            let now = lifecycle.events().len();
            if lifecycle.phase() != Phase::Ready && std::mem::replace(&mut seen, now) != now {
                operator.tell(&[State::ExtendTimeout(LONGER)]);
            }
        }
    };
    tokio::join!(phases, alive, getting_on);
    std::future::pending().await
}

fn tell_phase(operator: &Operator, lifecycle: &Lifecycle, phase: Phase) {
    match phase {
        Phase::Ready => {
            let addresses = crate::operator::addresses(lifecycle).join(" ");
            operator.tell(&[State::Ready, State::Status(&format!("serving {addresses}"))]);
        }
        Phase::LameDuck | Phase::Draining | Phase::Stopping => {
            operator.tell(&[State::Stopping, State::Status(phase.as_str())]);
        }
        Phase::Planned | Phase::Starting => operator.tell(&[State::Status(phase.as_str())]),
        _ => {}
    }
}
