//! Clients that ask for something again and again, at a rate that is stated and later judged.

use std::{sync::Arc, time::Duration};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    client::{Answer, Connection, Dial, http2::Multiplexed, request},
    history::{History, Outcome, Record},
};

/// What is asked for, and how often.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Clients that keep their connection for as long as the server lets them.
    pub(crate) keep_alive: usize,
    /// Clients that use a connection for each request.
    pub(crate) connecting: usize,
    /// Clients that speak HTTP/2, over a connection that they keep.
    pub(crate) multiplexed: usize,
    /// The longest pause between two requests of one client; the shortest is none.
    pub(crate) think: Duration,
    /// The same of those that connect for each request.
    pub(crate) think_connecting: Duration,
    /// How many of a hundred pauses are none.
    pub(crate) at_once: u32,
    pub(crate) path: &'static str,
    pub(crate) expected: Expected,
    pub(crate) seed: u64,
}

/// What an answer must be.
#[derive(Clone)]
pub(crate) struct Expected(Arc<dyn Fn(&Answer) -> bool + Send + Sync>);

/// Clients at work.
#[derive(Debug)]
pub(crate) struct Load {
    clients: JoinSet<()>,
    began: Instant,
    until: watch::Sender<bool>,
    pub(crate) history: History,
    stated: f64,
}

/// How fast the clients were until a moment, and how fast they should have been.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    pub(crate) stated: f64,
    pub(crate) measured: f64,
}

// ===== impl Expected =====

impl Expected {
    pub(crate) fn text(text: &'static str) -> Self {
        Self::to_be(move |answer| answer.body == text.as_bytes())
    }

    pub(crate) fn to_be(judge: impl Fn(&Answer) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(judge))
    }

    fn judge(&self, answer: &Answer) -> Outcome {
        match answer.status {
            200 if (self.0)(answer) => Outcome::Ok,
            503 => Outcome::Unavailable,
            _ => Outcome::WrongBody,
        }
    }
}

impl std::fmt::Debug for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Expected").finish_non_exhaustive()
    }
}

// ===== impl Plan =====

impl Plan {
    /// How many requests a second that makes if answers take no time.
    fn stated(&self) -> f64 {
        let pauses = f64::from(100 - self.at_once.min(99)) / 100.0;
        // An answer takes time too, which a client that never pauses would not state.
        let of = |clients: usize, think: Duration| {
            let mean = think.as_secs_f64() / 2.0 * pauses + ANSWER.as_secs_f64();
            f64::from(u32::try_from(clients).unwrap_or(u32::MAX)) / mean
        };
        of(self.keep_alive + self.multiplexed, self.think)
            + of(self.connecting, self.think_connecting)
    }

    /// A crowd of which a half keeps its connections, a third connects for each request, and a
    /// fifth speaks HTTP/2.
    pub(crate) fn mixed(clients: usize, think: Duration, seed: u64) -> Self {
        let (keep_alive, multiplexed) = (clients / 2, clients / 5);
        Self {
            keep_alive,
            connecting: clients - keep_alive - multiplexed,
            multiplexed,
            think,
            think_connecting: think,
            at_once: 25,
            path: "/who",
            expected: Expected::to_be(|answer| by(answer).is_some()),
            seed,
        }
    }

    /// Lets the clients begin.
    pub(crate) fn start(self, dial: &Dial) -> Load {
        let (history, stated) = (History::new(), self.stated());
        let (until, over) = watch::channel(false);
        let mut clients = JoinSet::new();
        for number in 0..self.keep_alive + self.connecting + self.multiplexed {
            let number_seed = u64::try_from(number).unwrap_or(u64::MAX);
            let client = Client {
                plan: self.clone(),
                dial: dial.clone(),
                history: history.clone(),
                over: over.clone(),
                random: StdRng::seed_from_u64(
                    self.seed.wrapping_mul(8191).wrapping_add(number_seed),
                ),
            };
            if number < self.keep_alive {
                clients.spawn(client.keep_alive());
            } else if number < self.keep_alive + self.connecting {
                clients.spawn(client.connect_each());
            } else {
                clients.spawn(client.multiplexed());
            }
        }
        Load { clients, began: Instant::now(), until, history, stated }
    }
}

/// What an answer is reckoned to take on a machine that is busy.
const ANSWER: Duration = Duration::from_millis(20);

// ===== impl Load =====

impl Load {
    /// How fast the clients have been so far. What they are asked to wait for, later, is no longer
    /// their doing.
    pub(crate) fn rate(&self) -> Rate {
        let requests = u32::try_from(self.history.len()).unwrap_or(u32::MAX);
        let measured = f64::from(requests) / self.began.elapsed().as_secs_f64();
        Rate { stated: self.stated, measured }
    }

    /// Waits until every client has found nobody listening.
    pub(crate) async fn until_refused(mut self) -> History {
        while self.clients.join_next().await.is_some() {}
        self.history
    }

