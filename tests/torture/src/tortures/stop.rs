//! SIGTERM under load: nothing that was taken on is dropped.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use rand::RngExt as _;
use rustix::process::Signal;
use tokio::time::Instant;

use crate::{
    BoxError,
    client::{
        Dial,
        tls::{Pair, Roots},
    },
    history::{History, Outcome, Record},
    load::{Expected, Load, Plan, Rate},
    process::{Ended, Process, Program, kill},
    suite::Setting,
    verdict::Verdict,
};

/// How long a process may take to stop when its clients leave as they are asked to.
const STOPPED: Duration = Duration::from_secs(5);

/// What is known of one stop.
struct Round {
    history: History,
    asked: Instant,
    ended: Ended,
    rate: Rate,
}

/// R9: 64 clients that keep their connections and 64 that do not, SIGTERM, again and again.
pub(crate) async fn plain(setting: Setting) -> Result<Verdict, BoxError> {
    let think = [Duration::from_millis(600); 2];
    // In fewer, a known mistake may have hurt nobody.
    stops(setting, setting.times(100, 1000).max(40), think, 3, || {
        let program = setting.program("hello")?;
        Ok((program, None))
    })
    .await
}

/// R9 over TLS.
pub(crate) async fn over_tls(setting: Setting) -> Result<Verdict, BoxError> {
    // Handshakes cost both sides more than the requests do.
    let think = [Duration::from_millis(500), Duration::from_secs(2)];
    let rounds = setting.times_among(100, 40, 1000);
    stops(setting, rounds, think, 2, || {
        let program = setting.program("target")?;
        let pair = Pair::make()?;
        pair.write(program.place().path())?;
        let program = program.set("http.tls.cert", "tls.crt").set("http.tls.key", "tls.key");
        Ok((program, Some(Roots::of([&pair], b"http/1.1")?)))
    })
    .await
}

async fn stops(
    setting: Setting,
    rounds: usize,
    think: [Duration; 2],
    at_once: usize,
    make: impl Fn() -> Result<(Program, Option<Roots>), BoxError>,
) -> Result<Verdict, BoxError> {
    let mut random = setting.random(9);
    let schedule: Vec<(u64, usize)> =
        (0..rounds).map(|_| (random.random(), random.random_range(100..300))).collect();
    let running = schedule.into_iter().map(|(seed, requests)| {
        let made = make();
        async move {
            let (program, roots) = made?;
            round(program, roots, seed, requests, think).await
        }
    });
    let mut verdict = Verdict::default();
    let mut totals = Totals::default();
    let mut running = stream::iter(running).buffer_unordered(at_once);
    while let Some(round) = running.next().await {
        totals.judge(&round?, &mut verdict);
    }
    totals.tell(rounds, &mut verdict);
    Ok(verdict)
}

async fn round(
    program: Program,
    roots: Option<Roots>,
    seed: u64,
    requests: usize,
    think: [Duration; 2],
) -> Result<Round, BoxError> {
    let process = program.start().await?;
    let dial = Dial { address: process.http, roots };
    let load = plan(64, 64, think, seed).start(&dial);
    load.history.reaches(requests).await;
    let rate = load.rate();
    let (asked, ended, history) = stop_under(process, load).await?;
    Ok(Round { history, asked, ended, rate })
}

async fn stop_under(process: Process, load: Load) -> Result<(Instant, Ended, History), BoxError> {
    let asked = process.signal(Signal::TERM)?;
    let ended = process.ended(STOPPED).await?;
    Ok((asked, ended, load.until_refused().await))
}

/// R9-HEIR: as R9, with a process that took the place of another one.
pub(crate) async fn heir(setting: Setting) -> Result<Verdict, BoxError> {
    let (mut verdict, mut totals) = (Verdict::default(), Totals::default());
    let rounds = setting.times_among(40, 15, 400);
    let mut random = setting.random(99);
    for _ in 0..rounds {
        let (seed, requests) = (random.random(), random.random_range(100..300));
        let process = setting.program("hello")?.alone().start().await?;
        let load = plan(64, 64, [Duration::from_millis(600); 2], seed).start(&process.dial());
        process.operator().must("restart").await?;
        let heir = process.operator().pid().await?;
        load.history.reaches(requests).await;
        let rate = load.rate();
        let asked = kill(heir, Signal::TERM)?;
        let gone = process.place().empty(STOPPED * 2).await;
        let gone = gone.ok_or("the process that took the place does not stop")?;
        let ended = Ended { at: gone, ..process.ended(STOPPED).await? };
        let history = load.until_refused().await;
        totals.judge(&Round { history, asked, ended, rate }, &mut verdict);
    }
    totals.tell(rounds, &mut verdict);
    Ok(verdict)
}

fn plan(keep_alive: usize, connecting: usize, think: [Duration; 2], seed: u64) -> Plan {
    let expected = Expected::text("hello");
    let [think, think_connecting] = think;
    Plan {
        keep_alive,
        connecting,
        multiplexed: 0,
        think,
        think_connecting,
        at_once: 25,
        path: "/",
        expected,
        seed,
    }
}

#[derive(Default)]
struct Totals {
    stops: usize,
    answered: usize,
    asked_after: usize,
    queued: usize,
    slowest: Duration,
    rates: Vec<Rate>,
}

