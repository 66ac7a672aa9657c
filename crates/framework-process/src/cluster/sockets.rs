//! The listening sockets of a cluster.

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    net::{SocketAddr, ToSocketAddrs as _},
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::{
            fs::FileTypeExt as _,
            net::{UnixListener, UnixStream},
        },
    },
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use framework_core::is_planted;
use rustix::net::{
    AddressFamily, SocketFlags, SocketType, bind, getsockname, socket_with,
    sockopt::{set_socket_reuseaddr, set_socket_reuseport, socket_reuseport},
};

use super::Accept;
use crate::{InheritedSocket, Notifier, State};

/// How many connections the kernel may keep for a worker; it caps this at `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// What the address of a Unix socket begins with.
const UNIX: &str = "unix:";

/// The sockets that a cluster listens at, held for as long as the cluster lives: a worker that
/// ends takes none of them with it.
///
/// They are bound when a worker first asks for them. With [`Accept::Slots`], each slot has a socket
/// of its own at the same TCP port, between which the kernel spreads the connections; otherwise,
/// and for Unix sockets, all workers share one.
pub struct SlotSockets {
    accept: Accept,
    shared: Vec<String>,
    // Those who keep them over the death of this process.
    store: Notifier,
    state: Mutex<Sockets>,
}

#[derive(Debug, Default)]
struct Sockets {
    slots: u32,
    inherited: Vec<InheritedSocket>,
    // By the full name of the server.
    by_server: BTreeMap<String, Server>,
    // The files of own Unix sockets, to be removed at the end; and of those that the process before
    // this one listens at for as long as it does.
    files: Vec<String>,
    beside: Option<Vec<String>>,
}

#[derive(Debug)]
struct Server {
    number: u32,
    sockets: Held,
    // Bound here, or by the primary before this one.
    own: bool,
}

#[derive(Debug)]
enum Held {
    Shared(OwnedFd),
    PerSlot { sockets: Vec<OwnedFd>, bound: SocketAddr },
}

impl SlotSockets {
    /// No sockets yet.
    #[must_use]
    pub fn new(accept: Accept, shared: &[String]) -> Self {
        let state = Mutex::new(Sockets { slots: 1, ..Sockets::default() });
        Self { accept, shared: shared.to_vec(), store: Notifier::none(), state }
    }

    /// Takes these before it binds any: of the service manager, or of the primary before this one.
    #[must_use]
    pub fn inherit(self, sockets: Vec<InheritedSocket>) -> Self {
        self.lock().inherited = sockets;
        self
    }

    /// The process before this one, which has handed them over, listens at them as well until this one
    /// [takes over](Self::take_over).
    #[must_use]
    pub fn beside_predecessor(self) -> Self {
        self.lock().beside = Some(Vec::new());
        self
    }

    /// Nobody but this process listens at what was handed over.
    pub fn take_over(&self) {
        let mut state = self.lock();
        let files = state.beside.take();
        state.files.extend(files.into_iter().flatten());
    }

    /// Has each socket that is bound kept by the service manager too, which hands them over to the
    /// next primary if this one is killed.
    #[must_use]
    pub fn stored_by(mut self, notifier: Notifier) -> Self {
        self.store = notifier;
        self
    }

    /// Has sockets for so many slots from now on. Slots that were there keep theirs.
    pub(super) fn scale(&self, slots: u32) -> io::Result<()> {
        let mut state = self.lock();
        state.slots = state.slots.max(slots);
        let slots = state.slots;
        for (server, it) in &mut state.by_server {
            let Held::PerSlot { sockets, bound } = &mut it.sockets else { continue };
            while sockets.len() < slots as usize {
                let socket = bind_slot(*bound)?;
                self.keep_one(server, sockets.len(), &socket);
                sockets.push(socket);
            }
        }
        Ok(())
    }

