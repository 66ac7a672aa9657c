use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use framework_core::{ShortText, is_planted};
use http::Method;
use tokio::time::Instant;

use super::{CutRequest, ServerSettings, Traffic};
use crate::drain::DrainStage;

/// How long a connection that is closing may take before it is dropped.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// How long after its last request a connection lets go of what the next one will need. Clients
/// that ask again at once do not pay for getting it back.
pub(crate) const REST_AFTER: Duration = Duration::from_millis(250);

/// What is known about one connection, shared by its socket, its requests and its driver.
///
/// All three mostly live in one task; the atomics are for HTTP/2, where requests run in tasks of
/// their own. Moments are microseconds on the server's clock, and 0 stands for "never".
#[derive(Debug)]
pub(crate) struct ConnectionState {
    traffic: Traffic,
    settings: ServerSettings,
    in_flight: AtomicUsize,
    used: AtomicBool,
    http2: AtomicBool,
    unread_body: AtomicBool,
    // The body of the request of HTTP/1 is still coming in, and is not given up.
    reading_body: AtomicBool,
    // Everything that was written has been sent, and the socket is not being closed.
    settled: AtomicBool,
    closing: AtomicU8,
    closing_since: AtomicU64,
    idle_since: AtomicU64,
    // When the stack was done with the last request, within this poll of the connection.
    answered: AtomicU64,
    head_since: AtomicU64,
    stalled_since: AtomicU64,
    // The request that made something else of the connection.
    upgrade: OnceLock<RequestLine>,
}

/// What a request is named by in the log.
#[derive(Clone, Debug)]
pub(crate) struct RequestLine {
    pub(crate) method: Method,
    // A copy: to count who shares the path takes longer.
    pub(crate) path: ShortText,
    pub(crate) started: Instant,
}

/// What is to be done about a connection, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Nobody uses it: close it, unless a request has just arrived.
    CloseIdle,
    /// Nobody has used it for a moment: let go of what it does not need to wait.
    Rest,
    /// Its client is too slow: drop it.
    Abort(&'static str),
}

const OPEN: u8 = 0;
/// The socket pretends that its client has closed, unless there is something to read.
const READ_NOTHING_MORE: u8 = 1;
/// HTTP/2 says goodbye itself.
const SAYING_GOODBYE: u8 = 2;

impl ConnectionState {
    pub(crate) fn new(traffic: Traffic, settings: ServerSettings) -> Self {
        let now = micros(&traffic, Instant::now());
        Self {
            traffic,
            settings,
            in_flight: AtomicUsize::new(0),
            used: AtomicBool::new(false),
            http2: AtomicBool::new(false),
            unread_body: AtomicBool::new(false),
            reading_body: AtomicBool::new(false),
            settled: AtomicBool::new(true),
            closing: AtomicU8::new(OPEN),
            closing_since: AtomicU64::new(0),
            idle_since: AtomicU64::new(now),
            answered: AtomicU64::new(0),
            head_since: AtomicU64::new(0),
            stalled_since: AtomicU64::new(0),
            upgrade: OnceLock::new(),
        }
    }

    /// Whether responses ask their clients to leave.
    pub(crate) fn sends_away(&self) -> bool {
        let leaving = !self.traffic.is_serving() && !is_planted("no-lame-duck");
        leaving || self.traffic.limits().close_connections
    }

    pub(crate) fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    pub(crate) fn settings(&self) -> &ServerSettings {
        &self.settings
    }

    // ----- what the socket sees -----

    pub(crate) fn bytes_arrived(&self, bytes: &[u8]) {
        if self.in_flight.load(Relaxed) > 0 || self.head_since.load(Relaxed) != 0 {
            return;
        }
        let first = !self.used.load(Relaxed);
        if first && bytes.starts_with(b"PRI") {
            self.http2.store(true, Relaxed);
        }
        // The first head counts from connecting, or two limits would follow each other.
        let since = if first { self.idle_since.load(Relaxed) } else { self.now() };
        self.head_since.store(since, Relaxed);
        // Only the connection's own task changes it; a swap would lock the bus for nothing.
        if self.reads_nothing_more() {
            self.closing.store(OPEN, Relaxed);
        }
    }