impl Totals {
    fn judge(&mut self, round: &Round, verdict: &mut Verdict) {
        let Round { history, asked, ended, rate } = round;
        self.stops += 1;
        self.rates.push(*rate);
        self.slowest = self.slowest.max(ended.at - *asked);
        verdict.require(ended.code() == Some(0), || format!("it ended with {}", ended.status));
        let records = history.records();
        let first_refused = records
            .iter()
            .filter(|record| record.outcome == Outcome::Refused)
            .map(|record| record.returned)
            .min();
        for record in &records {
            self.asked_after += usize::from(record.invoked > *asked);
            match record.outcome {
                Outcome::Ok => {
                    self.answered += 1;
                    let order = first_refused
                        .is_none_or(|refused| record.established || record.invoked <= refused);
                    verdict
                        .require(order, || "a connection was taken after one was refused".into());
                }
                Outcome::Refused => verdict.require(record.returned > *asked, || {
                    "a connection was refused before SIGTERM".to_owned()
                }),
                Outcome::Reset if !record.established && record.returned > *asked => {
                    self.queued += 1;
                }
                lost => verdict.require(false, || lost_text(lost, record, *asked)),
            }
        }
    }

    fn tell(&self, rounds: usize, verdict: &mut Verdict) {
        verdict.injected("stops", rounds, self.stops);
        verdict.figure(format_args!("{} answered", self.answered));
        verdict.figure(format_args!("{} asked after SIGTERM", self.asked_after));
        verdict.figure(format_args!("{} left in the queue of the closed port", self.queued));
        verdict.figure(format_args!("slowest stop {:.2} s", self.slowest.as_secs_f64()));
        verdict.load(self.rate());
        // No more than those whose handshake the kernel finishes while the port closes.
        verdict.require(self.queued * 10_000 <= self.answered * 5, || {
            format!("{} connections were left in the queue of the closed port", self.queued)
        });
    }

    fn rate(&self) -> Rate {
        let count = f64::from(u32::try_from(self.rates.len()).unwrap_or(u32::MAX));
        let mean = |of: fn(&Rate) -> f64| self.rates.iter().map(of).sum::<f64>() / count;
        Rate { stated: mean(|rate| rate.stated), measured: mean(|rate| rate.measured) }
    }
}

fn lost_text(outcome: Outcome, record: &Record, asked: Instant) -> String {
    let connection = if record.established { "an established" } else { "a new" };
    let after = if record.invoked > asked {
        format!("{:?} after", record.invoked - asked)
    } else {
        format!("{:?} before", asked - record.invoked)
    };
    let idle = record.idle;
    format!("{outcome:?} on {connection} connection, asked {after} SIGTERM, {idle:?} unused")
}

/// R11: with nobody connected, stopping takes no time.
pub(crate) async fn idle(setting: Setting) -> Result<Verdict, BoxError> {
    let (mut verdict, rounds) = (Verdict::default(), setting.times(10, 100));
    let (mut stops, mut slowest) = (0, Duration::ZERO);
    for name in ["hello", "target", "shop"] {
        for _ in 0..rounds {
            let process = setting.program(name)?.start().await?;
            let asked = process.signal(Signal::TERM)?;
            let ended = process.ended(STOPPED).await?;
            let took = ended.at - asked;
            stops += 1;
            slowest = slowest.max(took);
            verdict.require(ended.code() == Some(0), || format!("{name}: {}", ended.status));
            verdict.require(took <= Duration::from_millis(100), || {
                format!("{name} took {took:?} to stop")
            });
        }
    }
    verdict.injected("stops", 3 * rounds, stops);
    verdict.figure(format_args!("slowest {slowest:.0?}"));
    Ok(verdict)
}

/// R16: for three seconds after SIGTERM requests still come, as from a balancer that has not heard.
pub(crate) async fn lame_duck(setting: Setting) -> Result<Verdict, BoxError> {
    let mut verdict = Verdict::default();
    let program = setting.program("hello")?.set("shutdown.lame_duck", "5s");
    let process = program.set("shutdown.timeout", "25s").start().await?;
    let dial = process.dial();
    let load = plan(64, 64, [Duration::from_millis(600); 2], setting.seed).start(&dial);
    load.history.reaches(300).await;
    let rate = load.rate();
    let asked = process.signal(Signal::TERM)?;
    let until = asked + Duration::from_secs(3);

    // Readiness has to fall at once, and liveness never.
    let mut unready = None;
    let (mut live, mut looks) = (0_usize, 0_usize);
    while Instant::now() < until {
        let ready = dial.get("/readyz").await.map_err(|outcome| format!("readyz: {outcome:?}"))?;
        if ready.status == 503 {
            unready.get_or_insert_with(|| asked.elapsed());
        }
        let alive = dial.get("/livez").await.map_err(|outcome| format!("livez: {outcome:?}"))?;
        live += usize::from(alive.status == 200);
        looks += 1;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let history = load.stop().await;
    // Until the very end, for as long as anybody listens.
    while let Ok(alive) = dial.get("/livez").await {
        live += usize::from(alive.status == 200);
        looks += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let ended = process.ended(STOPPED).await?;
    let took = ended.at - asked;
    verdict.load(rate);
    verdict.nothing_lost(&history.records());
    verdict.require(unready.is_some_and(|after| after <= Duration::from_millis(50)), || {
        format!("readyz was 503 after {unready:?}")
    });
    verdict.require(live == looks, || format!("livez was 200 in {live} of {looks} looks"));
    verdict.require(ended.code() == Some(0), || format!("it ended with {}", ended.status));
    let (least, most) = (Duration::from_secs(5), Duration::from_secs(8));
    verdict.require(took >= least && took <= most, || format!("it took {took:?}"));
    verdict.figure(format_args!("readyz 503 after {:.0?}", unready.unwrap_or_default()));
    verdict.figure(format_args!("{looks} looks at livez"));
    Ok(verdict)
}
