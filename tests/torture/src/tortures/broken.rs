//! Workers that cannot start, and workers that do not live long.

use std::{process::Output, time::Duration};

use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use super::cluster::{self, Harm, Watch};
use crate::{
    BoxError,
    load::Plan,
    process::{Process, kill},
    suite::Setting,
    verdict::Verdict,
};

/// How many workers there are.
const WORKERS: usize = 2;

/// How long a cluster may try to start that cannot.
const GIVEN_UP: Duration = Duration::from_secs(10);

/// How often the first worker of a place is tried.
const ATTEMPTS: usize = 3;

/// How long anything may take that is not judged by that.
const LIMIT: Duration = Duration::from_secs(30);

/// S1: every worker panics, fails, or crashes before it is ready.
pub(crate) async fn at_boot(setting: Setting) -> Result<Verdict, BoxError> {
    let (mut verdict, rounds) = (Verdict::default(), setting.times_among(10, 2, 100));
    let (mut done, mut slowest) = (0, Duration::ZERO);
    for _ in 0..rounds {
        for (sin, code, words) in [
            ("panic", 70, "it was told to panic"),
            ("fail", 70, "it was told to fail"),
            ("crash", 70, "no worker serves"),
        ] {
            let program = cluster::program(setting, WORKERS)?.set("boot.sin", sin);
            let (place, began) = (program.clone(), Instant::now());
            let ended = program.spawn()?.ended(GIVEN_UP * 3 / 2).await?;
            slowest = slowest.max(ended.at - began);
            verdict.require(ended.code() == Some(code), || {
                format!("it ended with {} where workers {sin}", ended.status)
            });
            let tail = ended.log.find(words).is_some();
            verdict.require(tail, || format!("nobody learns why:\n{}", ended.log.last_words()));
            let attempts = attempts(&ended.log);
            let all = ATTEMPTS..=ATTEMPTS * WORKERS;
            verdict.require(all.contains(&attempts), || {
                format!("{attempts} workers were started of {WORKERS} that {sin}")
            });
            let left = place.place().processes();
            verdict.require(left.is_empty(), || format!("processes are left: {left:?}"));
            done += 1;
        }
    }
    verdict.injected("clusters that cannot start", 3 * rounds, done);
    verdict.figure(format_args!("given up after at most {slowest:.1?}"));
    verdict.require(slowest <= GIVEN_UP, || format!("it was tried for {slowest:?}"));
    Ok(verdict)
}

/// What is said of a cluster that restarts too much.
const DEGRADED: &str = "workers end too often";

/// What is said of a worker that has ended.
const ENDED: [&str; 2] = ["\"a worker ended", "\"a worker was ended"];

/// How many workers have ended.
fn attempts(log: &crate::process::Log) -> usize {
    log.from(0).iter().filter(|line| ENDED.iter().any(|how| line.text.contains(how))).count()
}

