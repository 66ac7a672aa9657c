use std::fmt;

/// A response of HTTP/1.1, as it came.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Whether the server closes the connection after it.
    pub(crate) closes: bool,
    pub(crate) body: Vec<u8>,
}

/// How the end of a body is told.
enum Length {
    Bytes(usize),
    Chunks,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The first response in `received` and how many bytes it takes; `None` if it is not all there.
    pub(crate) fn parse(received: &[u8]) -> Option<(Self, usize)> {
        let head_ends = find(received, b"\r\n\r\n")? + 4;
        let head = std::str::from_utf8(&received[..head_ends]).ok()?;
        let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        let mut length = Length::Bytes(0);
        let mut closes = false;
        for line in head.split("\r\n").skip(1) {
            let Some((name, value)) = line.split_once(':') else { continue };
            match (name.to_ascii_lowercase().as_str(), value.trim()) {
                ("content-length", value) => length = Length::Bytes(value.parse().ok()?),
                ("transfer-encoding", "chunked") => length = Length::Chunks,
                ("connection", "close") => closes = true,
                _ => {}
            }
        }
        let rest = &received[head_ends..];
        let (body, used) = match length {
            Length::Bytes(bytes) => (rest.get(..bytes)?.to_vec(), bytes),
            Length::Chunks => chunks(rest)?,
        };
        Some((Self { status, closes, body }, head_ends + used))
    }
}

fn chunks(mut rest: &[u8]) -> Option<(Vec<u8>, usize)> {
    let whole = rest.len();
    let mut body = Vec::new();
    loop {
        let line_ends = find(rest, b"\r\n")?;
        let size = std::str::from_utf8(&rest[..line_ends]).ok()?;
        let size = usize::from_str_radix(size, 16).ok()?;
        let chunk = rest.get(line_ends + 2..line_ends + 2 + size)?;
        body.extend_from_slice(chunk);
        rest = rest.get(line_ends + 2 + size + 2..)?;
        if size == 0 {
            return Some((body, whole - rest.len()));
        }
    }
}

pub(super) fn find(within: &[u8], what: &[u8]) -> Option<usize> {
    within.windows(what.len()).position(|window| window == what)
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text: String = self.text().chars().take(120).collect();
        write!(f, "{} {text:?}", self.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_complete_with_its_last_byte_and_not_before() {
        for whole in [
            &b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nConnection: close\r\n\r\nhello"[..],
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
        ] {
            for cut in 0..whole.len() {
                assert_eq!(Answer::parse(&whole[..cut]), None, "{cut}");
            }
            let (answer, used) = Answer::parse(whole).unwrap();
            assert_eq!((answer.status, answer.closes, used), (200, true, whole.len()));
            assert_eq!(answer.text(), "hello");
        }
    }
}
