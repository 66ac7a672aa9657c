//! Configurations that change under load, often, and under the eyes of their readers.

use std::{
    collections::BTreeMap,
    net::TcpListener,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rand::{RngExt as _, rngs::StdRng};
use rustix::process::Signal;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, interval, sleep, timeout};

use super::cluster;
use crate::{
    BoxError,
    client::{Answer, Dial},
    load::{Expected, Plan},
    process::{Line, Log, Process, Program},
    suite::Setting,
    verdict::Verdict,
};

/// By how much memory may differ without having grown.
const FLAT_BYTES: u64 = 5 << 20;

/// What a number is above that nobody may ever see, because it is refused.
const FORBIDDEN: u64 = 1_000_000_000;

/// What the target says about the configuration that answers.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Seen {
    pub(crate) generation: u64,
    pub(crate) hash: u64,
    left: u64,
    right: u64,
    pub(crate) applied: u64,
}

/// Asks which configuration is in force.
///
/// # Errors
///
/// Returns an error if the target does not answer.
pub(crate) async fn seen(dial: &Dial) -> Result<Seen, BoxError> {
    let answer = dial.get("/generation").await.map_err(|outcome| format!("{outcome:?}"))?;
    Ok(serde_json::from_slice(&answer.body)?)
}

/// A configuration with this number.
pub(crate) fn text(number: u64, refused: bool) -> String {
    format!("[left]\nnumber = {number}\n\n[right]\nnumber = {number}\nrefused = {refused}\n")
}

/// What somebody may leave in the file in the middle of a storm.
pub(crate) fn anything(random: &mut StdRng) -> String {
    let number = random.random_range(1..1000);
    match random.random_range(0..4) {
        0 => text(number, false),
        1 => text(number, true),
        2 => format!("[left]\nnumber = {number}\n[right"),
        _ => "[left]\nnumber = \"many\"\n".to_owned(),
    }
}

fn plan(
    clients: usize,
    think: Duration,
    path: &'static str,
    expected: Expected,
    seed: u64,
) -> Plan {
    let (keep_alive, connecting) = (clients - clients / 4, clients / 4);
    Plan {
        keep_alive,
        connecting,
        multiplexed: 0,
        think,
        think_connecting: think,
        at_once: 25,
        path,
        expected,
        seed,
    }
}

/// C1: ten thousand SIGHUPs in a second, the file rewritten all the while, and 128 clients.
pub(crate) async fn storm(setting: Setting) -> Result<Verdict, BoxError> {
    let mut verdict = Verdict::default();
    let one = cluster::soon(setting.program("target")?);
    stormed(setting, &mut verdict, ("one process", None), one).await?;
    let two = cluster::program(setting, 2)?.set("cluster.slots.1.env.REFUSES", "true");
    stormed(setting, &mut verdict, ("a cluster", Some(2)), two).await?;
    Ok(verdict)
}

