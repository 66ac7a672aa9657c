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
    let bytes = [IoSlice::new(bytes)];
    let mut space = Vec::new();
    let mut extra = SendAncillaryBuffer::default();
    if !descriptors.is_empty() {
        let rights = SendAncillaryMessage::ScmRights(descriptors);
        space.resize(rights.size(), MaybeUninit::uninit());
        extra = SendAncillaryBuffer::new(&mut space);
        if !extra.push(rights) {
            return Err(Errno::NOBUFS.into());
        }
    }
    sendmsg(socket, &bytes, &mut extra, flags | SendFlags::NOSIGNAL)?;
    Ok(())
}