/// S2: one of four workers ends as soon as it is started, for a minute; the others go on, and answer
/// whoever comes to its socket. Ten minutes pass in a test of the supervisor, by a clock that does
/// not wait.
pub(crate) async fn one_slot(setting: Setting) -> Result<Verdict, BoxError> {
    const SLOT: u32 = 3;
    // In less time, nobody could start again too often.
    let (mut verdict, seconds) = (Verdict::default(), setting.times_among(60, 8, 600).max(4));
    let program = cluster::program(setting, 4)?;
    program.place().configure("")?;
    let process = program.start().await?;
    let operator = process.operator().clone();
    let load = Plan::mixed(64, Duration::from_millis(300), setting.seed).start(&process.dial());
    load.history.reaches(500).await;
    let rate = load.rate();
    let old = operator.workers().await?;
    process.place().configure(format!("[cluster.slots.{SLOT}.set]\n\"boot.sin\" = \"crash\"\n"))?;
    operator.must("reload").await?;
    let victim = old.workers.iter().find(|worker| worker.slot == SLOT).and_then(|it| it.pid);
    let victim = victim.ok_or("the slot has no worker")?;
    let begun = Instant::now();
    let harm = Harm { pid: Some(victim), begun, ended: kill(victim, Signal::KILL)? };
    let (until, mut fewest) = (Instant::now() + Duration::from_secs(seconds.try_into()?), 4);
    while Instant::now() < until {
        fewest = fewest.min(operator.workers().await?.ready().len());
        sleep(Duration::from_millis(50)).await;
    }
    let now = operator.workers().await?;
    let restarts: u64 = now.workers.iter().map(|worker| worker.restarts).sum();
    let said = process.log().from(0);
    let degraded = said.iter().filter(|line| line.text.contains(DEGRADED)).count();
    verdict.figure(format_args!("{restarts} restarts in {seconds} s"));
    verdict.require((3..=30).contains(&restarts), || format!("{restarts} restarts"));
    if !verdict.is_good() {
        return Ok(verdict);
    }
    process.place().configure("")?;
    operator.must("reload").await?;
    operator.until(LIMIT * 2, |seen| seen.are(4)).await?;
    let records = load.stop().await.records();
    verdict.load(rate);
    verdict.require(fewest >= 3, || format!("only {fewest} workers served at a time"));
    verdict.require(degraded <= 1, || format!("it was said {degraded} times that it is degraded"));
    let others = |workers: &crate::process::Workers| -> Vec<_> {
        let others = workers.workers.iter().filter(|worker| worker.slot != SLOT);
        others.map(|worker| (worker.pid, worker.state.clone())).collect()
    };
    verdict.require(others(&now) == others(&old), || format!("{old:?} have become {now:?}"));
    cluster::only_in_hand(&mut verdict, &records, &[harm]);
    cluster::stop(process, &mut verdict).await?;
    Ok(verdict)
}

/// S3: a generation that serves, and rolls to one that cannot start.
pub(crate) async fn roll(setting: Setting) -> Result<Verdict, BoxError> {
    let (mut verdict, rolls) = (Verdict::default(), setting.times_among(50, 6, 500));
    let program = cluster::program(setting, WORKERS)?;
    program.place().configure("")?;
    let process = program.start().await?;
    let operator = process.operator().clone();
    let load = Plan::mixed(64, Duration::from_millis(300), setting.seed).start(&process.dial());
    load.history.reaches(500).await;
    let (rate, watch, mut done) = (load.rate(), Watch::start(&operator), 0);
    let (old, mut usual) = (operator.workers().await?, None);
    for number in 0..rolls {
        let sin = ["panic", "fail", "crash"][number % 3];
        process.place().configure(format!("[boot]\nsin = \"{sin}\"\n"))?;
        let Output { status, stdout, stderr } = operator.verb("restart", LIMIT).await?;
        let said = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
        verdict.require(status.code() == Some(70) && said.contains("error["), || {
            format!("a roll to workers that {sin} ended with {status}: {said}")
        });
        if number == 2 {
            usual = Some(Spent::of(&process).await?);
        }
        if !verdict.is_good() {
            return Ok(verdict);
        }
        done += 1;
    }
    let (now, seen) = (operator.workers().await?, watch.seen().await);
    let after = Spent::of(&process).await?;
    drop(watch);
    process.place().configure("")?;
    operator.must("restart").await?;
    let records = load.stop().await.records();
    verdict.load(rate);
    verdict.injected("rolls that fail", rolls, done);
    verdict.nothing_lost(&records);
    let pids = |workers: &crate::process::Workers| -> Vec<_> {
        workers.ready().iter().map(|worker| worker.pid).collect()
    };
    // The last one that could not start may still be there to be waited for.
    verdict.require(pids(&now) == pids(&old), || {
        format!("the old workers were {old:?}, and now there are {now:?}")
    });
    let least = seen.least_ready.unwrap_or(0);
    verdict.require(least >= WORKERS, || format!("only {least} workers served at a time"));
    if let Some(usual) = usual {
        after.no_more_than(usual, &mut verdict);
    }
    cluster::stop(process, &mut verdict).await?;
    Ok(verdict)
}

