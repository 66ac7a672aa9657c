use std::{
    ffi::{OsStr, OsString},
    fmt, io,
    os::{
        fd::{AsFd, BorrowedFd},
        linux::net::SocketAddrExt as _,
        unix::{
            ffi::OsStrExt as _,
            net::{SocketAddr, UnixDatagram},
        },
    },
    sync::Arc,
    time::Duration,
};

use rustix::{
    net::SendFlags,
    time::{ClockId, clock_gettime},
};

use crate::descriptors;

/// Tells the service manager how the process is, by systemd's protocol `sd_notify`.
///
/// It never waits: a manager that does not read its socket must not hold the process up. Without a
/// manager every message goes nowhere.
///
/// # Examples
///
/// ```
/// use framework_process::{Notifier, State};
///
/// let nobody = Notifier::none();
/// nobody.send(&[State::Ready, State::Status("serving on 127.0.0.1:8080")])?;
/// # Ok::<(), framework_process::NotifyError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Notifier {
    manager: Option<Arc<Manager>>,
}

#[derive(Debug)]
struct Manager {
    socket: UnixDatagram,
    to: SocketAddr,
    address: OsString,
}

/// What can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State<'s> {
    /// The process has started, or has done with what it was reloading.
    Ready,
    /// It reads its configuration again. The moment is told along, as the manager wants it.
    Reloading,
    /// It ends.
    Stopping,
    /// One line about how it is.
    Status(&'s str),
    /// It is alive.
    Watchdog,
    /// It needs this much longer to start or to end.
    ExtendTimeout(Duration),
    /// Another process is the main one from now on.
    MainPid(u32),
    /// Keep these descriptors, under this name, for the next start.
    StoreSockets(&'s str),
    /// Let go of those with this name.
    ForgetSockets(&'s str),
}

/// The service manager could not be told.
#[derive(Debug, thiserror::Error)]
#[error("cannot tell the service manager")]
pub struct NotifyError(#[from] io::Error);

// ===== impl Notifier =====

impl Notifier {
    /// Nobody to tell.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The manager that listens at `address`, the value of `NOTIFY_SOCKET`: a path, or a name in
    /// the abstract namespace with `@` before it.
    ///
    /// # Errors
    ///
    /// When that is no address of a Unix socket.
    pub fn to(address: &OsStr) -> Result<Self, NotifyError> {
        let to = match address.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            [b'/', ..] => SocketAddr::from_pathname(address)?,
            _ => {
                let text = format!("`{}` is no address of a Unix socket", address.display());
                return Err(io::Error::new(io::ErrorKind::InvalidInput, text).into());
            }
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        let address = address.to_owned();
        Ok(Self { manager: Some(Arc::new(Manager { socket, to, address })) })
    }

    /// Whether there is a manager.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.manager.is_some()
    }

    /// The manager's address, for another process.
    #[must_use]
    pub fn address(&self) -> Option<&OsStr> {
        self.manager.as_deref().map(|manager| manager.address.as_os_str())
    }

    /// Tells `states`, in one message.
    ///
    /// # Errors
    ///
    /// When the manager does not take the message at once, or is gone.
    pub fn send(&self, states: &[State<'_>]) -> Result<(), NotifyError> {
        self.send_with(states, &[])
    }

    /// Tells `states`, and hands `sockets` over with them.
    ///
    /// # Errors
    ///
    /// When the manager does not take the message at once, or is gone.
    pub fn send_with(
        &self,
        states: &[State<'_>],
        sockets: &[BorrowedFd<'_>],
    ) -> Result<(), NotifyError> {
        let Some(Manager { socket, to, .. }) = self.manager.as_deref() else { return Ok(()) };
        let text: String = states.iter().map(|state| format!("{state}\n")).collect();
        if sockets.is_empty() {
            socket.send_to_addr(text.as_bytes(), to)?;
            return Ok(());
        }
        // A message with descriptors goes to a socket that is connected.
        let own = UnixDatagram::unbound()?;
        own.set_nonblocking(true)?;
        own.connect_addr(to)?;
        descriptors::send(own.as_fd(), text.as_bytes(), sockets, SendFlags::empty())?;
        Ok(())
    }
}

impl fmt::Display for State<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready => f.write_str("READY=1"),
            Self::Reloading => write!(f, "RELOADING=1\nMONOTONIC_USEC={}", monotonic_micros()),
            Self::Stopping => f.write_str("STOPPING=1"),
            // A line break would begin another assignment.
            Self::Status(text) => write!(f, "STATUS={}", text.replace(['\n', '\r'], " ")),
            Self::Watchdog => f.write_str("WATCHDOG=1"),
            Self::ExtendTimeout(by) => write!(f, "EXTEND_TIMEOUT_USEC={}", by.as_micros()),
            Self::MainPid(pid) => write!(f, "MAINPID={pid}"),
            Self::StoreSockets(name) => write!(f, "FDSTORE=1\nFDNAME={}", plain(name)),
            Self::ForgetSockets(name) => write!(f, "FDSTOREREMOVE=1\nFDNAME={}", plain(name)),
        }
    }
}

/// A name as the manager takes it: colons divide the names of several.
pub(super) fn plain(name: &str) -> String {
    let keep = |c: char| if c.is_ascii_graphic() && c != ':' { c } else { '_' };
    name.chars().map(keep).take(255).collect()
}

/// The clock that the manager compares with.
fn monotonic_micros() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let micros = now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1000);
    u64::try_from(micros).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::mem::MaybeUninit;

    use super::*;

    fn manager() -> (tempfile::TempDir, UnixDatagram, Notifier) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::to(path.as_os_str()).unwrap();
        (directory, socket, notifier)
    }

    fn received(socket: &UnixDatagram) -> String {
        let mut text = [0; 1024];
        let length = socket.recv(&mut text).unwrap();
        String::from_utf8(text[..length].to_vec()).unwrap()
    }

    #[test]
    fn what_belongs_together_comes_in_one_message() {
        let (_directory, socket, notifier) = manager();
        let before = monotonic_micros();
        notifier.send(&[State::Reloading, State::Status("reading\nFDSTORE=1")]).unwrap();
        let text = received(&socket);
        let lines: Vec<_> = text.lines().collect();
        let [first, moment, status] = lines[..] else { panic!("{text}") };
        assert_eq!((first, status), ("RELOADING=1", "STATUS=reading FDSTORE=1"));
        let moment: u64 = moment.strip_prefix("MONOTONIC_USEC=").unwrap().parse().unwrap();
        assert!((before..=monotonic_micros()).contains(&moment));
    }

    #[test]
    fn each_state_is_spelt_as_the_manager_knows_it() {
        let spelt = |state: State<'_>| state.to_string();
        assert_eq!(spelt(State::Ready), "READY=1");
        assert_eq!(spelt(State::Stopping), "STOPPING=1");
        assert_eq!(spelt(State::Watchdog), "WATCHDOG=1");
        assert_eq!(spelt(State::MainPid(7)), "MAINPID=7");
        let longer = State::ExtendTimeout(Duration::from_millis(1500));
        assert_eq!(spelt(longer), "EXTEND_TIMEOUT_USEC=1500000");
        assert_eq!(spelt(State::StoreSockets("a:b c")), "FDSTORE=1\nFDNAME=a_b_c");
        assert_eq!(spelt(State::ForgetSockets("web")), "FDSTOREREMOVE=1\nFDNAME=web");
    }

    #[test]
    fn a_name_in_the_abstract_namespace_is_understood_and_nonsense_is_not() {
        let name = format!("framework-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        let notifier = Notifier::to(OsStr::new(&format!("@{name}"))).unwrap();
        notifier.send(&[State::Ready]).unwrap();
        assert_eq!(received(&socket), "READY=1\n");
        assert!(Notifier::to(OsStr::new("relative")).is_err());
        assert!(Notifier::to(OsStr::new("")).is_err());
    }

    #[test]
    fn a_manager_that_does_not_read_or_is_gone_holds_nobody_up() {
        let (directory, socket, notifier) = manager();
        let refused = (0..100_000).find_map(|_| notifier.send(&[State::Watchdog]).err());
        let NotifyError(refused) = refused.expect("its socket is full at some time");
        assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
        drop((socket, directory));
        assert!(notifier.send(&[State::Ready]).is_err());
    }

    #[test]
    fn sockets_go_along() {
        let (_directory, socket, notifier) = manager();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let states = [State::StoreSockets("web")];
        notifier.send_with(&states, &[listener.as_fd()]).unwrap();
        let mut text = [0; 256];
        let mut space = [MaybeUninit::uninit(); 128];
        let mut extra = rustix::net::RecvAncillaryBuffer::new(&mut space);
        let mut into = [io::IoSliceMut::new(&mut text)];
        let flags = rustix::net::RecvFlags::CMSG_CLOEXEC;
        let got = rustix::net::recvmsg(&socket, &mut into, &mut extra, flags).unwrap();
        assert_eq!(&text[..got.bytes], b"FDSTORE=1\nFDNAME=web\n");
        let rustix::net::RecvAncillaryMessage::ScmRights(sockets) = extra.drain().next().unwrap()
        else {
            panic!("no descriptors")
        };
        let same: Vec<_> = sockets
            .map(|socket| std::net::TcpListener::from(socket).local_addr().unwrap())
            .collect();
        assert_eq!(same, [listener.local_addr().unwrap()]);
    }
}
