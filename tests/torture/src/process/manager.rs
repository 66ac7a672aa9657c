//! A service manager, as far as a process can tell: it listens, keeps sockets, and hands them over.

use std::{
    fs, io,
    io::IoSliceMut,
    mem::MaybeUninit,
    os::fd::OwnedFd,
    path::PathBuf,
    process::Command,
    sync::{Arc, Mutex, PoisonError},
};

use command_fds::{CommandFdExt as _, FdMapping};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use tokio::{io::Interest, net::UnixDatagram, task::JoinSet};

use super::Place;
use crate::BoxError;

/// The most descriptors that come with one message, as bytes of the kernel's.
const ROOM: usize = 1024;

/// The first descriptor that is handed over.
const FIRST: i32 = 3;

/// Keeps the sockets that a process asks it to keep, over the death of that process.
#[derive(Debug)]
pub(crate) struct Manager {
    path: PathBuf,
    store: Arc<Mutex<Vec<(String, OwnedFd)>>>,
    _listening: JoinSet<()>,
}

impl Manager {
    /// One that listens in this place.
    ///
    /// # Errors
    ///
    /// Returns an error if it cannot listen there.
    pub(crate) fn new(place: &Place) -> Result<Arc<Self>, BoxError> {
        let path = place.path().join("notify");
        let (socket, store) = (UnixDatagram::bind(&path)?, Arc::<Mutex<_>>::default());
        let mut listening = JoinSet::new();
        listening.spawn(listen(socket, Arc::clone(&store)));
        Ok(Arc::new(Self { path, store, _listening: listening }))
    }

    /// How many sockets it keeps.
    pub(crate) fn kept(&self) -> usize {
        self.store.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Lets a process that is about to start have all of them.
    pub(super) fn hand_over(&self, command: &mut Command) -> Result<(), BoxError> {
        command.env("NOTIFY_SOCKET", &self.path);
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut names, mut mappings) = (Vec::new(), Vec::new());
        for (child_fd, (name, socket)) in (FIRST..).zip(store.iter()) {
            names.push(name.as_str());
            mappings.push(FdMapping { parent_fd: socket.try_clone()?, child_fd });
        }
        if !names.is_empty() {
            command.env("LISTEN_FDS", names.len().to_string());
            command.env("LISTEN_FDNAMES", names.join(":"));
        }
        command.fd_mappings(mappings).map_err(|error| io::Error::other(error.to_string()))?;
        Ok(())
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        // The place may be gone already.
        let _ = fs::remove_file(&self.path);
    }
}

async fn listen(socket: UnixDatagram, store: Arc<Mutex<Vec<(String, OwnedFd)>>>) {
    while let Ok((text, sockets)) = socket.async_io(Interest::READABLE, || receive(&socket)).await {
        let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
        obey(&mut store, &text, sockets);
    }
}

/// A name may stand for several sockets elsewhere; here each has its own, and the last one counts.
fn obey(store: &mut Vec<(String, OwnedFd)>, text: &str, sockets: Vec<OwnedFd>) {
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key));
    let name = value("FDNAME=").unwrap_or("stored").to_owned();
    if value("FDSTOREREMOVE=") == Some("1") || value("FDSTORE=") == Some("1") {
        store.retain(|(kept, _)| *kept != name);
    }
    if value("FDSTORE=") == Some("1") {
        store.extend(sockets.into_iter().map(|socket| (name.clone(), socket)));
    }
}

fn receive(socket: &UnixDatagram) -> io::Result<(String, Vec<OwnedFd>)> {
    let mut text = [0; 4096];
    let mut room = [MaybeUninit::uninit(); ROOM];
    let mut along = RecvAncillaryBuffer::new(&mut room);
    let mut into = [IoSliceMut::new(&mut text)];
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let length = recvmsg(socket, &mut into, &mut along, flags)?.bytes;
    let rights = along.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(sockets) => Some(sockets),
        _ => None,
    });
    let sockets = rights.flatten().collect();
    Ok((String::from_utf8_lossy(&text[..length]).into_owned(), sockets))
}