    pub(crate) fn reads_nothing_more(&self) -> bool {
        self.closing.load(Relaxed) == READ_NOTHING_MORE
    }

    pub(crate) fn write_stalled(&self) {
        if self.stalled_since.load(Relaxed) == 0 {
            self.stalled_since.store(self.now(), Relaxed);
        }
    }

    pub(crate) fn write_moved(&self) {
        if self.stalled_since.load(Relaxed) != 0 {
            self.stalled_since.store(0, Relaxed);
        }
    }

    /// Whether there is nothing more to come from the client of HTTP/1 until it has its response.
    pub(crate) fn only_waits_for_response(&self) -> bool {
        self.in_flight.load(Relaxed) > 0
            && !self.is_http2()
            && !self.reading_body.load(Relaxed)
            && self.upgraded_by().is_none()
    }

    pub(crate) fn set_settled(&self, settled: bool) {
        self.settled.store(settled, Relaxed);
    }

    pub(crate) fn has_unread_body(&self) -> bool {
        self.unread_body.load(Relaxed)
    }

    // ----- what requests tell -----

    /// Counts a request, and says when its head began to come in.
    pub(crate) fn request_started(&self, http2: bool) -> Instant {
        self.add_in_flight(1, http2);
        self.traffic.request_started();
        let started = match self.head_since.load(Relaxed) {
            0 => Instant::now(),
            since => self.traffic.instant(since),
        };
        self.head_since.store(0, Relaxed);
        self.unread_body.store(false, Relaxed);
        self.reading_body.store(false, Relaxed);
        if !self.used.load(Relaxed) {
            self.http2.store(http2, Relaxed);
            self.used.store(true, Relaxed);
        }
        started
    }

    /// Whether there has been a request on the connection.
    pub(crate) fn is_used(&self) -> bool {
        self.used.load(Relaxed)
    }

    /// Whether a body is coming in that somebody reads.
    pub(crate) fn set_reading_body(&self, reading: bool) {
        self.reading_body.store(reading, Relaxed);
    }

    pub(crate) fn body_left_unread(&self) {
        self.unread_body.store(true, Relaxed);
    }

    /// The connection is about to become something else, and is counted as that until it closes.
    pub(crate) fn upgrade(&self, request: RequestLine) {
        if self.upgrade.set(request).is_ok() {
            self.traffic.upgraded();
        }
    }

    /// The request that made something else of the connection, if there was one.
    pub(crate) fn upgraded_by(&self) -> Option<&RequestLine> {
        self.upgrade.get()
    }

    /// Notes when the stack was done with a request, so that the request's end need not read the
    /// clock once more if it comes at once.
    pub(crate) fn answered(&self, at: Instant) {
        // Requests of HTTP/2 have tasks of their own, which nobody sees begin a poll.
        if !self.is_http2() {
            self.answered.store(micros(&self.traffic, at), Relaxed);
        }
    }

    pub(crate) fn request_ended(&self) {
        let now = match self.answered.load(Relaxed) {
            0 => self.now(),
            just_now => just_now,
        };
        self.idle_since.store(now, Relaxed);
        self.add_in_flight(-1, self.is_http2());
        self.traffic.request_ended();
    }

    fn add_in_flight(&self, change: isize, http2: bool) {
        if http2 {
            self.in_flight.fetch_add(change.cast_unsigned(), Relaxed);
        } else {
            // One task does all of it, and need not lock the bus.
            let in_flight = self.in_flight.load(Relaxed).wrapping_add_signed(change);
            self.in_flight.store(in_flight, Relaxed);
        }
    }

    // ----- what the driver decides -----

    /// The connection's task is being polled: what was just now is over.
    pub(crate) fn poll_begins(&self) {
        self.answered.store(0, Relaxed);
    }

    pub(crate) fn is_http2(&self) -> bool {
        self.http2.load(Relaxed)
    }

