//! SIGTERM while clients hold on: what can end ends, and the rest is cut when the time is over.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt as _, future::join_all, stream};
use rand::RngExt as _;
use rustix::process::Signal;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    BoxError,
    client::{
        Connection, Dial,
        events::{self, StreamEnd},
        request,
        websocket::Socket,
    },
    history::Outcome,
    suite::Setting,
    tortures::counters,
    verdict::Verdict,
};

/// The exit code of a process that had to cut work off.
const CUT_OFF: i32 = 124;

/// R10: of three requests two are shorter than the drain, and one is not.
pub(crate) async fn cut(setting: Setting) -> Result<Verdict, BoxError> {
    let mut verdict = Verdict::default();
    // The server gets a second less than the whole, for whatever stops after it.
    let drain = Duration::from_secs(10);
    let program = setting.program("target")?.set("shutdown.timeout", "11s");
    let process = program.set("http.request_timeout", "120s").start().await?;
    let dial = process.dial();
    let mut requests = JoinSet::new();
    for ms in [500, 5000, 60_000] {
        let dial = dial.clone();
        requests.spawn(async move {
            let answer = dial.get(&format!("/slow?ms={ms}")).await;
            (ms, answer.map(|answer| answer.text()), Instant::now())
        });
    }
    counters::until(&dial, |counters| counters.requests == 3).await?;
    let asked = process.signal(Signal::TERM)?;
    while let Some(request) = requests.join_next().await {
        let (ms, answer, at) = request?;
        let after = at - asked;
        if ms < 60_000 {
            verdict.require(answer.as_deref() == Ok("slow"), || format!("{ms} ms: {answer:?}"));
        } else {
            verdict.require(answer.is_err(), || format!("{ms} ms was answered"));
            let off = after.abs_diff(drain);
            verdict.require(off <= Duration::from_millis(200), || {
                format!("the request of {ms} ms was cut after {after:?}")
            });
            verdict.figure(format_args!("cut after {:.2} s", after.as_secs_f64()));
        }
    }
    let ended = process.ended(Duration::from_secs(5)).await?;
    verdict.require(ended.code() == Some(CUT_OFF), || format!("it ended with {}", ended.status));
    let named = ended.log.find("a request was cut off");
    let names = named.is_some_and(|line| line.text.contains("\"path\":\"/slow\""));
    verdict.require(names, || "the log does not name what was cut".to_owned());
    Ok(verdict)
}

/// R12: six kinds of clients, a hundred each, that hold a server up elsewhere.
pub(crate) async fn crowd(setting: Setting) -> Result<Verdict, BoxError> {
    let (mut verdict, each) = (Verdict::default(), setting.times(100, 400));
    let total = Duration::from_secs(8);
    let process = setting.program("target")?.set("shutdown.timeout", "8s").start().await?;
    let dial = process.dial();
    let mut crowd = Crowd::default();
    crowd.gather(&dial, each).await?;
    let Crowd { quiet, streams, sockets } = crowd;
    verdict.injected("clients", 6 * each, quiet.len() + streams.len() + sockets.len());

    let asked = process.signal(Signal::TERM)?;
    let closes = join_all(sockets.into_iter().map(Socket::closed));
    let ends = async {
        let mut ends = JoinSet::new();
        for mut connection in streams {
            ends.spawn(async move { events::end(&mut connection).await });
        }
        ends.join_all().await
    };
    let (closes, ends) = tokio::join!(closes, ends);
    let ended = process.ended(total + Duration::from_secs(5)).await?;
    // Only now: they were to hold on.
    drop(quiet);
    let took = ended.at - asked;
    verdict.figure(format_args!("stopped after {:.2} s", took.as_secs_f64()));
    verdict.require(took <= total + Duration::from_millis(500), || format!("it took {took:?}"));
    verdict.require(ended.code() == Some(CUT_OFF), || format!("it ended with {}", ended.status));
    let restarts = closes.iter().filter(|code| **code == Some(1012)).count();
    verdict.require(restarts == each, || format!("{restarts} of {each} sockets got 1012"));
    let whole = ends.iter().filter(|end| **end == StreamEnd::BetweenEvents).count();
    verdict.require(whole == each, || format!("{whole} of {each} streams ended between events"));
    Ok(verdict)
}

