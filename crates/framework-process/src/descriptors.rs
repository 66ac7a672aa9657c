//! Descriptors that go along with bytes through a Unix socket.

use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    os::fd::BorrowedFd,
};

use rustix::{
    io::Errno,
    net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg},
};

#[cfg(feature = "ipc")]
mod receiving;

#[cfg(feature = "ipc")]
pub(crate) use self::receiving::{MOST, Room};

/// Sends `bytes` and `descriptors` as one message.
pub(crate) fn send(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
    flags: SendFlags,
) -> io::Result<()> {
    let flags = flags | SendFlags::NOSIGNAL;
    if descriptors.is_empty() {
        rustix::net::send(socket, bytes, flags)?;
        return Ok(());
    }
    let rights = SendAncillaryMessage::ScmRights(descriptors);
    let mut space = vec![MaybeUninit::uninit(); rights.size()];
    let mut extra = SendAncillaryBuffer::new(&mut space);
    if !extra.push(rights) {
        return Err(Errno::NOBUFS.into());
    }
    sendmsg(socket, &[IoSlice::new(bytes)], &mut extra, flags)?;
    Ok(())
}
