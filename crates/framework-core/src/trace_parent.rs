use std::{fmt, str::FromStr};

/// The place of a request in a distributed trace: the header `traceparent` of W3C's Trace Context.
///
/// # Examples
///
/// ```
/// use framework_core::TraceParent;
///
/// let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let parent: TraceParent = text.parse()?;
/// assert_eq!(parent.to_string(), text);
/// assert!("00-4bf9".parse::<TraceParent>().is_err());
/// # Ok::<(), framework_core::TraceParentError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    trace: [u8; 16],
    span: [u8; 8],
    flags: u8,
}

/// A text is not a `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not of the form `00-<trace>-<span>-<flags>` in lower-case hexadecimal")]
#[non_exhaustive]
pub struct TraceParentError;

impl FromStr for TraceParent {
    type Err = TraceParentError;

    fn from_str(text: &str) -> Result<Self, TraceParentError> {
        Self::parse(text.as_bytes()).ok_or(TraceParentError)
    }
}

impl TraceParent {
    fn parse(text: &[u8]) -> Option<Self> {
        let version: [u8; 1] = bytes(text.get(..2)?)?;
        // Later versions may go on after the flags, and begin as this one does.
        let complete = match version {
            [0] => text.len() == 55,
            [0xff] => false,
            _ => text.len() == 55 || text.get(55) == Some(&b'-'),
        };
        let dashes = [2, 35, 52].iter().all(|&at| text.get(at) == Some(&b'-'));
        let (trace, span) = (bytes(text.get(3..35)?)?, bytes(text.get(36..52)?)?);
        let [flags] = bytes(text.get(53..55)?)?;
        let sane = complete && dashes && trace != [0; 16] && span != [0; 8];
        sane.then_some(Self { trace, span, flags })
    }
}

fn bytes<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut all = [0; N];
    for (byte, pair) in all.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(all)
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (trace, span) = (u128::from_be_bytes(self.trace), u64::from_be_bytes(self.span));
        write!(f, "00-{trace:032x}-{span:016x}-{:02x}", self.flags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn what_is_malformed_is_no_trace() {
        for bad in [
            "",
            "00",
            &GOOD[..54],
            &format!("{GOOD}-"),
            &GOOD.replace("4bf9", "4BF9"),
            &GOOD.replace("00-4", "ff-4"),
            &GOOD.replace('-', "_"),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473\u{e9}-00f067aa0ba902b7-01",
        ] {
            assert!(bad.parse::<TraceParent>().is_err(), "{bad}");
        }
        // A version from the future is read as far as it is known.
        let later = format!("{}-more", GOOD.replacen("00", "01", 1));
        assert_eq!(later.parse::<TraceParent>().unwrap().to_string(), GOOD);
    }
}