/// Clients that do not leave by themselves.
#[derive(Default)]
struct Crowd {
    /// Those who are never heard of again.
    quiet: Vec<Connection>,
    streams: Vec<Connection>,
    sockets: Vec<Socket>,
}

impl Crowd {
    async fn gather(&mut self, dial: &Dial, each: usize) -> Result<(), BoxError> {
        let body = request("POST", "/echo", "keep-alive", &[b'x'; 1000]);
        let head = request("GET", "/", "keep-alive", b"");
        let endless = request("GET", "/endless", "keep-alive", b"");
        for _ in 0..each {
            let mut idle = connect(dial).await?;
            idle.request(&head).await.map_err(|outcome| format!("{outcome:?}"))?;
            self.quiet.push(idle);
            for part in [&head[..head.len() / 2], &body[..body.len() - 900], &endless[..]] {
                let mut connection = connect(dial).await?;
                connection.send(part).await?;
                self.quiet.push(connection);
            }
            self.streams.push(events::open(dial, "/events").await?);
            self.sockets.push(Socket::open(dial.address, "/socket").await?);
        }
        // The bodies, the endless responses and the events are requests; one asks.
        counters::until(dial, |now| now.requests == 3 * each && now.upgraded == each).await
    }
}

async fn connect(dial: &Dial) -> Result<Connection, BoxError> {
    dial.connect().await.map_err(|outcome| format!("cannot connect: {outcome:?}").into())
}

/// R13: an operator who does not want to wait.
pub(crate) async fn again(setting: Setting) -> Result<Verdict, BoxError> {
    let (mut verdict, rounds) = (Verdict::default(), setting.times(40, 400));
    let mut random = setting.random(13);
    let schedule: Vec<_> = (0..rounds)
        .map(|round| {
            let pause = || Duration::from_millis(50);
            let second = pause() + Duration::from_millis(random.random_range(0..1000));
            let third = pause() + Duration::from_millis(random.random_range(0..1000));
            (second, (round % 2 == 1).then_some(third))
        })
        .collect();
    let verdicts = stream::iter(schedule).map(|(second, third)| impatient(setting, second, third));
    let mut verdicts = verdicts.buffer_unordered(8);
    let mut done = 0;
    while let Some(one) = verdicts.next().await {
        verdict.absorb(one?);
        done += 1;
    }
    verdict.injected("impatient operators", rounds, done);
    Ok(verdict)
}

async fn impatient(
    setting: Setting,
    second: Duration,
    third: Option<Duration>,
) -> Result<Verdict, BoxError> {
    let mut verdict = Verdict::default();
    let program = setting.program("target")?.set("http.request_timeout", "120s");
    let process = program.set("shutdown.timeout", "12s").start().await?;
    let dial = Arc::new(process.dial());
    let asking = Arc::clone(&dial);
    let mut request = JoinSet::new();
    request.spawn(async move { asking.get("/slow?ms=60000").await });
    counters::until(&dial, |counters| counters.requests == 1).await?;

    process.signal(Signal::TERM)?;
    sleep(second).await;
    let mut asked = process.signal(Signal::TERM)?;
    let (limit, expected) = match third {
        None => (Duration::from_millis(2500), CUT_OFF),
        Some(third) => {
            sleep(third).await;
            asked = process.signal(Signal::TERM)?;
            (Duration::from_millis(100), 128 + 15)
        }
    };
    let which = if third.is_some() { "third" } else { "second" };
    let ended = process.ended(Duration::from_secs(20)).await?;
    let took = ended.at - asked;
    verdict.require(took <= limit, || format!("it stopped {took:?} after the {which} signal"));
    verdict.require(ended.code() == Some(expected), || {
        format!("it ended with {} after the {which} signal", ended.status)
    });
    if let Some(answer) = request.join_next().await {
        let answer = answer?;
        verdict.require(matches!(answer, Err(Outcome::EofBeforeResponse | Outcome::Reset)), || {
            format!("the request got {answer:?}")
        });
    }
    Ok(verdict)
}
