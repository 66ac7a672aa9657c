use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use framework_core::{Lifecycle, Phase, ShutdownReason, is_planted};
use framework_process::BlockedSignals;
use signal_hook::{
    consts::signal::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2},
    iterator::{Handle, Signals as Incoming},
};

use crate::{Exit, errand::Errand, operator::Operator};

/// How many signals to stop end the process by force.
const FORCE: usize = 3;

/// Passes the signals of the process on to an application, for as long as it lives.
///
/// Each signal to stop is one request to stop, and the third ends the process at once. Those that
/// come before there is an application are kept for it.
#[derive(Debug)]
pub(crate) struct Signals {
    inbox: Arc<Mutex<Inbox>>,
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Inbox {
    operator: Arc<Operator>,
    dumping: Arc<Errand>,
    reopening: Arc<Errand>,
    lifecycle: Option<Lifecycle>,
    hangup: bool,
    kept: Vec<ShutdownReason>,
    stops: usize,
}

/// Asks the application to stop, as a signal would.
#[derive(Clone, Debug)]
pub(crate) struct Stopper(Arc<Mutex<Inbox>>);

impl Signals {
    /// Takes the signals from their defaults, and lets those through that were blocked.
    ///
    /// # Errors
    ///
    /// Returns an error if the operating system refuses a handler or a thread.
    pub(crate) fn catch(operator: Arc<Operator>, blocked: BlockedSignals) -> io::Result<Self> {
        let mut incoming = Incoming::new([SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2])?;
        let inbox = Arc::new(Mutex::new(Inbox::new(operator)));
        let (deliver_to, handle) = (Arc::clone(&inbox), incoming.handle());
        let listen = move || {
            if let Err(error) = blocked.let_through() {
                tracing::error!(%error, "signals stay blocked");
            }
            for signal in incoming.forever() {
                receive(&deliver_to, signal);
            }
        };
        let thread = thread::Builder::new().name("signals".to_owned()).spawn(listen)?;
        Ok(Self { inbox, handle, thread: Some(thread) })
    }

    /// For somebody else who may stop the application.
    pub(crate) fn stopper(&self) -> Stopper {
        Stopper(Arc::clone(&self.inbox))
    }

    /// Passes signals on to the application with this lifecycle, which the operator knows, those
    /// that were kept first.
    pub(crate) fn attach(&self, lifecycle: &Lifecycle) {
        attach(&self.inbox, lifecycle);
    }
}

impl Stopper {
    /// One request to stop, kept for the application if there is none yet.
    pub(crate) fn stop(&self, reason: &str) {
        request(&self.0, ShutdownReason::Requested(reason.to_owned()));
    }
}

impl Inbox {
    fn new(operator: Arc<Operator>) -> Self {
        // On threads of their own: the next signal may be the one that ends the process.
        let (dumped, reopened) = (Arc::clone(&operator), Arc::clone(&operator));
        let dumping = Errand::new("dump", Duration::ZERO, move || match dumped.dump() {
            Ok(Some(file)) => tracing::info!(file, "wrote a debug dump"),
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "cannot write a debug dump"),
        });
        let reopening =
            Errand::new("reopen", Duration::ZERO, move || match reopened.reopen_logs() {
                Ok(()) => tracing::info!("the log is open again"),
                Err(error) => tracing::error!(%error, "the log goes on as before"),
            });
        let (lifecycle, kept) = (None, Vec::new());
        Self { operator, dumping, reopening, lifecycle, hangup: false, kept, stops: 0 }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            // It cannot have panicked but inside an observer, which has been reported.
            let _ = thread.join();
        }
    }
}

fn attach(inbox: &Mutex<Inbox>, lifecycle: &Lifecycle) {
    let mut inbox = lock(inbox);
    for reason in std::mem::take(&mut inbox.kept) {
        lifecycle.request_shutdown(reason);
    }
    if std::mem::take(&mut inbox.hangup) {
        inbox.operator.request_reload();
    }
    inbox.lifecycle = Some(lifecycle.clone());
}

fn receive(inbox: &Mutex<Inbox>, signal: i32) {
    match (stop_name(signal), signal) {
        (Some(name), _) => stop(inbox, signal, name),
        (None, SIGHUP) => hangup(inbox),
        (None, SIGUSR1) => lock(inbox).dumping.ask(),
        (None, _) => lock(inbox).reopening.ask(),
    }
}

fn hangup(inbox: &Mutex<Inbox>) {
    let mut inbox = lock(inbox);
    if inbox.lifecycle.is_some() {
        inbox.operator.request_reload();
    } else {
        inbox.hangup = true;
    }
}

fn stop(inbox: &Mutex<Inbox>, signal: i32, name: &'static str) {
    let operator = {
        let mut inbox = lock(inbox);
        inbox.stops += 1;
        if inbox.stops == 2 && is_planted("deaf-to-impatience") {
            return;
        }
        (inbox.stops >= FORCE).then(|| Arc::clone(&inbox.operator))
    };
    if let Some(operator) = operator {
        operator.last();
        force(signal);
    }
    request(inbox, ShutdownReason::Signal(name));
}

fn request(inbox: &Mutex<Inbox>, reason: ShutdownReason) {
    let mut inbox = lock(inbox);
    let starts = |it: &Lifecycle| it.phase() < Phase::Ready;
    if is_planted("deaf-while-starting") && inbox.lifecycle.as_ref().is_none_or(starts) {
        return;
    }
    match inbox.lifecycle.clone() {
        // Observers are told of the request, and may take their time.
        Some(lifecycle) => {
            drop(inbox);
            lifecycle.request_shutdown(reason);
        }
        None => inbox.kept.push(reason),
    }
}

#[expect(clippy::exit, clippy::disallowed_methods, reason = "the operator has asked three times")]
fn force(signal: i32) -> ! {
    let number = u8::try_from(signal).unwrap_or(u8::MAX);
    std::process::exit(i32::from(Exit::Signal(number).code()))
}

fn stop_name(signal: i32) -> Option<&'static str> {
    match signal {
        SIGTERM => Some("SIGTERM"),
        SIGINT => Some("SIGINT"),
        SIGQUIT => Some("SIGQUIT"),
        _ => None,
    }
}

fn lock(inbox: &Mutex<Inbox>) -> MutexGuard<'_, Inbox> {
    inbox.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use framework_process::Notifier;

    use super::*;

    fn inbox() -> Mutex<Inbox> {
        let operator = Operator::new(Notifier::none(), Path::new("/nowhere"));
        Mutex::new(Inbox::new(Arc::new(operator)))
    }

    fn requests(lifecycle: &Lifecycle) -> u32 {
        *lifecycle.shutdown_requests().borrow()
    }

    #[test]
    fn what_comes_before_there_is_an_application_is_kept_for_it() {
        let (inbox, lifecycle) = (inbox(), Lifecycle::default());
        receive(&inbox, SIGINT);
        receive(&inbox, SIGTERM);
        attach(&inbox, &lifecycle);
        assert_eq!(requests(&lifecycle), 2);
        assert_eq!(lifecycle.shutdown_reason(), Some(&ShutdownReason::Signal("SIGINT")));
    }

    #[test]
    fn each_signal_to_stop_is_one_request_and_others_are_none() {
        let (inbox, lifecycle) = (inbox(), Lifecycle::default());
        attach(&inbox, &lifecycle);
        for (signal, expected) in [(SIGHUP, 0), (SIGTERM, 1), (SIGUSR1, 1), (SIGQUIT, 2)] {
            receive(&inbox, signal);
            assert_eq!(requests(&lifecycle), expected, "{signal}");
        }
    }
}