    /// The socket of `slot` for the server called `name` at `address`.
    pub(super) fn get(&self, slot: u32, name: &str, address: &str) -> io::Result<OwnedFd> {
        let mut state = self.lock();
        let server = InheritedSocket::full_name(name, address);
        if !state.by_server.contains_key(&server) {
            let (sockets, own, inherited) = self.open(&mut state, name, address)?;
            if own {
                self.keep(&server, &sockets);
                let path = address.strip_prefix(UNIX).map(str::to_owned);
                match &mut state.beside {
                    Some(beside) if inherited => beside.extend(path),
                    _ => state.files.extend(path),
                }
            }
            let number = u32::try_from(state.by_server.len()).unwrap_or(u32::MAX);
            state.by_server.insert(server.clone(), Server { number, sockets, own });
        }
        match &state.by_server[&server].sockets {
            Held::Shared(socket) => socket.try_clone(),
            Held::PerSlot { bound, .. } if is_planted("own-sockets") => bind_slot(*bound),
            Held::PerSlot { sockets, .. } => {
                let none = || io::Error::other(format!("there is no slot {slot}"));
                sockets.get(slot as usize).ok_or_else(none)?.try_clone()
            }
        }
    }

    /// All sockets of `slot` that nobody else has, each with the full name of its server and a
    /// number.
    pub(super) fn of_slot(&self, slot: u32) -> Vec<(String, u64, io::Result<OwnedFd>)> {
        let state = self.lock();
        let own = state.by_server.iter().filter_map(|(server, it)| {
            let Held::PerSlot { sockets, .. } = &it.sockets else { return None };
            let number = u64::from(it.number) << 32 | u64::from(slot);
            Some((server.clone(), number, sockets.get(slot as usize)?.try_clone()))
        });
        own.collect()
    }

    /// Duplicates of all of them, under the names by which the next primary finds them.
    ///
    /// # Errors
    ///
    /// When the operating system refuses.
    pub fn duplicates(&self) -> io::Result<Vec<InheritedSocket>> {
        let state = self.lock();
        let mut all = Vec::new();
        for (server, it) in &state.by_server {
            for (slot, socket) in it.sockets.all().iter().enumerate() {
                let (name, socket) = (stored_name(server, slot), socket.try_clone()?);
                all.push(InheritedSocket { name, socket, own: it.own });
            }
        }
        Ok(all)
    }

    /// Removes the files of its own Unix sockets: nobody is to come any more.
    pub(super) fn remove_files(&self) {
        for path in std::mem::take(&mut self.lock().files) {
            // It may have been removed already.
            let _ = fs::remove_file(path);
        }
    }

    /// Leaves the files of Unix sockets where they are: another process listens there.
    pub fn hand_on(&self) {
        let mut state = self.lock();
        (state.files, state.beside) = (Vec::new(), None);
    }

    /// Those for a server, whether they are its own, and whether they were handed over.
    fn open(
        &self,
        state: &mut Sockets,
        name: &str,
        address: &str,
    ) -> io::Result<(Held, bool, bool)> {
        if let Some(held) = take_inherited(state, name, address) {
            return held.map(|(held, own)| (held, own, true));
        }
        let bound = match address.strip_prefix(UNIX) {
            Some(path) => bind_unix(Path::new(path)).map(Held::Shared),
            None => self.bind(state.slots, name, address),
        };
        Ok((bound?, true, false))
    }

    fn bind(&self, slots: u32, name: &str, address: &str) -> io::Result<Held> {
        let first = bind_first(address)?;
        if self.accept == Accept::Shared || self.shared.iter().any(|it| it == name) {
            return Ok(Held::Shared(first));
        }
        // A socket that was bound without sharing cannot be shared later: others take its place.
        let bound = address_of(&first)?;
        drop(first);
        let sockets = (0..slots).map(|_| bind_slot(bound)).collect::<io::Result<_>>()?;
        Ok(Held::PerSlot { sockets, bound })
    }

    fn keep(&self, server: &str, sockets: &Held) {
        for (slot, socket) in sockets.all().iter().enumerate() {
            self.keep_one(server, slot, socket);
        }
    }

    fn keep_one(&self, server: &str, slot: usize, socket: &OwnedFd) {
        if is_planted("keeps-no-sockets") {
            return;
        }
        let name = stored_name(server, slot);
        let states = [State::StoreSockets(&name)];
        if let Err(error) = self.store.send_with(&states, &[socket.as_fd()]) {
            tracing::debug!(%error, "the service manager does not keep a socket");
        }
    }

    // What is held while it is held only talks to the kernel.
    fn lock(&self) -> MutexGuard<'_, Sockets> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SlotSockets {
    fn drop(&mut self) {
        self.remove_files();
    }
}

impl Held {
    fn all(&self) -> &[OwnedFd] {
        match self {
            Self::Shared(socket) => std::slice::from_ref(socket),
            Self::PerSlot { sockets, .. } => sockets,
        }
    }
}