    /// Lets every client finish the request that it is at.
    pub(crate) async fn stop(mut self) -> History {
        self.until.send_replace(true);
        while self.clients.join_next().await.is_some() {}
        self.history
    }
}

/// One client.
struct Client {
    plan: Plan,
    dial: Dial,
    history: History,
    over: watch::Receiver<bool>,
    random: StdRng,
}

impl Client {
    async fn keep_alive(mut self) {
        let text = request("GET", self.plan.path, "keep-alive", b"");
        let (mut kept, mut answered, mut at) = (None, Instant::now(), None);
        while let Some(()) = self.think(self.plan.think, kept.as_mut()).await.go_on(&mut kept) {
            let invoked = Instant::now();
            let connected = match kept.take() {
                Some(connection) => Ok(connection),
                None => self.dial.connect().await,
            };
            let (established, answer) = match connected {
                Ok(mut connection) => {
                    let established = connection.answered > 0;
                    let answer = connection.request(&text).await;
                    if answer.as_ref().is_ok_and(|answer| !answer.closes) {
                        kept = Some(connection);
                    }
                    (established, answer)
                }
                Err(outcome) => (false, Err(outcome)),
            };
            if self.note(established, answered, invoked, answer, &mut at) == Outcome::Refused {
                return;
            }
            answered = Instant::now();
        }
    }

    async fn connect_each(mut self) {
        while let Some(()) = self.think(self.plan.think_connecting, None).await.go_on(&mut None) {
            let invoked = Instant::now();
            let answer = self.dial.get(self.plan.path).await;
            if self.note(false, invoked, invoked, answer, &mut None) == Outcome::Refused {
                return;
            }
        }
    }

    async fn multiplexed(mut self) {
        let (mut kept, mut at) = (None, None);
        while let Some(()) = self.think(self.plan.think, None).await.go_on(&mut None) {
            let invoked = Instant::now();
            let (established, answer) = self.ask_multiplexed(&mut kept).await;
            if answer.is_err() {
                kept = None;
            }
            if self.note(established, invoked, invoked, answer, &mut at) == Outcome::Refused {
                return;
            }
        }
    }

    /// A connection that takes no more requests has not lost the one that it does not take.
    async fn ask_multiplexed(
        &self,
        kept: &mut Option<Multiplexed>,
    ) -> (bool, Result<Answer, Outcome>) {
        if let Some(connection) = kept
            && let Some(answer) = connection.get(self.plan.path).await
        {
            return (true, answer);
        }
        let connection = match Multiplexed::dial(&self.dial).await {
            Ok(connection) => kept.insert(connection),
            Err(outcome) => return (false, Err(outcome)),
        };
        (false, connection.get(self.plan.path).await.unwrap_or(Err(Outcome::EofBeforeResponse)))
    }

    /// Writes down what came of a request; `at` is the process at the other end of the connection, as
    /// far as that has answered.
    fn note(
        &self,
        established: bool,
        answered: Instant,
        invoked: Instant,
        answer: Result<Answer, Outcome>,
        at: &mut Option<u32>,
    ) -> Outcome {
        let who = answer.as_ref().ok().and_then(by);
        *at = who.or(at.filter(|_| established));
        let outcome =
            answer.map_or_else(|outcome| outcome, |answer| self.plan.expected.judge(&answer));
        let (idle, returned) = (invoked - answered, Instant::now());
        self.history.add(Record { established, idle, invoked, returned, outcome, by: *at });
        outcome
    }

    /// Waits as long as somebody would who reads the last answer. A connection that is closed
    /// meanwhile is noticed, as every client does that keeps them.
    async fn think(&mut self, longest: Duration, kept: Option<&mut Connection>) -> Thought {
        let at_once = self.random.random_range(0..100) < self.plan.at_once;
        let longest = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX);
        let pause = Duration::from_micros(self.random.random_range(0..=longest));
        if *self.over.borrow() {
            return Thought::Over;
        }
        if at_once {
            return Thought::GoOn;
        }
        let closed = async {
            match kept {
                Some(connection) => connection.closed().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = self.over.wait_for(|over| *over) => Thought::Over,
            () = closed => Thought::Closed,
            () = sleep(pause) => Thought::GoOn,
        }
    }
}

/// Which process has answered `GET /who`.
fn by(answer: &Answer) -> Option<u32> {
    let text = std::str::from_utf8(&answer.body).ok()?.strip_prefix("who ")?;
    text.rsplit_once(' ')?.1.parse().ok()
}

/// What a client knows when it has waited.
enum Thought {
    GoOn,
    /// Its connection is gone.
    Closed,
    Over,
}

impl Thought {
    fn go_on(self, kept: &mut Option<Connection>) -> Option<()> {
        match self {
            Self::GoOn => Some(()),
            Self::Closed => {
                *kept = None;
                Some(())
            }
            Self::Over => None,
        }
    }
}

// ===== impl Rate =====

impl Rate {
    /// Whether the server was under the load that was stated, at least to four fifths.
    pub(crate) fn is_enough(self) -> bool {
        self.measured >= 0.8 * self.stated
    }
}
