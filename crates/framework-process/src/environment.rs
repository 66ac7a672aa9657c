#[cfg(feature = "cluster")]
use std::os::fd::{BorrowedFd, FromRawFd as _, OwnedFd};
use std::{ffi::OsString, time::Duration};

use crate::{
    InheritedSocket, Notifier, NotifyError, SocketsError, detach::thread_count,
    systemd::parse_sockets,
};

/// What whoever started the process says in its environment: the service manager's socket, its
/// watchdog, and the sockets that it hands over.
#[derive(Debug, Default)]
pub struct StartedBy {
    /// Whom to tell how it goes.
    pub notifier: Notifier,
    /// How often the manager wants to hear that the process is alive.
    pub watchdog: Option<Duration>,
    /// The sockets that were handed over.
    pub sockets: Vec<InheritedSocket>,
}

/// The environment makes no sense.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartedByError {
    /// The sockets that it speaks of.
    #[error(transparent)]
    Sockets(#[from] SocketsError),
    /// The manager that it names.
    #[error("`NOTIFY_SOCKET` cannot be used")]
    Notify(#[from] NotifyError),
}

const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";

impl StartedBy {
    /// Reads the environment, and takes out of it what is for this process alone: processes that
    /// it starts would speak to the manager in its name.
    ///
    /// To be called once, before there is a thread and before anything is opened. With other
    /// threads the environment stays as it is, since they may be reading it.
    ///
    /// # Errors
    ///
    /// When the manager or the sockets that are named cannot be.
    pub fn take() -> Result<Self, StartedByError> {
        let text = |name| take(name).and_then(|value| value.into_string().ok());
        let [pid, count, names] = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"].map(text);
        // SAFETY: whoever set the variables opened the descriptors for this process, and nothing
        // else has taken them, as this is called once and first.
        #[expect(unsafe_code, reason = "descriptors come as numbers")]
        let sockets = unsafe { parse_sockets(pid.as_deref(), count.as_deref(), names.as_deref()) }?;
        let watchdog = watchdog(text("WATCHDOG_PID").as_deref(), text("WATCHDOG_USEC").as_deref());
        let notifier = match take(NOTIFY_SOCKET) {
            Some(address) if !address.is_empty() => Notifier::to(&address)?,
            _ => Notifier::none(),
        };
        Ok(Self { notifier, watchdog, sockets })
    }
}

/// Takes a variable out of the environment. With other threads it stays there, since they may be
/// reading.
pub(crate) fn take(name: &str) -> Option<OsString> {
    let value = std::env::var_os(name)?;
    if thread_count().is_ok_and(|threads| threads == 1) {
        // SAFETY: there is one thread, this one.
        #[expect(unsafe_code, reason = "other threads could be reading")]
        unsafe {
            std::env::remove_var(name);
        }
    }
    Some(value)
}

/// Takes the socket that a process of this program has opened for this one at `descriptor`, which
/// is not inherited further; `None` if there is no such socket.
///
/// # Safety
///
/// The descriptor must belong to nobody else: to be called once, before anything is opened.
#[cfg(feature = "cluster")]
#[expect(unsafe_code, reason = "descriptors come as numbers")]
pub(crate) unsafe fn take_socket(descriptor: i32) -> Option<OwnedFd> {
    if descriptor <= 2 {
        return None;
    }
    // SAFETY: it is only asked about, and a number that is not open is an error.
    let asked = unsafe { BorrowedFd::borrow_raw(descriptor) };
    if rustix::net::sockopt::socket_type(asked) != Ok(rustix::net::SocketType::SEQPACKET) {
        return None;
    }
    rustix::io::fcntl_setfd(asked, rustix::io::FdFlags::CLOEXEC).ok()?;
    take_name();
    // SAFETY: it is open, as was seen above, and the caller promises that it is nobody else's.
    Some(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Gives the process the name of its program: one that is started by a descriptor has the number of
/// that instead, which nobody recognizes in a list of processes.
#[cfg(feature = "cluster")]
fn take_name() {
    let program = std::env::args_os().next().unwrap_or_default();
    let name = std::path::Path::new(&program).file_name().unwrap_or_default();
    let name = std::ffi::CString::new(std::os::unix::ffi::OsStrExt::as_bytes(name));
    if let Ok(name) = name
        && let Err(error) = rustix::thread::set_name(&name)
    {
        tracing::debug!(%error, "the process has a name that says nothing");
    }
}

/// How often the manager wants a sign of life, if it is this process that it speaks to.
fn watchdog(pid: Option<&str>, micros: Option<&str>) -> Option<Duration> {
    let own = std::process::id();
    if pid.is_some_and(|pid| pid.parse() != Ok(own)) {
        return None;
    }
    let micros: u64 = micros?.parse().ok()?;
    (micros > 0).then(|| Duration::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watchdog_of_another_process_is_not_ours() {
        let own = std::process::id().to_string();
        let second = Some(Duration::from_secs(1));
        assert_eq!(watchdog(Some(&own), Some("1000000")), second);
        assert_eq!(watchdog(None, Some("1000000")), second);
        assert_eq!(watchdog(Some("1"), Some("1000000")), None);
        for nonsense in ["", "0", "soon", "-5"] {
            assert_eq!(watchdog(None, Some(nonsense)), None, "{nonsense:?}");
        }
        assert_eq!(watchdog(None, None), None);
    }
}
