use std::{
    io::{self, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{BorrowedFd, OwnedFd},
};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, recvmsg};

/// How many go along: as many as the kernel takes.
pub(crate) const MOST: usize = 253;

/// Room for the descriptors of one message.
#[derive(Debug)]
pub(crate) struct Room(Vec<MaybeUninit<u8>>);

/// A message, the bytes of which are in the room that was given.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) length: usize,
    pub(crate) descriptors: Vec<OwnedFd>,
    /// There was more than there was room for.
    pub(crate) cut: bool,
}

impl Room {
    pub(crate) fn new() -> Self {
        Self(vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))])
    }

    /// Takes the next message. The descriptors are not inherited by other programs.
    pub(crate) fn receive(
        &mut self,
        socket: BorrowedFd<'_>,
        bytes: &mut [u8],
        flags: RecvFlags,
    ) -> io::Result<Arrived> {
        let mut extra = RecvAncillaryBuffer::new(&mut self.0);
        let mut into = [IoSliceMut::new(bytes)];
        let got = recvmsg(socket, &mut into, &mut extra, flags | RecvFlags::CMSG_CLOEXEC)?;
        let mut descriptors = Vec::new();
        for message in extra.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                descriptors.extend(rights);
            }
        }
        let cut = got.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC);
        Ok(Arrived { length: got.bytes, descriptors, cut })
    }
}
