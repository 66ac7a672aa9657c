use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

use framework_config::{ConfigHandle, ReloadTrigger};
use framework_core::{Lifecycle, ShutdownReason};
use signal_hook::{
    consts::signal::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2},
    iterator::{Handle, Signals as Incoming},
};

use crate::Exit;

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

#[derive(Debug, Default)]
struct Inbox {
    lifecycle: Option<Lifecycle>,
    config: Option<ConfigHandle>,
    hangup: bool,
    kept: Vec<&'static str>,
    stops: usize,
}

impl Signals {
    /// Takes the signals from their defaults.
    ///
    /// # Errors
    ///
    /// Returns an error if the operating system refuses a handler or a thread.
    pub(crate) fn catch() -> io::Result<Self> {
        let mut incoming = Incoming::new([SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2])?;
        let (inbox, handle) = (Arc::<Mutex<Inbox>>::default(), incoming.handle());
        let deliver_to = Arc::clone(&inbox);
        let listen = move || {
            for signal in incoming.forever() {
                receive(&deliver_to, signal);
            }
        };
        let thread = thread::Builder::new().name("signals".to_owned()).spawn(listen)?;
        Ok(Self { inbox, handle, thread: Some(thread) })
    }

    /// Passes signals on to the application with this lifecycle and this configuration, those that
    /// were kept first.
    pub(crate) fn attach(&self, lifecycle: &Lifecycle, config: &ConfigHandle) {
        attach(&self.inbox, lifecycle, config);
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

fn attach(inbox: &Mutex<Inbox>, lifecycle: &Lifecycle, config: &ConfigHandle) {
    let mut inbox = lock(inbox);
    for name in std::mem::take(&mut inbox.kept) {
        lifecycle.request_shutdown(ShutdownReason::Signal(name));
    }
    if std::mem::take(&mut inbox.hangup) {
        config.request_reload(ReloadTrigger::Signal);
    }
    inbox.lifecycle = Some(lifecycle.clone());
    inbox.config = Some(config.clone());
}

fn receive(inbox: &Mutex<Inbox>, signal: i32) {
    match stop_name(signal) {
        Some(name) => stop(inbox, signal, name),
        None if signal == SIGHUP => hangup(inbox),
        // Their defaults would end the process.
        None => tracing::info!(signal = other_name(signal), "the signal has no effect"),
    }
}

fn hangup(inbox: &Mutex<Inbox>) {
    let mut inbox = lock(inbox);
    match &inbox.config {
        Some(config) => config.request_reload(ReloadTrigger::Signal),
        None => inbox.hangup = true,
    }
}

fn stop(inbox: &Mutex<Inbox>, signal: i32, name: &'static str) {
    let mut inbox = lock(inbox);
    inbox.stops += 1;
    if inbox.stops >= FORCE {
        force(signal);
    }
    match inbox.lifecycle.clone() {
        // Observers are told of the request, and may take their time.
        Some(lifecycle) => {
            drop(inbox);
            lifecycle.request_shutdown(ShutdownReason::Signal(name));
        }
        None => inbox.kept.push(name),
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

fn other_name(signal: i32) -> &'static str {
    match signal {
        SIGUSR1 => "SIGUSR1",
        SIGUSR2 => "SIGUSR2",
        _ => "unknown",
    }
}

fn lock(inbox: &Mutex<Inbox>) -> MutexGuard<'_, Inbox> {
    inbox.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use framework_config::{LiveConfig, Sources};

    use super::*;

    fn config() -> ConfigHandle {
        LiveConfig::new(Sources::none()).load().unwrap()
    }

    fn requests(lifecycle: &Lifecycle) -> u32 {
        *lifecycle.shutdown_requests().borrow()
    }

    #[test]
    fn what_comes_before_there_is_an_application_is_kept_for_it() {
        let (inbox, lifecycle) = (Mutex::default(), Lifecycle::default());
        receive(&inbox, SIGINT);
        receive(&inbox, SIGTERM);
        attach(&inbox, &lifecycle, &config());
        assert_eq!(requests(&lifecycle), 2);
        assert_eq!(lifecycle.shutdown_reason(), Some(&ShutdownReason::Signal("SIGINT")));
    }

    #[test]
    fn each_signal_to_stop_is_one_request_and_others_are_none() {
        let (inbox, lifecycle) = (Mutex::default(), Lifecycle::default());
        attach(&inbox, &lifecycle, &config());
        for (signal, expected) in [(SIGHUP, 0), (SIGTERM, 1), (SIGUSR1, 1), (SIGQUIT, 2)] {
            receive(&inbox, signal);
            assert_eq!(requests(&lifecycle), expected, "{signal}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_hangup_reloads_the_configuration_also_if_it_came_before_there_was_one() {
        let (inbox, config) = (Mutex::default(), config());
        let reloads = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = Arc::clone(&reloads);
        config.observe(move |record| {
            assert_eq!(record.trigger, ReloadTrigger::Signal);
            count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        });
        let second = Duration::from_secs(1);
        receive(&inbox, SIGHUP);
        attach(&inbox, &Lifecycle::default(), &config);
        for expected in [1, 2] {
            let running = tokio::time::timeout(second, config.run_reloads(None)).await;
            assert!(running.is_err(), "it never ends by itself");
            assert_eq!(reloads.load(std::sync::atomic::Ordering::SeqCst), expected);
            receive(&inbox, SIGHUP);
            receive(&inbox, SIGHUP);
        }
    }
}
