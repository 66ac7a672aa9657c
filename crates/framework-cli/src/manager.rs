use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use framework_core::{BoxFuture, Lifecycle, Module, Phase, Registrar, SocketSource};
use framework_process::{InheritedSocket, Notifier, State};
use tokio::time::sleep;

use crate::{
    operator::{Operator, lock},
    running::addresses_of,
};

/// How often the service manager hears that the process still gets on with its start or its end.
const GETTING_ON: Duration = Duration::from_secs(2);

/// How much longer it then waits.
const LONGER: Duration = Duration::from_secs(10);

/// The listening sockets of this process: those that were handed over to it, for the servers whose
/// addresses they are, and all that are in use, for the process that comes after it.
#[derive(Debug)]
pub(crate) struct HandedOver {
    sockets: Mutex<Vec<InheritedSocket>>,
    in_use: Mutex<Vec<InheritedSocket>>,
    handed_on: AtomicBool,
    // The full names of those that were given to servers and were bound by this application.
    own: Mutex<Vec<String>>,
    beside_predecessor: AtomicBool,
    store: Notifier,
}

impl HandedOver {
    /// Those in `sockets`; `store` keeps what is bound here for the next start, should this process
    /// be killed.
    pub(crate) fn new(sockets: Vec<InheritedSocket>, store: Notifier) -> Arc<Self> {
        Arc::new(Self {
            sockets: Mutex::new(sockets),
            in_use: Mutex::default(),
            handed_on: AtomicBool::new(false),
            own: Mutex::default(),
            beside_predecessor: AtomicBool::new(false),
            store,
        })
    }

    /// Those that nobody has asked for, by name.
    pub(crate) fn left(&self) -> Vec<String> {
        lock(&self.sockets).iter().map(|socket| socket.name.clone()).collect()
    }

    /// Duplicates of those in use, for the next process.
    pub(crate) fn duplicates(&self) -> io::Result<Vec<InheritedSocket>> {
        let in_use = lock(&self.in_use);
        let duplicate = |it: &InheritedSocket| -> io::Result<_> {
            Ok(InheritedSocket {
                name: it.name.clone(),
                socket: it.socket.try_clone()?,
                own: it.own,
            })
        };
        in_use.iter().map(duplicate).collect()
    }

    /// Another process listens at all of them.
    pub(crate) fn hand_on(&self) {
        self.handed_on.store(true, Ordering::SeqCst);
    }

    /// Notes whether the process before this one still listens at what it has handed over.
    pub(crate) fn set_beside_predecessor(&self, beside: bool) {
        self.beside_predecessor.store(beside, Ordering::SeqCst);
    }

    /// Leaves them to the servers alone: a socket that a server closes is to be closed. With a
    /// duplicate left, the kernel would go on taking connections that nobody ever accepts.
    pub(crate) fn let_go(&self) {
        lock(&self.in_use).clear();
    }

    fn keep(&self, name: &str, address: &str, socket: BorrowedFd<'_>, own: bool) {
        match socket.try_clone_to_owned() {
            Ok(socket) => {
                let name = InheritedSocket::full_name(name, address);
                lock(&self.in_use).push(InheritedSocket { name, socket, own });
            }
            Err(error) => tracing::warn!(%error, address, "a restart would refuse connections"),
        }
    }
}

impl SocketSource for HandedOver {
    fn socket(&self, name: &str, address: &str) -> BoxFuture<io::Result<Option<OwnedFd>>> {
        let mut sockets = lock(&self.sockets);
        let at = sockets.iter().position(|socket| socket.is(name, address));
        let given = at.map(|at| sockets.remove(at));
        if let Some(InheritedSocket { socket, own, .. }) = &given {
            self.keep(name, address, socket.as_fd(), *own);
            lock(&self.own).extend(own.then(|| InheritedSocket::full_name(name, address)));
        }
        Box::pin(async move { Ok(given.map(|given| given.socket)) })
    }

    fn bound(&self, name: &str, address: &str, socket: BorrowedFd<'_>) {
        let stored = InheritedSocket::full_name(name, address);
        if let Err(error) = self.store.send_with(&[State::StoreSockets(&stored)], &[socket]) {
            tracing::debug!(%error, "the service manager does not keep a socket");
        }
        self.keep(name, address, socket, true);
    }

    fn owns_file(&self, name: &str, address: &str) -> bool {
        let alone = !self.beside_predecessor.load(Ordering::SeqCst);
        alone && lock(&self.own).contains(&InheritedSocket::full_name(name, address))
    }

    fn has_handed_on(&self) -> bool {
        self.handed_on.load(Ordering::SeqCst)
    }
}

/// Offers the sockets that were handed over to whoever listens, and remembers those that they bind.
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
            let addresses = addresses_of(lifecycle).join(" ");
            operator.tell(&[State::Ready, State::Status(&format!("serving {addresses}"))]);
        }
        Phase::LameDuck | Phase::Draining | Phase::Stopping => {
            operator.tell(&[State::Stopping, State::Status(phase.as_str())]);
        }
        Phase::Planned | Phase::Starting => operator.tell(&[State::Status(phase.as_str())]),
        _ => {}
    }
}