async fn stormed(
    setting: Setting,
    verdict: &mut Verdict,
    (what, workers): (&str, Option<usize>),
    program: Program,
) -> Result<(), BoxError> {
    let (mut random, storms) = (setting.random(31), setting.times(1, 30));
    // Several planted mistakes are looked for at a time, which slows down who sends.
    let limit = Duration::from_millis(if setting.planted.is_some() { 5000 } else { 1500 });
    program.place().configure(text(0, false))?;
    let process = program.start().await?;
    let dial = process.dial();
    let think = Duration::from_millis(400);
    let load = plan(128, think, "/", Expected::text("hello"), setting.seed).start(&dial);
    load.history.reaches(300).await;
    warm_up(&process).await?;

    let (mut signals, mut applied, mut slowest) = (0, 0, Duration::ZERO);
    let before = process.memory()?;
    for storm in 0..storms {
        let from = seen(&dial).await?.generation;
        // What was asked for before is through, and told.
        refused(&process, workers, "[left\n").await?;
        let said = process.log().len();
        let began = Instant::now();
        signals += hail(&process, &mut random, limit).await?;
        let last = FORBIDDEN / 2 + u64::try_from(storm)?;
        process.place().configure(text(last, false))?;
        let asked = process.signal(Signal::HUP)?;
        let in_force = is_in_force(&dial, last, Duration::from_secs(5)).await?;
        slowest = slowest.max(asked.elapsed());
        verdict.require(in_force, || format!("the last content never came to {what}"));
        let (took, now) = (began.elapsed().as_secs_f64(), seen(&dial).await?);
        applied += now.generation - from;
        let lines = process.log().from(said);
        let tried = reloads(&lines, workers);
        verdict.figure(format_args!("{tried} reloads in {took:.1} s"));
        // One at the beginning, and one after each tenth of a second.
        let most = 1.0 + took * 10.0;
        verdict.require(f64::from(u32::try_from(tried)?) <= most, || {
            format!("{what} was reloaded {tried} times in {took:.2} s")
        });
        if let Some(workers) = workers {
            as_one(verdict, process.log(), said, workers).await;
        }
    }
    if let Some(workers) = workers {
        refused_by_one(verdict, &process, workers).await?;
    }
    let (after, rate) = (process.memory()?, load.rate());
    let history = load.stop().await;
    verdict.load(rate);
    verdict.injected(&format!("signals to {what}"), storms * 10_000, signals);
    verdict.nothing_lost(&history.records());
    verdict.figure(format_args!("{applied} applied"));
    verdict.figure(format_args!("last content after {slowest:.0?}"));
    verdict.require(slowest <= Duration::from_secs(1), || {
        format!("the last content came into force in {what} after {slowest:?}")
    });
    flat(verdict, before, after);
    cluster::stop(process, verdict).await
}

/// What is said of a reload that is refused: by one process, and by the primary of a cluster.
const STAYS: [&str; 2] =
    ["the old configuration stays in force", "the configuration stays as it is"];

/// How soon all workers have said what is in force.
const TOLD: Duration = Duration::from_secs(5);

/// What is said of one that is not.
const IN_FORCE: &str = "another configuration is in force";

/// How often the configuration was read again. Of a cluster, its primary says so once.
fn reloads(lines: &[Line], workers: Option<usize>) -> usize {
    let through = match workers {
        None => [IN_FORCE, "the configuration is what it was", STAYS[0]].to_vec(),
        Some(_) => ["the workers have read their configuration again", STAYS[1]].to_vec(),
    };
    let says = |line: &&Line| through.iter().any(|words| line.text.contains(words));
    lines.iter().filter(says).count()
}

/// Has a configuration read that is refused, and returns what is said of it in the end.
async fn refused(process: &Process, workers: Option<usize>, text: &str) -> Result<Line, BoxError> {
    process.place().configure(text)?;
    let said = process.log().len();
    process.signal(Signal::HUP)?;
    process.log().until(said, STAYS[usize::from(workers.is_some())]).await
}

/// Has the workers read a configuration that one of them refuses.
async fn refused_by_one(
    verdict: &mut Verdict,
    process: &Process,
    workers: usize,
) -> Result<(), BoxError> {
    let said = process.log().len();
    let one = text(1, true).replace("true", "\"${env:REFUSES:-false}\"");
    let line = refused(process, Some(workers), &one).await?;
    verdict.require(line.text.contains("worker 1"), || {
        format!("the worker that refuses is not named: {}", line.text)
    });
    as_one(verdict, process.log(), said, workers).await;
    Ok(())
}

/// Requires that each configuration that came into force from this line on did so in all workers, in
/// place of the same one.
async fn as_one(verdict: &mut Verdict, log: &Log, first: usize, workers: usize) {
    // Each says so for itself, the last one later than it serves with it.
    let all = log.until_all(first, |lines| alone(lines, workers).is_empty());
    if timeout(TOLD, all).await == Ok(true) {
        return;
    }
    for (change, seen) in alone(&log.from(first), workers) {
        verdict
            .require(false, || format!("of {workers} workers, {seen} took this alone: {change}"));
    }
}

/// What came into force in some of the workers, and in how many.
fn alone(lines: &[Line], workers: usize) -> BTreeMap<String, usize> {
    let mut changes = BTreeMap::new();
    for line in lines.iter().filter(|line| line.text.contains(IN_FORCE)) {
        let said = serde_json::from_str::<Value>(&line.text).unwrap_or_default();
        *changes.entry(said["fields"]["changes"].to_string()).or_default() += 1;
    }
    changes.retain(|_, seen| *seen % workers > 0);
    changes
}

