//! Packets with descriptors over a Unix socket that keeps their borders.

use std::{
    io::{self, Read as _, Seek as _, Write as _},
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
};

use rustix::{
    fs::{MemfdFlags, memfd_create},
    net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, socketpair},
};

use super::{
    IpcError,
    frame::{HEADER, Header},
};
use crate::descriptors::{self, Room};

/// The longest body that goes through the socket itself, in bytes.
pub(super) const INLINE: usize = 64 << 10;

/// The longest body, in bytes.
pub(super) const LONGEST: usize = 16 << 20;

/// How many descriptors go along: one more may hold the body.
pub(super) const MOST_DESCRIPTORS: usize = descriptors::MOST - 1;

/// A frame and what comes along with it.
#[derive(Debug)]
pub(super) struct Packet {
    /// Room for the header, and the body.
    pub(super) bytes: Vec<u8>,
    pub(super) descriptors: Vec<OwnedFd>,
}

/// Two sockets that are connected to each other. Neither is inherited by other programs.
///
/// # Errors
///
/// When the operating system refuses.
pub fn socket_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?)
}

impl Packet {
    /// A packet with `header` and the body that follows the room for it in `bytes`.
    pub(super) fn new(
        mut header: Header,
        mut bytes: Vec<u8>,
        mut descriptors: Vec<OwnedFd>,
    ) -> Result<Self, IpcError> {
        let length = bytes.len() - HEADER;
        if length > LONGEST {
            return Err(IpcError::TooLarge { length, limit: LONGEST });
        }
        if descriptors.len() > MOST_DESCRIPTORS {
            let length = descriptors.len();
            return Err(IpcError::TooManyDescriptors { length, limit: MOST_DESCRIPTORS });
        }
        header.length = u32::try_from(length).unwrap_or(u32::MAX);
        if length > INLINE {
            header.elsewhere = true;
            descriptors.push(elsewhere(&bytes[HEADER..]).map_err(IpcError::System)?);
            bytes.truncate(HEADER);
        }
        header.write(&mut bytes);
        Ok(Self { bytes, descriptors })
    }

    /// Sends it whole, or not at all.
    pub(super) fn send(&self, socket: BorrowedFd<'_>) -> io::Result<()> {
        let descriptors: Vec<_> = self.descriptors.iter().map(OwnedFd::as_fd).collect();
        descriptors::send(socket, &self.bytes, &descriptors, SendFlags::DONTWAIT)
    }
}

/// Why a packet could not be sent.
pub(super) fn sending(error: io::Error) -> IpcError {
    match error.kind() {
        io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionRefused
        | io::ErrorKind::NotConnected => IpcError::PeerGone,
        _ => IpcError::System(error),
    }
}

/// Whether a packet could not be sent because there was no room for it.
pub(super) fn is_full(error: &io::Error) -> bool {
    // ENOBUFS: the kernel's own queue for the socket is full.
    error.kind() == io::ErrorKind::WouldBlock
        || rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::NOBUFS)
}

/// Room for one packet at a time.
#[derive(Debug)]
pub(super) struct Receiver {
    bytes: Vec<u8>,
    room: Room,
}

/// A frame that has come in.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) header: Header,
    pub(super) body: Vec<u8>,
    pub(super) descriptors: Vec<OwnedFd>,
}

impl Receiver {
    pub(super) fn new() -> Self {
        Self { bytes: vec![0; HEADER + INLINE], room: Room::new() }
    }

    /// Takes the next packet if there is one; `None` when the other end is closed.
    pub(super) fn receive(
        &mut self,
        socket: BorrowedFd<'_>,
    ) -> io::Result<Option<Result<Received, IpcError>>> {
        let arrived = self.room.receive(socket, &mut self.bytes, RecvFlags::DONTWAIT)?;
        // A packet of no bytes is none of ours: it stands for the end.
        if arrived.length == 0 {
            return Ok(None);
        }
        if arrived.cut {
            let (length, limit) = (arrived.length, HEADER + INLINE);
            return Ok(Some(Err(IpcError::TooLarge { length, limit })));
        }
        Ok(Some(understood(&self.bytes[..arrived.length], arrived.descriptors)))
    }
}

fn understood(bytes: &[u8], mut descriptors: Vec<OwnedFd>) -> Result<Received, IpcError> {
    let header = Header::read(bytes)?;
    let length = header.length as usize;
    if length > LONGEST {
        return Err(IpcError::TooLarge { length, limit: LONGEST });
    }
    let body = if header.elsewhere {
        let body = descriptors.pop().ok_or(super::BadFrame::Short { length: bytes.len() })?;
        read_back(body, length).map_err(IpcError::System)?
    } else {
        bytes[HEADER..].to_vec()
    };
    Ok(Received { header, body, descriptors })
}

