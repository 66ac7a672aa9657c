use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// What version 2 begins with; version 1 begins with `PROXY `.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// The longest line of version 1, with its line end.
const MAX_LINE: usize = 107;

/// The longest rest of version 2 that is read: addresses, and what proxies add to them.
const MAX_REST: usize = 2048;

/// A connection that must begin with a header of the PROXY protocol begins with something else.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ProxyError {
    #[error("the connection does not begin with a PROXY header")]
    Missing,
    #[error("the PROXY header is malformed")]
    Malformed,
    #[error("cannot read the PROXY header")]
    Read(#[from] io::Error),
}

/// Reads a header of version 1 or 2, and not a byte more. `None` for a connection of the proxy's
/// own, such as its health checks.
pub(crate) async fn read_header<R>(stream: &mut R) -> Result<Option<SocketAddr>, ProxyError>
where
    R: AsyncRead + Unpin,
{
    // Both are at least this long.
    let mut start = [0; 12];
    stream.read_exact(&mut start).await?;
    if start == SIGNATURE {
        let mut fixed = [0; 4];
        stream.read_exact(&mut fixed).await?;
        let length = usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
        if length > MAX_REST {
            return Err(ProxyError::Malformed);
        }
        let mut rest = vec![0; length];
        stream.read_exact(&mut rest).await?;
        return parse_binary(fixed[0], fixed[1], &rest);
    }
    if !start.starts_with(b"PROXY ") {
        return Err(ProxyError::Missing);
    }
    let mut line = start.to_vec();
    while !line.ends_with(b"\r\n") {
        if line.len() == MAX_LINE {
            return Err(ProxyError::Malformed);
        }
        line.push(stream.read_u8().await?);
    }
    parse_line(&line[..line.len() - 2])
}

fn parse_line(line: &[u8]) -> Result<Option<SocketAddr>, ProxyError> {
    let text = str::from_utf8(line).map_err(|_| ProxyError::Malformed)?;
    let mut words = text.split(' ').skip(1);
    let mut next = || words.next().ok_or(ProxyError::Malformed);
    let family = next()?;
    if family == "UNKNOWN" {
        return Ok(None);
    }
    let (source, _destination) = (next()?, next()?);
    let source: IpAddr = match family {
        "TCP4" => source.parse::<Ipv4Addr>().map_err(|_| ProxyError::Malformed)?.into(),
        "TCP6" => source.parse::<Ipv6Addr>().map_err(|_| ProxyError::Malformed)?.into(),
        _ => return Err(ProxyError::Malformed),
    };
    let port: u16 = next()?.parse().map_err(|_| ProxyError::Malformed)?;
    next()?;
    match words.next() {
        None => Ok(Some(SocketAddr::new(source, port))),
        Some(_) => Err(ProxyError::Malformed),
    }
}

fn parse_binary(command: u8, family: u8, rest: &[u8]) -> Result<Option<SocketAddr>, ProxyError> {
    match command {
        // A connection of the proxy's own.
        0x20 => return Ok(None),
        0x21 => {}
        _ => return Err(ProxyError::Malformed),
    }
    let port = |at: usize| -> Option<u16> {
        Some(u16::from_be_bytes(rest.get(at..at + 2)?.try_into().ok()?))
    };
    let source = match family {
        0x11 => {
            let address = rest.first_chunk::<4>().copied().map(IpAddr::from);
            rest.get(..12).and(address).zip(port(8))
        }
        0x21 => {
            let address = rest.first_chunk::<16>().copied().map(IpAddr::from);
            rest.get(..36).and(address).zip(port(32))
        }
        // Datagrams, Unix sockets, and what is not said: no address that means anything here.
        _ => return Ok(None),
    };
    source.map(|(address, port)| Some(SocketAddr::new(address, port))).ok_or(ProxyError::Malformed)
}

#[cfg(test)]
mod tests;