/// Whether the configuration with this number comes into force within `limit`, in all workers that
/// there may be.
pub(crate) async fn is_in_force(
    dial: &Dial,
    number: u64,
    limit: Duration,
) -> Result<bool, BoxError> {
    let began = Instant::now();
    // Any worker may answer: so many in a row are all of them.
    let mut in_a_row = 0;
    while in_a_row < 32 && began.elapsed() < limit {
        let now = seen(dial).await?;
        in_a_row = if now.applied == number && now.left == number { in_a_row + 1 } else { 0 };
        if in_a_row == 0 {
            sleep(Duration::from_millis(5)).await;
        }
    }
    Ok(in_a_row == 32)
}

/// Sends ten thousand signals in a second, and rewrites the file meanwhile.
async fn hail(process: &Process, random: &mut StdRng, limit: Duration) -> Result<usize, BoxError> {
    let (mut ticks, mut sent) = (interval(Duration::from_millis(1)), 0);
    let began = Instant::now();
    for tick in 0..1000 {
        ticks.tick().await;
        for _ in 0..10 {
            process.signal(Signal::HUP)?;
            sent += 1;
        }
        if tick % 7 == 0 {
            let text = anything(random);
            if random.random() {
                process.place().configure(text)?;
            } else {
                // As editors do that write in place.
                std::fs::write(process.place().config(), text)?;
            }
        }
    }
    let took = began.elapsed();
    if took > limit {
        return Err(format!("the signals took {took:?} to send").into());
    }
    Ok(sent)
}

/// Has the target do for the first time what it will be measured at.
async fn warm_up(process: &Process) -> Result<(), BoxError> {
    for number in 1..30 {
        process.place().configure(text(number, false))?;
        process.operator().reload().await?;
        process.place().configure("[left\n")?;
        let refused = process.operator().reload().await.is_err();
        if !refused {
            return Err("a file that makes no sense was not refused".into());
        }
    }
    Ok(())
}

/// Has the file read again, and says what became of it.
async fn reload(dial: &Dial) -> Result<String, BoxError> {
    #[derive(Deserialize)]
    struct Reloaded {
        outcome: String,
    }
    let answer = dial.post("/reload").await.map_err(|outcome| format!("reload: {outcome:?}"))?;
    Ok(serde_json::from_slice::<Reloaded>(&answer.body)?.outcome)
}

/// Requires that memory has not grown.
pub(crate) fn flat(verdict: &mut Verdict, before: u64, after: u64) {
    let grown = after.saturating_sub(before);
    let kib = grown / 1024;
    verdict.figure(format_args!("memory +{kib} KiB"));
    verdict.require(grown <= FLAT_BYTES, || format!("memory grew by {kib} KiB"));
}

/// C3: a thousand changes, one in five refused, and 64 clients that see one of them at a time.
pub(crate) async fn generations(setting: Setting) -> Result<Verdict, BoxError> {
    let (mut verdict, swaps) = (Verdict::default(), setting.times(1000, 20_000));
    let program = setting.program("target")?;
    program.place().configure(text(0, false))?;
    let process = program.start().await?;
    let dial = process.dial();
    let witness = Arc::new(Mutex::new(Witness::default()));
    let judge = Arc::clone(&witness);
    let expected = Expected::to_be(move |answer| {
        judge.lock().unwrap_or_else(PoisonError::into_inner).believes(answer)
    });
    let think = Duration::from_millis(120);
    let load = plan(64, think, "/generation", expected, setting.seed).start(&dial);
    load.history.reaches(100).await;

    let (mut applied, mut refused) = (0, 0);
    for swap in 1..=u64::try_from(swaps)? {
        let veto = swap % 5 == 0;
        let number = if veto { FORBIDDEN + swap } else { swap };
        process.place().configure(text(number, veto))?;
        let outcome = reload(&dial).await?;
        let expected = if veto { "vetoed" } else { "applied" };
        verdict.require(outcome == expected, || format!("swap {swap} was {outcome}"));
        applied += usize::from(outcome == "applied");
        refused += usize::from(outcome == "vetoed");
    }
    let rate = load.rate();
    let records = load.stop().await.records();
    verdict.load(rate);
    verdict.injected("swaps tried", swaps, applied + refused);
    verdict.figure(format_args!("{refused} of them refused"));
    verdict.nothing_lost(&records);
    process.stop().await?;
    let witness = witness.lock().unwrap_or_else(PoisonError::into_inner);
    let generations = witness.generations.len();
    verdict.figure(format_args!("{generations} generations seen"));
    // Whoever saw none of them cannot have seen two at once.
    verdict.require(generations >= applied / 10, || format!("{generations} generations seen"));
    for fault in &witness.faults {
        verdict.require(false, || fault.clone());
    }
    Ok(verdict)
}

