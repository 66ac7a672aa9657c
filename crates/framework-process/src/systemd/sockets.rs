use std::{
    io,
    net::SocketAddr,
    os::fd::{AsFd as _, FromRawFd as _, OwnedFd},
};

use rustix::{
    io::{FdFlags, fcntl_getfd, fcntl_setfd},
    net::{AddressFamily, SocketType, getsockname, sockopt::socket_type},
};

use super::notify::plain;

/// The first descriptor that is handed over.
const FIRST: i32 = 3;

/// More than any manager hands over: a number beyond it is a mistake.
const MOST: i32 = 1024;

/// A listening socket that the service manager, or the process before this one, hands over.
#[derive(Debug)]
pub struct InheritedSocket {
    /// What it was called, or an empty text.
    pub name: String,
    /// The socket.
    pub socket: OwnedFd,
    /// Whether this application has bound it, be it in an earlier process: the file of a Unix socket
    /// is then its own to remove.
    pub own: bool,
}

/// The environment speaks of sockets that there are not.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketsError {
    /// A variable is no number, or none that can be.
    #[error("`{variable}={value}` makes no sense: {expected}")]
    Variable {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A descriptor is not open, or is no listening socket.
    #[error("the descriptor {descriptor} that was handed over {problem}")]
    Descriptor {
        /// Its number.
        descriptor: i32,
        /// What is wrong with it.
        problem: &'static str,
        /// What the operating system said, if it was asked.
        source: Option<io::Error>,
    },
}

/// Reads what `LISTEN_PID`, `LISTEN_FDS` and `LISTEN_FDNAMES` say, and takes the sockets. They are
/// not inherited further.
///
/// Variables that speak to another process are nothing to this one.
///
/// # Errors
///
/// When they make no sense, or a descriptor is no stream socket of TCP or Unix.
///
/// # Safety
///
/// The descriptors must belong to nobody else: to be called once, before anything is opened.
#[expect(unsafe_code, reason = "descriptors come as numbers")]
pub unsafe fn parse_sockets(
    pid: Option<&str>,
    count: Option<&str>,
    names: Option<&str>,
) -> Result<Vec<InheritedSocket>, SocketsError> {
    let (Some(pid), Some(count)) = (pid, count) else { return Ok(Vec::new()) };
    let wrong = |variable, value: &str, expected| SocketsError::Variable {
        variable,
        value: value.to_owned(),
        expected,
    };
    let for_process: u32 =
        pid.parse().map_err(|_| wrong("LISTEN_PID", pid, "it is the number of a process"))?;
    if for_process != std::process::id() {
        return Ok(Vec::new());
    }
    let expected = "it is how many sockets are handed over";
    let number: i32 = count.parse().map_err(|_| wrong("LISTEN_FDS", count, expected))?;
    if !(0..=MOST).contains(&number) {
        return Err(wrong("LISTEN_FDS", count, expected));
    }
    let names: Vec<_> = names.map(|names| names.split(':').collect()).unwrap_or_default();
    if !names.is_empty() && number > 0 && names.len() != number as usize {
        let expected = "it has one name for each socket, with colons between them";
        return Err(wrong("LISTEN_FDNAMES", &names.join(":"), expected));
    }
    (0..number)
        .map(|at| {
            let name = names.get(at as usize).copied().unwrap_or_default().to_owned();
            // SAFETY: the caller promises that nobody else has the descriptor, and whether it is
            // open is checked before it is used.
            let socket = unsafe { take(FIRST + at)? };
            // That is how an application spells those that it leaves with the manager.
            let own = name.contains('=');
            Ok(InheritedSocket { name, socket, own })
        })
        .collect()
}

/// # Safety
///
/// The descriptor must belong to nobody else.
#[expect(unsafe_code, reason = "descriptors come as numbers")]
unsafe fn take(descriptor: i32) -> Result<OwnedFd, SocketsError> {
    let wrong = |problem, source| SocketsError::Descriptor { descriptor, problem, source };
    // SAFETY: it is only asked about, and a number that is not open is an error.
    let borrowed = unsafe { std::os::fd::BorrowedFd::borrow_raw(descriptor) };
    let not_open = |error: rustix::io::Errno| wrong("is not open", Some(error.into()));
    let flags = fcntl_getfd(borrowed).map_err(not_open)?;
    let kind = socket_type(borrowed).map_err(|error| wrong("is no socket", Some(error.into())))?;
    if kind != SocketType::STREAM {
        return Err(wrong("is no stream socket", None));
    }
    let family = getsockname(borrowed)
        .map_err(|error| wrong("has no address", Some(error.into())))?
        .address_family();
    if ![AddressFamily::UNIX, AddressFamily::INET, AddressFamily::INET6].contains(&family) {
        return Err(wrong("is neither a TCP nor a Unix socket", None));
    }
    fcntl_setfd(borrowed, flags | FdFlags::CLOEXEC).map_err(not_open)?;
    // SAFETY: it is open, as was seen above, and the caller promises that it is nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

impl InheritedSocket {
    /// What the socket of the server called `name` at `address` is called when one process hands it
    /// to the next: neither alone tells two servers apart whose ports were picked.
    #[must_use]
    pub fn full_name(name: &str, address: &str) -> String {
        format!("{name}={address}")
    }

    /// Whether this is the socket called `name`, or that of `address` as a configuration spells it:
    /// `127.0.0.1:8080`, or `unix:` and a path.
    #[must_use]
    pub fn is(&self, name: &str, address: &str) -> bool {
        let full = Self::full_name(name, address);
        // As a manager has it that has kept the socket.
        let names = [name, address, &full, &plain(&full)];
        if !self.name.is_empty() && names.contains(&self.name.as_str()) {
            return true;
        }
        let Ok(own) = getsockname(self.socket.as_fd()) else { return false };
        if let Some(path) = address.strip_prefix("unix:") {
            let own = rustix::net::SocketAddrUnix::try_from(own).ok();
            return own.and_then(|own| own.path().map(|it| it.to_bytes() == path.as_bytes()))
                == Some(true);
        }
        let wanted: Option<SocketAddr> = address.parse().ok();
        wanted.is_some_and(|wanted| SocketAddr::try_from(own).is_ok_and(|own| own == wanted))
    }
}