impl fmt::Debug for SlotSockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlotSockets").field("state", &*self.lock()).finish_non_exhaustive()
    }
}

/// A name that service managers take: no colons, as they divide names.
fn stored_name(server: &str, slot: usize) -> String {
    let keep = |c: char| if c.is_ascii_graphic() && c != ':' { c } else { '_' };
    let name: String = server.chars().map(keep).take(240).collect();
    format!("{name}#{slot}")
}

/// Those that were handed over for `address`: one for each slot, from a primary, or one for all,
/// from a service manager. With them, whether they are the application's own.
fn take_inherited(
    state: &mut Sockets,
    name: &str,
    address: &str,
) -> Option<io::Result<(Held, bool)>> {
    let (mut found, mut all_own) = (Vec::new(), true);
    for slot in 0.. {
        let wanted = stored_name(&InheritedSocket::full_name(name, address), slot);
        let Some(at) = state.inherited.iter().position(|it| it.name == wanted) else { break };
        let InheritedSocket { socket, own, .. } = state.inherited.swap_remove(at);
        found.push(socket);
        all_own &= own;
    }
    if found.is_empty() {
        let at = state.inherited.iter().position(|it| it.is(name, address))?;
        let InheritedSocket { socket, own, .. } = state.inherited.swap_remove(at);
        return Some(Ok((Held::Shared(socket), own)));
    }
    Some(complete(found, state.slots).map(|held| (held, all_own)))
}

fn complete(mut sockets: Vec<OwnedFd>, slots: u32) -> io::Result<Held> {
    let divided = address_of(&sockets[0]).is_ok() && socket_reuseport(&sockets[0])?;
    if !divided {
        return Ok(Held::Shared(sockets.swap_remove(0)));
    }
    let bound = address_of(&sockets[0])?;
    while sockets.len() < slots as usize {
        sockets.push(bind_slot(bound)?);
    }
    Ok(Held::PerSlot { sockets, bound })
}

fn address_of(socket: &OwnedFd) -> io::Result<SocketAddr> {
    let address = getsockname(socket)?;
    SocketAddr::try_from(address).map_err(Into::into)
}

fn tcp(address: &SocketAddr) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    set_socket_reuseaddr(&socket, true)?;
    Ok(socket)
}

/// The first one is bound as if it were the only one, so that a port which somebody else has is in
/// use, and is not shared with them.
fn bind_first(address: &str) -> io::Result<OwnedFd> {
    let mut refused = None;
    for address in address.to_socket_addrs()? {
        let socket = tcp(&address)?;
        match bind(&socket, &address) {
            Ok(()) => {
                // Some that can be bound are taken all the same, which listening shows.
                rustix::net::listen(&socket, BACKLOG)?;
                return Ok(socket);
            }
            Err(error) => refused = Some(error.into()),
        }
    }
    Err(refused.unwrap_or_else(|| io::Error::other("the name stands for no address")))
}

fn bind_slot(address: SocketAddr) -> io::Result<OwnedFd> {
    let socket = tcp(&address)?;
    set_socket_reuseport(&socket, true)?;
    bind(&socket, &address)?;
    Ok(socket)
}