/// Compares what all clients see.
#[derive(Default)]
struct Witness {
    /// The hash and the number of each generation.
    generations: BTreeMap<u64, (u64, u64)>,
    faults: Vec<String>,
}

impl Witness {
    fn believes(&mut self, answer: &Answer) -> bool {
        let Ok(seen) = serde_json::from_slice::<Seen>(&answer.body) else { return false };
        let known = *self.generations.entry(seen.generation).or_insert((seen.hash, seen.left));
        let whole = seen.left == seen.right && known == (seen.hash, seen.left);
        let allowed = seen.left < FORBIDDEN && seen.applied < FORBIDDEN;
        if !(whole && allowed) && self.faults.len() < 3 {
            self.faults.push(format!("a response saw {seen:?}"));
        }
        whole && allowed
    }
}

/// C4: an address cannot change while the server runs: that is refused by name, and nothing else
/// happens.
pub(crate) async fn address(setting: Setting) -> Result<Verdict, BoxError> {
    let (mut verdict, rounds) = (Verdict::default(), setting.times(10, 100));
    let program = setting.program("target")?.in_file("http.addr");
    let ip = program.ip();
    let free = || TcpListener::bind((ip, 0))?.local_addr();
    let (here, elsewhere) = (free()?, free()?);
    let taken = TcpListener::bind((ip, 0))?;
    let at = |address: &dyn std::fmt::Display, number: u64| {
        format!("[http]\naddr = \"{address}\"\n\n{}", text(number, false))
    };
    program.place().configure(at(&here, 0))?;
    let process = program.start().await?;
    let dial = process.dial();
    let think = Duration::from_millis(400);
    let load = plan(64, think, "/", Expected::text("hello"), setting.seed).start(&dial);
    load.history.reaches(100).await;

    let (taken, mut refusals) = (taken.local_addr()?, 0);
    for round in 1..=u64::try_from(rounds)? {
        for address in [taken, elsewhere] {
            process.place().configure(at(&address, round))?;
            let first = process.log().len();
            process.signal(Signal::HUP)?;
            let (stays, ends) = ("the old configuration stays in force", "is in force");
            let line = process.log().until_any(first, &[stays, ends]).await?;
            if !line.text.contains(stays) {
                verdict
                    .require(false, || format!("another address was not refused: {}", line.text));
                return Ok(verdict);
            }
            refusals += 1;
            verdict.require(line.text.contains("http.addr"), || {
                format!("the refusal does not name the key: {}", line.text)
            });
        }
        let now = seen(&dial).await?;
        verdict.require(now.left == round - 1, || format!("half of a refusal applied: {now:?}"));
        let moved = Dial::plain(elsewhere).connect().await.is_ok();
        verdict.require(!moved, || format!("somebody listens at {elsewhere}"));
        // And back, with the rest of the change.
        process.place().configure(at(&here, round))?;
        let first = process.log().len();
        process.signal(Signal::HUP)?;
        process.log().until(first, "another configuration is in force").await?;
    }
    let rate = load.rate();
    let history = load.stop().await;
    verdict.load(rate);
    verdict.injected("refusals", 2 * rounds, refusals);
    verdict.nothing_lost(&history.records());
    process.stop().await?;
    Ok(verdict)
}
