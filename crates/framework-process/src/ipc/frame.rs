use std::fmt;

/// How every frame begins.
const MAGIC: u16 = 0x4657;

/// The version of the layout below.
pub(super) const PROTOCOL: u8 = 1;

/// The length of a header, in bytes.
pub(super) const HEADER: usize = 36;

/// The body is in the last descriptor that comes along.
const ELSEWHERE: u8 = 1;

/// It overtakes those that are not.
const CONTROL: u8 = 2;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The first one of each side: which messages it knows.
    Hello,
    /// Nobody answers.
    Message,
    /// Somebody waits for a reply.
    Call,
    /// The reply.
    Reply,
    /// There is no reply.
    Failure,
}

/// What comes before each body, in little endian:
///
/// ```text
/// 0   2  magic          4   4  milliseconds left, 0 without a deadline
/// 2   1  version        8   8  number of the call
/// 3   1  kind and flags 16  8  name of the message
///                       24  4  whom it is for
///                       28  4  whom it is from
///                       32  4  length of the body
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: Kind,
    pub(super) control: bool,
    pub(super) elsewhere: bool,
    pub(super) millis: u32,
    pub(super) id: u64,
    pub(super) name: u64,
    pub(super) to: u32,
    pub(super) from: u32,
    pub(super) length: u32,
}

/// A frame that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadFrame {
    /// It is shorter than a header, or than what its header says.
    #[error("a frame of {length} bytes is too short")]
    Short {
        /// How long it is.
        length: usize,
    },
    /// It does not begin as a frame does.
    #[error("a frame begins with {found:#06x}")]
    Magic {
        /// What it begins with.
        found: u16,
    },
    /// It is of another version of the protocol.
    #[error("the peer speaks version {found} of the protocol, this process version {PROTOCOL}")]
    Version {
        /// That version.
        found: u8,
    },
    /// It is of no kind that is known.
    #[error("a frame is of the unknown kind {found:#04x}")]
    Kind {
        /// That kind.
        found: u8,
    },
    /// Its body does not hold what its name says.
    #[error("the body of a frame cannot be read: {0}")]
    Body(String),
    /// It came out of turn.
    #[error("a frame came before the greeting, or a second greeting did")]
    OutOfTurn,
}

impl Kind {
    fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0 => Self::Hello,
            1 => Self::Message,
            2 => Self::Call,
            3 => Self::Reply,
            4 => Self::Failure,
            _ => return None,
        })
    }
}

impl Header {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            control: false,
            elsewhere: false,
            millis: 0,
            id: 0,
            name: 0,
            to: 0,
            from: 0,
            length: 0,
        }
    }

    pub(super) fn write(&self, into: &mut [u8]) {
        let flags =
            if self.elsewhere { ELSEWHERE } else { 0 } | if self.control { CONTROL } else { 0 };
        into[0..2].copy_from_slice(&MAGIC.to_le_bytes());
        into[2] = PROTOCOL;
        into[3] = (self.kind as u8) << 4 | flags;
        into[4..8].copy_from_slice(&self.millis.to_le_bytes());
        into[8..16].copy_from_slice(&self.id.to_le_bytes());
        into[16..24].copy_from_slice(&self.name.to_le_bytes());
        into[24..28].copy_from_slice(&self.to.to_le_bytes());
        into[28..32].copy_from_slice(&self.from.to_le_bytes());
        into[32..36].copy_from_slice(&self.length.to_le_bytes());
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, BadFrame> {
        let Some((header, body)) = bytes.split_first_chunk::<HEADER>() else {
            return Err(BadFrame::Short { length: bytes.len() });
        };
        let found = u16::from_le_bytes([header[0], header[1]]);
        if found != MAGIC {
            return Err(BadFrame::Magic { found });
        }
        if header[2] != PROTOCOL {
            return Err(BadFrame::Version { found: header[2] });
        }
        let unknown = || BadFrame::Kind { found: header[3] };
        let kind = Kind::from_bits(header[3] >> 4).ok_or_else(unknown)?;
        if header[3] & 0x0f & !(ELSEWHERE | CONTROL) != 0 {
            return Err(unknown());
        }
        let short = |at: usize| [header[at], header[at + 1], header[at + 2], header[at + 3]];
        let long = |at: usize| {
            u64::from(u32::from_le_bytes(short(at)))
                | u64::from(u32::from_le_bytes(short(at + 4))) << 32
        };
        let read = Self {
            kind,
            control: header[3] & CONTROL != 0,
            elsewhere: header[3] & ELSEWHERE != 0,
            millis: u32::from_le_bytes(short(4)),
            id: long(8),
            name: long(16),
            to: u32::from_le_bytes(short(24)),
            from: u32::from_le_bytes(short(28)),
            length: u32::from_le_bytes(short(32)),
        };
        let expected = if read.elsewhere { 0 } else { read.length as usize };
        if body.len() != expected {
            return Err(BadFrame::Short { length: bytes.len() });
        }
        Ok(read)
    }
}

/// What a frame goes by instead of its name: FNV-1a of 64 bits, as Fowler, Noll and Vo describe it.
pub(super) const fn hash(name: &str) -> u64 {
    let bytes = name.as_bytes();
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        at += 1;
    }
    hash
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER_OF_A_CALL: Header = Header {
        kind: Kind::Call,
        control: true,
        elsewhere: false,
        millis: 1_500,
        id: 0x0102_0304_0506_0708,
        name: hash("shop.sold"),
        to: 3,
        from: 2,
        length: 5,
    };

    #[test]
    fn a_header_is_read_as_it_was_written() {
        for elsewhere in [false, true] {
            let header = Header { elsewhere, ..HEADER_OF_A_CALL };
            let mut bytes = vec![0; if elsewhere { HEADER } else { HEADER + 5 }];
            header.write(&mut bytes);
            assert_eq!(Header::read(&bytes), Ok(header));
        }
    }

    #[test]
    fn what_is_no_frame_is_told_apart() {
        let mut good = vec![0; HEADER + 5];
        HEADER_OF_A_CALL.write(&mut good);
        let with = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            Header::read(&bytes)
        };
        assert_eq!(Header::read(&good[..HEADER - 1]), Err(BadFrame::Short { length: HEADER - 1 }));
        assert_eq!(Header::read(&good[..HEADER]), Err(BadFrame::Short { length: HEADER }));
        assert_eq!(with(0, 0), Err(BadFrame::Magic { found: 0x4600 }));
        assert_eq!(with(2, 9), Err(BadFrame::Version { found: 9 }));
        assert_eq!(with(3, 0xf0), Err(BadFrame::Kind { found: 0xf0 }));
        assert_eq!(with(3, 0x24), Err(BadFrame::Kind { found: 0x24 }));
    }

    #[test]
    fn names_have_the_hashes_that_are_published() {
        assert_eq!(hash(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(hash("foobar"), 0x8594_4171_f739_67e8);
    }
}
