//! SIGKILL, for workers and for those who watch them.

use std::{collections::BTreeSet, net::TcpListener, time::Duration};

use rand::{RngExt as _, rngs::StdRng};
use rustix::process::Signal;
use tokio::time::{Instant, interval, sleep};

use super::cluster::{self, Harm, Seen, Watch};
use crate::{
    BoxError,
    load::Plan,
    process::{Manager, Operator, Process, Workers, kill},
    suite::Setting,
    verdict::Verdict,
};

/// How many workers are killed in turn.
const WORKERS: usize = 4;

/// For how long a worker accepts nothing before it is killed, half of the time.
const STOPPED: Duration = Duration::from_millis(100);

/// How soon after a kill the process that takes the place has to be started.
const STARTED: Duration = Duration::from_millis(100);

/// How long those may live on whose primary was killed.
const ORPHANED: Duration = Duration::from_secs(6);

/// R4: a worker is killed every 200 ms. Half of them are stopped before, so that it is known who
/// waits in their queues.
pub(crate) async fn workers(setting: Setting) -> Result<Verdict, BoxError> {
    let (mut verdict, mut random) = (Verdict::default(), setting.random(4));
    let kills = setting.times(50, 1000);
    let program = cluster::program(setting, WORKERS)?.set("cluster.restart.max", "1000000");
    let process = program.set("cluster.restart.backoff", "0s").start().await?;
    let operator = process.operator().clone();
    let load = Plan::mixed(256, Duration::from_millis(700), setting.seed).start(&process.dial());
    load.history.reaches(1000).await;
    let (rate, files, watch) = (load.rate(), settled(&process).await?, Watch::start(&operator));
    let (mut harms, mut slots, mut killed) = (Vec::new(), Vec::new(), BTreeSet::new());
    let mut ticks = interval(Duration::from_millis(200));
    for number in 0..kills {
        ticks.tick().await;
        let victim = choose(&operator, &mut random, &killed).await?;
        harms.push(victim.kill(number % 2 == 0).await?);
        slots.push(victim.slot);
        killed.insert(victim.pid);
    }
    operator.until(Duration::from_secs(20), |seen| seen.are(WORKERS)).await?;
    let seen = watch.seen().await;
    drop(watch);
    let records = load.stop().await.records();
    verdict.load(rate);
    verdict.injected("kills", kills, harms.len());
    cluster::only_in_hand(&mut verdict, &records, &harms);
    heirs(&mut verdict, &seen, &harms, &slots);
    let zombies = process.zombies();
    verdict.require(zombies == 0, || format!("{zombies} processes were not waited for"));
    let now = settled(&process).await?;
    verdict.figure(format_args!("{now} files open"));
    verdict.require(now <= files, || format!("{now} files are open, and {files} were before"));
    cluster::stop(process, &mut verdict).await?;
    Ok(verdict)
}

/// A worker that is about to be killed.
#[derive(Clone, Copy, Debug)]
struct Victim {
    pid: u32,
    slot: u32,
}

/// One that serves. One that was killed just now may still be said to.
async fn choose(
    operator: &Operator,
    random: &mut StdRng,
    killed: &BTreeSet<u32>,
) -> Result<Victim, BoxError> {
    let alive = |seen: &Workers| -> Vec<Victim> {
        let ready = seen.ready().into_iter();
        let victims = ready.filter_map(|it| Some(Victim { pid: it.pid?, slot: it.slot }));
        victims.filter(|victim| !killed.contains(&victim.pid)).collect()
    };
    let limit = Duration::from_secs(20);
    let workers = operator.until(limit, |seen| alive(seen).len() >= WORKERS - 1).await?;
    let victims = alive(&workers);
    Ok(victims[random.random_range(0..victims.len())])
}

impl Victim {
    /// Kills it, and has it accept nothing for a while before if its queue is to be known.
    async fn kill(self, stopped: bool) -> Result<Harm, BoxError> {
        let begun = if stopped {
            let begun = kill(self.pid, Signal::STOP)?;
            sleep(STOPPED).await;
            begun
        } else {
            Instant::now()
        };
        let ended = kill(self.pid, Signal::KILL)?;
        Ok(Harm { pid: Some(self.pid), begun, ended })
    }
}

/// How soon the places were taken.
fn heirs(verdict: &mut Verdict, seen: &Seen, harms: &[Harm], slots: &[u32]) {
    let (mut started, mut ready) = (Vec::new(), Vec::new());
    for (harm, slot) in harms.iter().zip(slots) {
        let Some(heir) = seen.heir(*slot, harm.ended) else {
            verdict.require(false, || format!("nobody was seen to take the place in slot {slot}"));
            continue;
        };
        started.push(heir.started.saturating_duration_since(harm.ended));
        ready.extend(heir.ready.map(|ready| ready.saturating_duration_since(harm.ended)));
    }
    let worst = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times.get(times.len() * 99 / 100).copied().unwrap_or_default()
    };
    let (started, ready) = (worst(&mut started), worst(&mut ready));
    verdict.figure(format_args!("p99 {started:.0?} to the next start, {ready:.0?} until ready"));
    verdict.require(started <= STARTED, || {
        format!("the next worker was started {started:?} after the end of the last")
    });
}

/// How many files the process has open when nobody asks it anything.
async fn settled(process: &Process) -> Result<usize, BoxError> {
    let mut least = process.open_files()?;
    for _ in 0..20 {
        sleep(Duration::from_millis(10)).await;
        least = least.min(process.open_files()?);
    }
    Ok(least)
}

/// R5: the primary is killed, and a service manager that keeps its sockets starts it again.
pub(crate) async fn primary(setting: Setting) -> Result<Verdict, BoxError> {
    let (mut verdict, kills) = (Verdict::default(), setting.times_among(10, 4, 100));
    let program = cluster::door(cluster::program(setting, 2)?);
    let free = TcpListener::bind((program.ip(), 0))?.local_addr()?;
    let program = program.set("http.addr", free);
    let manager = Manager::new(program.place())?;
    let program = program.managed_by(&manager);
    let mut process = program.clone().start().await?;
    let load = Plan::mixed(128, Duration::from_millis(400), setting.seed).start(&process.dial());
    load.history.reaches(500).await;
    let (rate, mut done, mut slowest) = (load.rate(), 0, Duration::ZERO);
    for _ in 0..kills {
        let old = process.operator().workers().await?;
        let killed = process.signal(Signal::KILL)?;
        process.ended(Duration::from_secs(5)).await?;
        verdict.require(manager.kept() >= 2, || format!("{} sockets are kept", manager.kept()));
        // It holds its place: had the lock not been free, it would not start.
        process = program.clone().start().await?;
        let orphans: Vec<u32> = old.workers.iter().filter_map(|worker| worker.pid).collect();
        let gone = cluster::gone(&process, &orphans, killed + ORPHANED).await;
        verdict.require(gone.is_some(), || "workers outlived their primary by 6 s".to_owned());
        slowest = slowest.max(gone.unwrap_or(killed + ORPHANED) - killed);
        done += 1;
        cluster::answers_at_the_door(process.place(), &mut verdict).await;
        load.history.reaches(load.history.len() + 200).await;
    }
    let records = load.stop().await.records();
    verdict.load(rate);
    verdict.injected("kills", kills, done);
    verdict.figure(format_args!("orphans gone after {slowest:.1?}"));
    verdict.nothing_lost(&records);
    cluster::stop(process, &mut verdict).await?;
    cluster::no_door(program.place(), &mut verdict);
    Ok(verdict)
}