fn elsewhere(body: &[u8]) -> io::Result<OwnedFd> {
    let memory = memfd_create("ipc", MemfdFlags::CLOEXEC)?;
    let mut file = std::fs::File::from(memory);
    file.write_all(body)?;
    file.rewind()?;
    Ok(file.into())
}

/// Reads no more than was promised, whatever the other side goes on to write.
fn read_back(body: OwnedFd, length: usize) -> io::Result<Vec<u8>> {
    let file = std::fs::File::from(body);
    // Reading from anything else could take for ever.
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the body is in no file"));
    }
    let mut bytes = Vec::with_capacity(length);
    file.take(length as u64).read_to_end(&mut bytes)?;
    if bytes.len() == length { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

#[cfg(test)]
mod tests {
    use super::{super::frame::Kind, *};

    fn packet(body: &[u8], descriptors: Vec<OwnedFd>) -> Result<Packet, IpcError> {
        let mut bytes = vec![0; HEADER];
        bytes.extend_from_slice(body);
        Packet::new(Header::new(Kind::Message), bytes, descriptors)
    }

    fn through(packet: &Packet) -> Received {
        let (left, right) = socket_pair().unwrap();
        packet.send(left.as_fd()).unwrap();
        Receiver::new().receive(right.as_fd()).unwrap().unwrap().unwrap()
    }

    #[test]
    fn a_body_of_any_length_up_to_the_limit_comes_through() {
        for length in [0, 1, INLINE, INLINE + 1, LONGEST] {
            let body: Vec<_> = (0..length).map(|at| (at % 251) as u8).collect();
            let received = through(&packet(&body, Vec::new()).unwrap());
            assert!(received.body == body && received.descriptors.is_empty(), "{length}");
        }
        let error = packet(&vec![0; LONGEST + 1], Vec::new()).unwrap_err();
        assert!(matches!(error, IpcError::TooLarge { limit: LONGEST, .. }), "{error}");
    }

    #[test]
    fn descriptors_come_along_up_to_the_limit_and_are_not_inherited() {
        let open = |many| -> Vec<OwnedFd> {
            (0..many).map(|_| std::fs::File::open("/dev/null").unwrap().into()).collect()
        };
        let long = vec![7; INLINE + 1];
        let received = through(&packet(&long, open(MOST_DESCRIPTORS)).unwrap());
        assert_eq!((received.body.len(), received.descriptors.len()), (long.len(), 252));
        let flags = rustix::io::fcntl_getfd(&received.descriptors[0]).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        let error = packet(b"", open(MOST_DESCRIPTORS + 1)).unwrap_err();
        assert!(matches!(error, IpcError::TooManyDescriptors { length: 253, .. }), "{error}");
    }

    #[test]
    fn a_closed_end_is_the_end_and_an_empty_socket_is_not() {
        let (left, right) = socket_pair().unwrap();
        let mut receiver = Receiver::new();
        let empty = receiver.receive(right.as_fd()).unwrap_err();
        assert_eq!(empty.kind(), io::ErrorKind::WouldBlock);
        drop(left);
        assert!(receiver.receive(right.as_fd()).unwrap().is_none());
    }

    #[test]
    fn a_promise_of_more_than_there_is_is_an_error() {
        let long = vec![7; INLINE + 1];
        let mut sent = packet(&long, Vec::new()).unwrap();
        sent.bytes[32..36].copy_from_slice(&(LONGEST as u32).to_le_bytes());
        let (left, right) = socket_pair().unwrap();
        sent.send(left.as_fd()).unwrap();
        let error = Receiver::new().receive(right.as_fd()).unwrap().unwrap().unwrap_err();
        assert!(matches!(error, IpcError::System(_)), "{error}");
    }

    #[test]
    fn a_body_that_would_never_come_is_an_error() {
        let mut sent = packet(&vec![7; INLINE + 1], Vec::new()).unwrap();
        let (reader, _writer) = io::pipe().unwrap();
        sent.descriptors = vec![reader.into()];
        let (left, right) = socket_pair().unwrap();
        sent.send(left.as_fd()).unwrap();
        let error = Receiver::new().receive(right.as_fd()).unwrap().unwrap().unwrap_err();
        assert!(matches!(error, IpcError::System(_)), "{error}");
    }
}
