use std::{
    convert::Infallible,
    fmt,
    hash::{BuildHasher as _, RandomState},
    sync::atomic::AtomicU64,
};

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use framework_core::{Shard, Sharded, ShortText};
use http::{HeaderName, HeaderValue, request::Parts};

use crate::{Problem, link::RequestLink};

pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longer ids are made anew: they would only fill the log.
const MAX_LENGTH: usize = 128;

/// What a request is known by: in the log, in the response's `x-request-id`, in error reports.
///
/// # Examples
///
/// ```
/// use framework_http::RequestId;
///
/// async fn whoami(id: RequestId) -> String {
///     format!("you are request {id}")
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(ShortText);

/// Makes ids: 128 bits in hexadecimal, random per process and counted up in a scrambled order.
#[derive(Debug)]
pub(super) struct RequestIds {
    process: [u8; 16],
    seed: u64,
    // Each thread counts in a row of its own, in steps as large as there are rows.
    counts: Sharded<AtomicU64>,
}

// ===== impl RequestId =====

impl RequestId {
    /// The id as text: at most 128 characters out of `A–Z a–z 0–9 - _ . : / + = @`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The id for the log: a copy that costs no allocation unless the client has sent a long one.
    pub(super) fn text(&self) -> ShortText {
        self.0.clone()
    }

    pub(super) fn to_header(&self) -> HeaderValue {
        HeaderValue::from_bytes(self.0.as_bytes()).expect("ids are visible ASCII")
    }

    /// The id that a client sent, if it is one that can go into logs and headers as it is.
    fn sent(value: &HeaderValue) -> Option<Self> {
        let sane = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=@".contains(byte);
        let text = value.to_str().ok()?;
        let fits = (1..=MAX_LENGTH).contains(&text.len()) && text.as_bytes().iter().all(sane);
        fits.then(|| Self(text.into()))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RequestId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let id = parts.extensions.get().and_then(RequestLink::id).cloned();
        id.ok_or_else(|| Problem::internal("the request has no id: there is no stack around it"))
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for RequestId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get().and_then(RequestLink::id).cloned())
    }
}

// ===== impl RequestIds =====

impl RequestIds {
    pub(super) fn new() -> Self {
        // Each `RandomState` has keys of its own, from the operating system's randomness.
        let random = || RandomState::new().hash_one(());
        let mut row = 0;
        let counts = Sharded::new(|| {
            row += 1;
            AtomicU64::new(row - 1)
        });
        Self { process: hexadecimal(random()), seed: random(), counts }
    }

    /// The id of a request: the one that its client sent, or one of its own.
    pub(super) fn identify(&self, sent: Option<&HeaderValue>) -> RequestId {
        sent.and_then(RequestId::sent).unwrap_or_else(|| self.make())
    }

    fn make(&self) -> RequestId {
        let count = self.counts.add(Shard::of_this_thread(), Shard::COUNT as i64);
        let mut text = [0; 32];
        text[..16].copy_from_slice(&self.process);
        text[16..].copy_from_slice(&hexadecimal(scramble(self.seed.wrapping_add(count))));
        RequestId(ShortText::ascii(text))
    }
}

fn hexadecimal(number: u64) -> [u8; 16] {
    // Spreads the sixteen digits over as many bytes, then adds what each needs to be a character.
    let mut spread = u128::from(number);
    spread = (spread | (spread << 32)) & 0x0000_0000_ffff_ffff_0000_0000_ffff_ffff;
    spread = (spread | (spread << 16)) & 0x0000_ffff_0000_ffff_0000_ffff_0000_ffff;
    spread = (spread | (spread << 8)) & 0x00ff_00ff_00ff_00ff_00ff_00ff_00ff_00ff;
    spread = (spread | (spread << 4)) & (u128::MAX / 255 * 15);
    let letters = ((spread + u128::MAX / 255 * 6) >> 4) & (u128::MAX / 255);
    (spread + u128::MAX / 255 * u128::from(b'0') + letters * u128::from(b'a' - b'9' - 1))
        .to_be_bytes()
}

/// The mixer of `SplitMix64`. It maps each number to another one, so ids never repeat.
fn scramble(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, sync::Mutex};

    use super::*;

    fn of(sent: &str) -> String {
        let sent = HeaderValue::try_from(sent).unwrap();
        RequestIds::new().identify(Some(&sent)).to_string()
    }

    #[test]
    fn a_sane_id_is_kept_and_anything_else_is_made_anew() {
        assert_eq!(of("0af7-651916cd:43dd/8448_eb=@x.y+"), "0af7-651916cd:43dd/8448_eb=@x.y+");
        assert_eq!(of(&"a".repeat(128)).len(), 128);
        for sent in ["", "a b", "a\"b", "a\tb", "é", &"a".repeat(129)] {
            let made = of(sent);
            assert!(made != sent && made.len() == 32, "{sent:?} became {made:?}");
        }
    }

    #[test]
    fn every_digit_is_hexadecimal() {
        for number in [0, 1, 0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210, u64::MAX] {
            let text = hexadecimal(number);
            assert_eq!(str::from_utf8(&text).unwrap(), format!("{number:016x}"));
        }
    }

    #[test]
    fn ids_do_not_repeat() {
        let ids = RequestIds::new();
        let made: HashSet<_> = (0..10_000).map(|_| ids.make().to_string()).collect();
        assert_eq!(made.len(), 10_000);
        assert!(made.iter().all(|id| id.len() == 32));
    }

    #[test]
    fn ids_do_not_repeat_among_threads() {
        let ids = RequestIds::new();
        let made = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let own: Vec<_> = (0..5_000).map(|_| ids.make().to_string()).collect();
                    made.lock().unwrap().extend(own);
                });
            }
        });
        let made = made.into_inner().unwrap();
        assert_eq!(made.iter().collect::<HashSet<_>>().len(), made.len());
    }
}
