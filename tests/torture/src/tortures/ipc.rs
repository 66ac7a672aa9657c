//! Processes that exchange messages, and one of them that dies, floods, or talks nonsense.

use std::{
    future::poll_fn,
    os::fd::{AsFd as _, OwnedFd},
    process::{ExitStatus, Stdio},
    task::Poll,
    time::Duration,
};

use framework_process::ipc::{IpcError, Peer, To, socket_pair};
use framework_torture_target::talk::{self, Beat, Echo, Event, Never};
use futures_util::{FutureExt as _, StreamExt as _, stream::FuturesUnordered};
use rand::RngExt as _;
use tokio::{
    process::{Child, Command},
    task::{JoinSet, yield_now},
    time::{Instant, interval, timeout},
};

use super::cluster::{self, Harm};
use crate::{BoxError, load::Plan, process::memory_of, suite::Setting, verdict::Verdict};

/// How long anything may take that is not judged.
const LIMIT: Duration = Duration::from_secs(30);

/// How long those who wait for an answer may go on with that when nobody can give it any more.
const TOLD: Duration = Duration::from_millis(100);

/// How many calls wait when the other process is killed.
const WAITING: usize = 1000;

/// How late a sign of life may be in a flood.
const BEAT: Duration = Duration::from_millis(50);

/// How much memory a flood may take, in bytes: the queues on the way, full.
const FLOODED: u64 = 16 << 20;

/// How many workers there are, one of which talks nonsense.
const WORKERS: usize = 2;

/// Another process, and this end of the socket that is between them.
struct Other {
    process: Child,
    peer: Peer,
    driver: JoinSet<()>,
}

impl Other {
    fn start(setting: Setting, arguments: &[&str]) -> Result<Self, BoxError> {
        let program = setting.program("talker")?;
        let (ours, theirs) = socket_pair()?;
        let mut command = Command::new(program.binary());
        let process = command.args(arguments).stdin(Stdio::from(theirs)).kill_on_drop(true);
        let process = process.spawn()?;
        // It would hold the other end of the socket.
        drop(command);
        let (peer, driving) = Peer::open(ours, talk::handlers(false)?)?;
        let mut driver = JoinSet::new();
        driver.spawn(driving.map(drop));
        Ok(Self { process, peer, driver })
    }

    /// Ends the conversation, and tells how the other process took it.
    async fn end(mut self) -> Result<ExitStatus, BoxError> {
        self.driver.shutdown().await;
        Ok(timeout(LIMIT, self.process.wait()).await??)
    }
}

/// I1: a worker says what makes no sense. The primary lives on, and replaces it.
pub(crate) async fn nonsense(setting: Setting) -> Result<Verdict, BoxError> {
    let (mut verdict, mut random) = (Verdict::default(), setting.random(71));
    let frames = setting.times_among(60, 10, 600);
    let program = cluster::program(setting, WORKERS)?.set("cluster.restart.max", "1000000");
    let process = program.set("cluster.restart.backoff", "0s").start().await?;
    let operator = process.operator().clone();
    let load = Plan::mixed(32, Duration::from_millis(300), setting.seed).start(&process.dial());
    load.history.reaches(300).await;
    let (rate, mut harms, mut warm) = (load.rate(), Vec::new(), None);
    for number in 0..frames {
        let workers = operator.until(LIMIT, |seen| seen.are(WORKERS)).await?;
        let before: Vec<_> = workers.workers.iter().filter_map(|worker| worker.pid).collect();
        if number == frames / 4 {
            warm = Some(process.memory()?);
        }
        let (seed, length) = (random.random::<u32>(), random.random_range(1..70));
        let begun = Instant::now();
        // Whoever has said it may be gone before it answers.
        let _ = process.dial().post(&format!("/babble?seed={seed}&length={length}")).await;
        let replaced = |seen: &crate::process::Workers| {
            let kept = seen.workers.iter().filter_map(|worker| worker.pid);
            seen.are(WORKERS) && kept.filter(|pid| before.contains(pid)).count() == WORKERS - 1
        };
        if let Err(never) = operator.until(LIMIT, replaced).await {
            verdict.require(false, || format!("who talked nonsense was not replaced: {never}"));
            return Ok(verdict);
        }
        harms.push(Harm { begun, ended: Instant::now() });
    }
    let records = load.stop().await.records();
    verdict.load(rate);
    verdict.injected("workers that talked nonsense", frames, harms.len());
    cluster::only_in_hand(&mut verdict, &records, &harms);
    let (warm, now) = (warm.ok_or("it never got warm")?, process.memory()?);
    verdict.figure(format_args!("{} KiB, before {} KiB", now / 1024, warm / 1024));
    verdict.require(now <= warm + (2 << 20), || format!("{now} bytes, and {warm} before"));
    let panicked = process.log().find("panicked");
    verdict.require(panicked.is_none(), || format!("{panicked:?}"));
    cluster::stop(process, &mut verdict).await?;
    Ok(verdict)
}

