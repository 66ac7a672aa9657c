use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    extract::{ConnectInfo, Request},
    response::{IntoResponse as _, Response},
};
use framework_config::{Faults, Settings};
use futures_util::future::{Either, Ready, ready};
use http::{HeaderValue, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tower::{Layer, Service};

use super::layer_module;
use crate::Problem;

/// How many requests one client may send: section `rate_limit`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimitSettings {
    /// How many requests a second one client may send in the long run.
    pub per_second: u32,
    /// How many it may send at once after a pause.
    pub burst: u32,
    /// How many clients are told apart; those beyond share one limit.
    pub max_clients: usize,
}

layer_module! {
    /// Refuses requests of clients that send too many, with a 429 that says when to come again.
    ///
    /// A client is an IP address, or the 64 bits of an IPv6 network: the one that the connection
    /// came from, or that a PROXY header names. What clients say of themselves is not believed, so
    /// behind a proxy without the PROXY protocol they all are one.
    RateLimitModule(RateLimitSettings) = "http-rate-limit", "rate_limit", Outer, |settings| Ok(settings.layer()?),
        answers TOO_MANY_REQUESTS: "the client sent too many requests"
}

/// The rate of a limit is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` must be at least 1")]
#[non_exhaustive]
pub struct RateLimitError {
    /// The key.
    pub key: &'static str,
}

/// [`RateLimitSettings`] as a layer; its clones share what they count.
#[derive(Clone, Debug)]
pub struct RateLimitLayer {
    limiter: Arc<Limiter>,
}

/// [`RateLimitLayer`] around a service.
#[derive(Clone, Debug)]
pub struct RateLimit<S> {
    inner: S,
    limiter: Arc<Limiter>,
}

/// Counts by the moment at which a client has used up nothing ("generic cell rate algorithm"): each
/// request moves it on by one interval, and it may be ahead of the clock by a burst.
#[derive(Debug)]
struct Limiter {
    interval: Duration,
    ahead: Duration,
    max_clients: usize,
    clients: Mutex<HashMap<IpAddr, Instant>>,
}

/// Whom those share a limit with for whom there is no room.
const OTHERS: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

impl Default for RateLimitSettings {
    fn default() -> Self {
        Self { per_second: 50, burst: 100, max_clients: 100_000 }
    }
}

impl Settings for RateLimitSettings {
    fn validate(&self, faults: &mut Faults) {
        if let Err(error) = self.layer() {
            faults.add(error.key, "must be at least 1");
        }
    }
}

impl RateLimitSettings {
    /// These settings as a tower layer.
    ///
    /// # Errors
    ///
    /// Returns an error if a number is 0.
    pub fn layer(&self) -> Result<RateLimitLayer, RateLimitError> {
        for (key, number) in [
            ("per_second", self.per_second as usize),
            ("burst", self.burst as usize),
            ("max_clients", self.max_clients),
        ] {
            if number == 0 {
                return Err(RateLimitError { key });
            }
        }
        let interval = Duration::from_secs(1) / self.per_second;
        let limiter = Limiter {
            interval,
            ahead: interval.saturating_mul(self.burst - 1),
            max_clients: self.max_clients,
            clients: Mutex::default(),
        };
        Ok(RateLimitLayer { limiter: Arc::new(limiter) })
    }
}

impl Limiter {
    /// Takes a request of `client`, or says how long it has to wait.
    fn take(&self, client: IpAddr, now: Instant) -> Result<(), Duration> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let mut client = client;
        if !clients.contains_key(&client) && clients.len() >= self.max_clients {
            // Whoever has used up nothing is as good as unknown.
            clients.retain(|_, free_at| *free_at > now);
            if clients.len() >= self.max_clients {
                client = OTHERS;
            }
        }
        let free_at = clients.entry(client).or_insert(now);
        let ahead = free_at.saturating_duration_since(now);
        if ahead > self.ahead {
            return Err(ahead - self.ahead);
        }
        *free_at = (*free_at).max(now) + self.interval;
        Ok(())
    }
}

/// The address that requests are counted by.
fn client(request: &Request) -> IpAddr {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    match peer.map(|ConnectInfo(peer)| peer.ip().to_canonical()) {
        Some(IpAddr::V6(address)) => {
            // One customer of a provider has at least that many addresses.
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64))
        }
        Some(address) => address,
        None => OTHERS,
    }
}

fn refusal(wait: Duration) -> Response {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    Problem::too_many_requests()
        .detail("this client sends too many requests")
        .header(header::RETRY_AFTER, HeaderValue::from(seconds))
        .into_response()
}

impl<S> Layer<S> for RateLimitLayer {
    type Service = RateLimit<S>;

    fn layer(&self, inner: S) -> RateLimit<S> {
        RateLimit { inner, limiter: Arc::clone(&self.limiter) }
    }
}

impl<S> Service<Request> for RateLimit<S>
where
    S: Service<Request, Response = Response>,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<Response, S::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match self.limiter.take(client(&request), Instant::now()) {
            Ok(()) => Either::Left(self.inner.call(request)),
            Err(wait) => Either::Right(ready(Ok(refusal(wait)))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(settings: &RateLimitSettings) -> Arc<Limiter> {
        settings.layer().unwrap().limiter
    }

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn a_client_has_its_burst_and_then_its_rate_and_nobody_elses() {
        let limiter = limiter(&RateLimitSettings { per_second: 10, burst: 5, max_clients: 10 });
        let now = Instant::now();
        for _ in 0..5 {
            assert_eq!(limiter.take(ip(1), now), Ok(()));
        }
        assert_eq!(limiter.take(ip(1), now), Err(Duration::from_millis(100)));
        assert_eq!(limiter.take(ip(2), now), Ok(()));
        let later = now + Duration::from_millis(100);
        assert_eq!(limiter.take(ip(1), later), Ok(()));
        assert_eq!(limiter.take(ip(1), later), Err(Duration::from_millis(100)));
        // A long pause earns one burst, and no more.
        let much_later = now + Duration::from_secs(600);
        assert_eq!((0..9).filter(|_| limiter.take(ip(1), much_later).is_ok()).count(), 5);
    }

    #[test]
    fn clients_beyond_the_limit_share_one_and_those_that_paused_make_room() {
        let limiter = limiter(&RateLimitSettings { per_second: 1, burst: 1, max_clients: 2 });
        let now = Instant::now();
        assert!(limiter.take(ip(1), now).is_ok() && limiter.take(ip(2), now).is_ok());
        assert!(limiter.take(ip(3), now).is_ok());
        assert!(limiter.take(ip(4), now).is_err());
        assert!(limiter.clients.lock().unwrap().len() <= 3);
        assert!(limiter.take(ip(4), now + Duration::from_secs(2)).is_ok());
        assert_eq!(limiter.clients.lock().unwrap().len(), 1);
    }
}