    /// Notes that the connection is being closed; `true` if HTTP/2 has to say so to the client.
    pub(crate) fn close(&self) -> bool {
        let http2 = self.is_http2();
        if self.closing.load(Relaxed) != OPEN {
            return false;
        }
        self.closing.store(if http2 { SAYING_GOODBYE } else { READ_NOTHING_MORE }, Relaxed);
        self.closing_since.store(self.now(), Relaxed);
        http2
    }

    /// Whether it was sooner than that just now. Does not read the clock for it.
    pub(crate) fn was_before(&self, moment: u64) -> bool {
        let just_now = self.answered.load(Relaxed);
        just_now != 0 && just_now < moment
    }

    /// What is due next, and when; `None` while a request is being answered. Asked after every
    /// request, so it only adds numbers.
    pub(crate) fn due(&self, stage: DrainStage) -> Option<(u64, Due)> {
        let idle = (self.in_flight.load(Relaxed) == 0).then(|| self.due_between_requests(stage));
        let stalled_since = self.stalled_since.load(Relaxed);
        if stalled_since == 0 {
            return idle;
        }
        let at = after(stalled_since, self.settings.write_stall_timeout);
        let stalled = (at, Due::Abort("takes no byte of a response"));
        Some(idle.filter(|&(idle_at, _)| idle_at < at).unwrap_or(stalled))
    }

    fn due_between_requests(&self, stage: DrainStage) -> (u64, Due) {
        let idle_since = self.idle_since.load(Relaxed);
        if self.closing.load(Relaxed) != OPEN {
            // HTTP/2 may have had streams to finish since it said goodbye.
            let since = self.closing_since.load(Relaxed).max(idle_since);
            return (after(since, CLOSE_LIMIT), Due::Abort("does not let itself be closed"));
        }
        let head_since = self.head_since.load(Relaxed);
        if head_since != 0 && !self.is_http2() {
            let limit = match is_planted("patient-heads") {
                true => Duration::MAX,
                false => self.settings.header_read_timeout,
            };
            let at = after(head_since, limit);
            return (at, Due::Abort("takes too long to send the head of a request"));
        }
        (after(idle_since, self.idle_limit(stage)), Due::CloseIdle)
    }

    /// When the connection has been without a request for long enough to let go of what the next
    /// one will need; `None` while there is something left to do on it.
    pub(crate) fn rests_at(&self) -> Option<u64> {
        let at_work = self.in_flight.load(Relaxed) > 0
            || self.head_since.load(Relaxed) != 0
            || self.closing.load(Relaxed) != OPEN
            || !self.settled.load(Relaxed)
            || self.has_unread_body()
            || self.upgraded_by().is_some();
        (!at_work).then(|| after(self.idle_since.load(Relaxed), REST_AFTER))
    }

    fn idle_limit(&self, stage: DrainStage) -> Duration {
        let settings = &self.settings;
        let limit = if self.used.load(Relaxed) {
            settings.keep_alive
        } else if is_planted("patient-silence") {
            Duration::MAX
        } else {
            settings.header_read_timeout
        };
        if stage < DrainStage::StopAccept {
            let shorter = self.traffic.limits().shorter_idle_percent;
            if shorter == 0 {
                return limit;
            }
            limit * u32::from(100_u8.saturating_sub(shorter)) / 100
        } else if is_planted("no-lame-duck") {
            Duration::ZERO
        } else {
            limit.min(settings.drain_linger)
        }
    }

    /// What the time is, as the other moments are given.
    pub(crate) fn now(&self) -> u64 {
        micros(&self.traffic, Instant::now())
    }
}

// ===== impl RequestLine =====

impl RequestLine {
    pub(crate) fn cut(&self, now: Instant) -> CutRequest {
        CutRequest {
            method: self.method.clone(),
            path: self.path.as_str().to_owned(),
            age: now - self.started,
        }
    }
}

/// The moment that comes so long after another one.
pub(crate) fn after(moment: u64, time: Duration) -> u64 {
    let micros =
        time.as_secs().saturating_mul(1_000_000).saturating_add(time.subsec_micros().into());
    moment.saturating_add(micros)
}

/// A moment as a number that is never 0.
fn micros(traffic: &Traffic, now: Instant) -> u64 {
    traffic.micros(now).max(1)
}

#[cfg(test)]
mod tests;