/// I2: a process is killed while a thousand calls wait for its answers.
pub(crate) async fn killed(setting: Setting) -> Result<Verdict, BoxError> {
    let (mut verdict, kills) = (Verdict::default(), setting.times_among(1000, 50, 10_000));
    let (mut done, mut slowest) = (0, Duration::ZERO);
    for _ in 0..kills {
        let mut other = Other::start(setting, &[])?;
        let peer = other.peer.clone();
        let mut calls: FuturesUnordered<_> = (0..WAITING)
            .map(|_| {
                let peer = peer.clone();
                async move { peer.call(To::Peer, &Never, LIMIT).await }
            })
            .collect();
        // Each is polled once, and so is sent.
        let early = poll_fn(|cx| Poll::Ready(calls.poll_next_unpin(cx))).await;
        verdict.require(early.is_pending(), || "nobody can have answered".to_owned());
        // What came before a sign of life has arrived.
        other.peer.call(To::Peer, &Echo(vec![1]), LIMIT).await?;
        other.process.start_kill()?;
        other.process.wait().await?;
        let (killed, mut told) = (Instant::now(), 0);
        while let Some(answer) = timeout(LIMIT, calls.next()).await? {
            let gone = matches!(answer, Err(IpcError::PeerGone));
            verdict.require(gone, || format!("a call ended with {answer:?}"));
            told += 1;
        }
        slowest = slowest.max(killed.elapsed());
        verdict.require(told == WAITING, || format!("{told} calls have ended"));
        if !verdict.is_good() {
            // Each further one would wait as long.
            return Ok(verdict);
        }
        done += 1;
    }
    verdict.injected(&format!("times {WAITING} calls"), kills, done);
    verdict.figure(format_args!("the last one told after {slowest:.0?}"));
    verdict.require(slowest <= TOLD, || format!("one was told after {slowest:?}"));
    Ok(verdict)
}

/// I3: one process sends as much as there is room for, and signs of life in between.
pub(crate) async fn flood(setting: Setting) -> Result<Verdict, BoxError> {
    let mut verdict = Verdict::default();
    let time = Duration::from_secs(setting.times_among(10, 3, 120).try_into()?);
    let other = Other::start(setting, &[])?;
    other.peer.call(To::Peer, &Beat, LIMIT).await?;
    let pid = other.process.id().ok_or("it has ended")?;
    let (before, until) = (memory_of(pid)?, Instant::now() + time);
    let (mut flooding, peer) = (JoinSet::new(), other.peer.clone());
    flooding.spawn(async move {
        let (mut sent, mut refused, event) = (0_u64, 0_u64, Event("x".repeat(1024)));
        while Instant::now() < until {
            match peer.send(To::Peer, &event) {
                Ok(()) => sent += 1,
                Err(_full) => {
                    refused += 1;
                    yield_now().await;
                }
            }
        }
        (sent, refused)
    });
    let (mut took, mut ticks) = (Vec::new(), interval(Duration::from_millis(10)));
    while Instant::now() < until {
        ticks.tick().await;
        let began = Instant::now();
        other.peer.call(To::Peer, &Beat, LIMIT).await?;
        took.push(began.elapsed());
    }
    let (sent, refused) = flooding.join_next().await.ok_or("nobody floods")??;
    took.sort_unstable();
    let at = |part: usize| took.get(took.len() * part / 100).copied().unwrap_or_default();
    let (p50, p99) = (at(50), at(99));
    let grown = memory_of(pid)?.saturating_sub(before);
    verdict.figure(format_args!(
        "{sent} messages, {refused} refused, {} signs of life, p50 {p50:.1?}, p99 {p99:.1?}, {} KiB more",
        took.len(),
        grown / 1024
    ));
    verdict.require(sent > 1000 && refused > 0, || format!("{sent} messages are no flood"));
    verdict.require(p99 <= BEAT, || format!("p99 of the signs of life is {p99:?}"));
    verdict.require(grown <= FLOODED, || format!("{grown} bytes more"));
    let status = other.end().await?;
    verdict.require(status.success(), || format!("the flooded process ended with {status}"));
    Ok(verdict)
}

/// I5: more than can go through, and a process of another version.
pub(crate) async fn refused(setting: Setting) -> Result<Verdict, BoxError> {
    let mut verdict = Verdict::default();
    let other = Other::start(setting, &[])?;
    for length in [(64 << 10) - 1, 64 << 10, (64 << 10) + 1, 8 << 20] {
        let back = other.peer.call(To::Peer, &Echo(vec![7; length]), LIMIT).await?;
        verdict.require(back.len() == length, || format!("of {length} bytes {}", back.len()));
    }
    let long = other.peer.call(To::Peer, &Echo(vec![7; 17 << 20]), LIMIT).await;
    verdict.require(matches!(long, Err(IpcError::TooLarge { .. })), || format!("17 MiB: {long:?}"));
    let null = std::fs::File::open("/dev/null")?;
    let many =
        (0..254).map(|_| null.as_fd().try_clone_to_owned()).collect::<Result<Vec<OwnedFd>, _>>();
    let many = other.peer.call_with_descriptors(To::Peer, &Beat, many?, LIMIT).await;
    let many = many.map(drop);
    let is_told = matches!(many, Err(IpcError::TooManyDescriptors { length: 254, .. }));
    verdict.require(is_told, || format!("254 descriptors: {many:?}"));
    other.peer.call(To::Peer, &Beat, LIMIT).await?;
    verdict.require(other.end().await?.success(), || "it did not end in order".to_owned());
    let newer = Other::start(setting, &["--newer"])?;
    let skewed = newer.peer.call(To::Peer, &Beat, LIMIT).await;
    verdict.require(matches!(skewed, Err(IpcError::Version)), || format!("{skewed:?}"));
    let status = newer.end().await?;
    verdict.require(status.code() == Some(3), || format!("the newer one ended with {status}"));
    verdict.figure("bodies up to 8 MiB, a longer one, 254 descriptors, another version");
    Ok(verdict)
}
