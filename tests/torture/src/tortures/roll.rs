//! Workers that are replaced on purpose, and how connections are spread among them.

use std::{collections::BTreeMap, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, timeout_at},
};

use super::cluster::{self, Watch};
use crate::{
    BoxError,
    client::Dial,
    history::{Record, p99},
    load::Plan,
    suite::Setting,
    verdict::Verdict,
};

/// How many clients there are, and how long each of them thinks at the most.
const CLIENTS: usize = 256;
const THINK: Duration = Duration::from_millis(350);

/// How many workers there are.
const WORKERS: usize = 2;

/// What a machine this small may add to the tail while processes start.
const NOISE: Duration = Duration::from_millis(250);

/// How long recycling so many workers may take at the most, each.
const RECYCLED: Duration = Duration::from_secs(10);

/// R1: one rolling restart after the other under 256 clients of three kinds.
pub(crate) async fn rolling(setting: Setting) -> Result<Verdict, BoxError> {
    let mut verdict = Verdict::default();
    let rolls = setting.times_among(40, 8, 200);
    let requests = setting.times_among(200_000, 20_000, 1_000_000);
    let process = cluster::program(setting, WORKERS)?.start().await?;
    let operator = process.operator().clone();
    let load = Plan::mixed(CLIENTS, THINK, setting.seed).start(&process.dial());
    load.history.reaches(requests / 40).await;
    let (rate, watch, began) = (load.rate(), Watch::start(&operator), Instant::now());
    let mut done = 0;
    while done < rolls || load.history.len() < requests {
        operator.must("restart").await?;
        done += 1;
    }
    let (seen, workers, took) = (watch.seen().await, operator.workers().await?, began.elapsed());
    let records = load.stop().await.records();
    verdict.load(rate);
    verdict.injected("rolls", rolls, done);
    verdict.require(records.len() >= requests, || format!("only {} requests", records.len()));
    verdict.nothing_lost(&records);
    start_first(&mut verdict, &seen);
    let newest = workers.workers.iter().all(|worker| worker.generation == workers.generation);
    let all = workers.are(WORKERS) && newest && workers.generation as usize == done + 1;
    verdict.require(all, || format!("not all workers are of the last generation: {workers:?}"));
    let is_steady = |record: &&Record| record.returned < began;
    let (steady, rolled): (Vec<_>, Vec<_>) = records.iter().partition(is_steady);
    tails(&mut verdict, &steady, &rolled);
    let each = took.as_secs_f64() / f64::from(u32::try_from(done)?);
    verdict.figure(format_args!("{each:.2} s for each roll"));
    cluster::stop(process, &mut verdict).await?;
    Ok(verdict)
}

fn tails(verdict: &mut Verdict, steady: &[&Record], rolled: &[&Record]) {
    let of = |records: &[&Record]| p99(&records.iter().map(|it| **it).collect::<Vec<_>>());
    let (steady, rolled) = (of(steady), of(rolled));
    verdict.figure(format_args!("p99 {steady:.1?} steady, {rolled:.1?} in rolls"));
    verdict.require(rolled <= (steady * 2).max(NOISE), || {
        format!("the p99 was {steady:?} before the rolls, and {rolled:?} during them")
    });
}

/// Requires that there were never fewer workers than there are to be.
fn start_first(verdict: &mut Verdict, seen: &cluster::Seen) {
    let least = seen.least_ready.unwrap_or(0);
    verdict.figure(format_args!("never fewer than {least} ready in {} looks", seen.looks));
    verdict.require(least >= WORKERS, || {
        format!("only {least} of {WORKERS} workers served at a time")
    });
}

/// M4R: workers that are replaced after so many requests, the new one first.
pub(crate) async fn recycling(setting: Setting) -> Result<Verdict, BoxError> {
    let mut verdict = Verdict::default();
    let recycled = setting.times_among(20, 6, 200);
    let program = cluster::program(setting, WORKERS)?.set("cluster.recycle.requests", "300");
    let process = program.set("cluster.heartbeat", "200ms").start().await?;
    let operator = process.operator().clone();
    let load = Plan::mixed(CLIENTS, THINK * 2, setting.seed).start(&process.dial());
    let watch = Watch::start(&operator);
    load.history.reaches(1000).await;
    let rate = load.rate();
    let (mut from, mut done) = (0, 0);
    let give_up = Instant::now() + RECYCLED * u32::try_from(recycled)?;
    while done < recycled && Instant::now() < give_up {
        let replaced = process.log().until(from, "a worker was replaced");
        if timeout_at(give_up, replaced).await.is_err() {
            break;
        }
        let lines = process.log().from(from);
        from += lines.len();
        done += lines.iter().filter(|line| line.text.contains("a worker was replaced")).count();
    }
    let (seen, workers) = (watch.seen().await, operator.workers().await?);
    let records = load.stop().await.records();
    verdict.load(rate);
    verdict.injected("workers recycled", recycled, done);
    verdict.nothing_lost(&records);
    start_first(&mut verdict, &seen);
    let restarts: u64 = workers.workers.iter().map(|worker| worker.restarts).max().unwrap_or(0);
    verdict.require(restarts as usize >= recycled / WORKERS / 2, || {
        format!("no slot was recycled more than {restarts} times")
    });
    cluster::stop(process, &mut verdict).await?;
    Ok(verdict)
}

/// SPREAD: four workers, and who gets the new connections.
pub(crate) async fn spread(setting: Setting) -> Result<Verdict, BoxError> {
    let (mut verdict, connections) = (Verdict::default(), setting.times(8000, 40_000));
    let process = cluster::program(setting, 4)?.start().await?;
    let at_once = 8;
    let mut clients = JoinSet::new();
    for _ in 0..at_once {
        clients.spawn(count(process.dial(), connections / at_once));
    }
    let mut slots: BTreeMap<String, usize> = BTreeMap::new();
    for counted in clients.join_all().await {
        for (slot, count) in counted? {
            *slots.entry(slot).or_default() += count;
        }
    }
    let total: usize = slots.values().sum();
    verdict.injected("connections", connections, total);
    let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    let most = number(slots.values().copied().max().unwrap_or(0));
    let ratio = most / (number(total) / 4.0);
    verdict.figure(format_args!("the busiest of 4 has {ratio:.3} of the mean"));
    verdict.require(slots.len() == 4 && ratio <= 1.15, || format!("the spread is {slots:?}"));
    cluster::stop(process, &mut verdict).await?;
    Ok(verdict)
}

async fn count(dial: Dial, connections: usize) -> Result<BTreeMap<String, usize>, BoxError> {
    let mut slots = BTreeMap::new();
    for _ in 0..connections {
        let answer = dial.get("/who").await.map_err(|outcome| format!("{outcome:?}"))?;
        let text = answer.text();
        let slot = text.split(' ').nth(1).ok_or("an answer without a slot")?;
        *slots.entry(slot.to_owned()).or_default() += 1;
    }
    Ok(slots)
}