/// A file that nobody listens at is replaced, if it is a socket.
fn bind_unix(path: &Path) -> io::Result<OwnedFd> {
    let listener = match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let stale = fs::symlink_metadata(path)?.file_type().is_socket()
                && UnixStream::connect(path)
                    .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
            if !stale {
                return Err(error);
            }
            fs::remove_file(path)?;
            UnixListener::bind(path)?
        }
        bound => bound?,
    };
    Ok(listener.into())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn slots(number: u32) -> SlotSockets {
        let sockets = SlotSockets::new(Accept::Slots, &["admin".to_owned()]);
        sockets.scale(number).unwrap();
        sockets
    }

    fn port(socket: &OwnedFd) -> u16 {
        address_of(socket).unwrap().port()
    }

    #[test]
    fn each_slot_has_a_socket_of_its_own_at_the_same_port() {
        let sockets = slots(3);
        let of: Vec<_> =
            (0..3).map(|slot| sockets.get(slot, "http", "127.0.0.1:0").unwrap()).collect();
        assert!(port(&of[0]) != 0 && of.iter().all(|it| port(it) == port(&of[0])));
        assert!(sockets.get(3, "http", "127.0.0.1:0").is_err());
        sockets.scale(4).unwrap();
        assert_eq!(port(&sockets.get(3, "http", "127.0.0.1:0").unwrap()), port(&of[0]));
        let inodes: std::collections::BTreeSet<_> =
            (0..4).map(|slot| sockets.of_slot(slot).len()).collect();
        assert_eq!(inodes, [1].into());
    }

    #[test]
    fn a_port_that_somebody_listens_at_is_in_use_even_if_they_would_share_it() {
        let theirs = bind_slot("127.0.0.1:0".parse().unwrap()).unwrap();
        rustix::net::listen(&theirs, 1).unwrap();
        let address = address_of(&theirs).unwrap().to_string();
        let error = slots(2).get(0, "http", &address).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        let plain = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = plain.local_addr().unwrap().to_string();
        let error = slots(2).get(0, "http", &address).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn some_servers_have_one_socket_for_all_workers() {
        let sockets = slots(2);
        sockets.get(0, "admin", "127.0.0.1:0").unwrap();
        assert!(sockets.of_slot(0).is_empty(), "it cannot be lent: everybody has it");
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app.sock");
        let address = format!("unix:{}", path.display());
        sockets.get(1, "http", &address).unwrap();
        assert!(UnixStream::connect(&path).is_ok() && sockets.get(0, "http", &address).is_ok());
        drop(sockets);
        assert!(!path.exists());
    }

    #[test]
    fn the_next_primary_finds_them_by_their_names() {
        let old = slots(2);
        let bound = port(&old.get(0, "http", "127.0.0.1:0").unwrap());
        old.get(0, "admin", "[::1]:0").ok();
        let new = SlotSockets::new(Accept::Slots, &[]).inherit(old.duplicates().unwrap());
        new.scale(3).unwrap();
        for slot in 0..3 {
            assert_eq!(port(&new.get(slot, "http", "127.0.0.1:0").unwrap()), bound);
        }
    }

    #[test]
    fn the_file_of_a_unix_socket_goes_with_the_last_primary_that_listens_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app.sock");
        let address = format!("unix:{}", path.display());
        let old = slots(1);
        old.get(0, "http", &address).unwrap();
        let heir = || {
            let heir = SlotSockets::new(Accept::Slots, &[]).inherit(old.duplicates().unwrap());
            let heir = heir.beside_predecessor();
            heir.get(0, "http", &address).unwrap();
            heir
        };
        drop(heir());
        assert!(path.exists(), "one that could not take over has removed it");
        let new = heir();
        new.take_over();
        old.hand_on();
        drop(old);
        assert!(path.exists(), "one that has handed it on has removed it");
        drop(new);
        assert!(!path.exists(), "the last one has left it");
    }

    #[test]
    fn the_file_of_a_socket_of_the_service_manager_stays() {
        for (name, own) in [("web".to_owned(), false), (stored_name("http=x", 0), true)] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("app.sock");
            let address = format!("unix:{}", path.display());
            let socket = UnixListener::bind(&path).unwrap().into();
            let sockets = SlotSockets::new(Accept::Slots, &[]);
            let sockets = sockets.inherit(vec![InheritedSocket { name, socket, own }]);
            sockets.get(0, "http", &address).unwrap();
            drop(sockets);
            assert_eq!(path.exists(), !own);
        }
    }

    #[test]
    fn two_servers_whose_ports_are_picked_are_told_apart() {
        let sockets = slots(1);
        let of = |name| port(&sockets.get(0, name, "127.0.0.1:0").unwrap());
        assert_ne!(of("http"), of("admin"));
        assert_eq!(of("http"), of("http"));
        let next = SlotSockets::new(Accept::Slots, &["admin".to_owned()]);
        let next = next.inherit(sockets.duplicates().unwrap());
        for name in ["admin", "http"] {
            assert_eq!(port(&next.get(0, name, "127.0.0.1:0").unwrap()), of(name));
        }
    }

    #[test]
    fn a_socket_of_the_service_manager_is_for_all_workers() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let handed =
            InheritedSocket { name: "web".to_owned(), socket: listener.into(), own: false };
        let sockets = SlotSockets::new(Accept::Slots, &[]).inherit(vec![handed]);
        sockets.scale(2).unwrap();
        assert!(
            sockets.get(0, "http", &address).is_ok() && sockets.get(1, "http", &address).is_ok()
        );
        assert!(sockets.of_slot(1).is_empty());
    }
}