/// S5: workers that are killed as soon as they are ready, thousands of them.
pub(crate) async fn mortality(setting: Setting) -> Result<Verdict, BoxError> {
    let (mut verdict, places) = (Verdict::default(), 4);
    let cycles = setting.times_among(10_000, 100, 100_000);
    let program = cluster::program(setting, places)?.set("cluster.restart.max", "1000000");
    let process = program.set("cluster.restart.backoff", "0s").start().await?;
    let operator = process.operator().clone();
    let (mut done, mut warm) = (0, None);
    // What is kept of the past, as the last restarts, has its size by then.
    let warm_up = cycles / 4;
    while done < cycles + warm_up {
        let workers = operator.until(LIMIT, |seen| seen.are(places)).await?;
        if done >= warm_up && warm.is_none() {
            warm = Some(Spent::of(&process).await?);
        }
        // One is left, or the cluster has failed.
        for pid in workers.workers.iter().skip(1).filter_map(|worker| worker.pid) {
            kill(pid, Signal::KILL)?;
            done += 1;
        }
        let killed: Vec<_> = workers.workers.iter().skip(1).filter_map(|it| it.pid).collect();
        let replaced = |seen: &crate::process::Workers| {
            let new = |pid| !killed.contains(&pid);
            seen.are(places) && seen.workers.iter().filter_map(|it| it.pid).all(new)
        };
        operator.until(LIMIT, replaced).await?;
    }
    let (warm, now) = (warm.ok_or("it never got warm")?, Spent::of(&process).await?);
    verdict.injected("workers killed", cycles, done - warm_up);
    now.no_more_than(warm, &mut verdict);
    cluster::stop(process, &mut verdict).await?;
    Ok(verdict)
}

/// What a primary has of what can run out.
#[derive(Clone, Copy, Debug)]
struct Spent {
    files: usize,
    memory: u64,
    zombies: usize,
    processes: usize,
}

impl Spent {
    /// As little as it is within a moment in which nobody asks for anything.
    async fn of(process: &Process) -> Result<Self, BoxError> {
        let mut least = Self::at_once(process)?;
        for _ in 0..20 {
            sleep(Duration::from_millis(10)).await;
            let now = Self::at_once(process)?;
            least.files = least.files.min(now.files);
            least.memory = least.memory.min(now.memory);
            least.zombies = least.zombies.min(now.zombies);
            least.processes = least.processes.min(now.processes);
        }
        Ok(least)
    }

    fn at_once(process: &Process) -> Result<Self, BoxError> {
        Ok(Self {
            files: process.open_files()?,
            memory: process.memory()?,
            zombies: process.zombies(),
            processes: process.place().processes().len(),
        })
    }

    /// Two percent more are noise, and so is a page that the kernel counts late.
    fn no_more_than(self, before: Self, verdict: &mut Verdict) {
        let (now, then) = (self.memory, before.memory);
        verdict.figure(format_args!(
            "{} files, {} KiB, before {} files, {} KiB",
            self.files,
            now / 1024,
            before.files,
            then / 1024
        ));
        verdict.require(self.files <= before.files, || {
            format!("{} files are open, and {} were before", self.files, before.files)
        });
        verdict.require(now <= then + then / 50 + NOISE, || {
            format!("it has {now} bytes, and had {then} before")
        });
        verdict.require(self.zombies == 0, || format!("{} zombies", self.zombies));
        verdict.require(self.processes <= before.processes, || {
            format!("{} processes run, and {} did before", self.processes, before.processes)
        });
    }
}

/// What the kernel may count late: it keeps numbers of pages for each processor.
const NOISE: u64 = 256 * 1024;
