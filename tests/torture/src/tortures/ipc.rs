//! Processes that exchange messages, and one of them that dies, floods, or talks nonsense.

use std::{
    os::fd::OwnedFd,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use framework_process::ipc::socket_pair;
use rand::RngExt as _;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::{Instant, interval, timeout},
};

use super::cluster::{self, Harm};
use crate::{
    BoxError,
    load::Plan,
    process::{Program, memory_of},
    suite::Setting,
    verdict::Verdict,
};

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

/// How often is looked at that.
const FLOODED_LOOK: Duration = Duration::from_millis(50);

/// How many workers there are, one of which talks nonsense.
const WORKERS: usize = 2;

/// Two processes with a socket between them.
struct Talk {
    asking: Child,
    said: Lines<BufReader<ChildStdout>>,
    answering: Child,
    // Whoever is left in its place is ended with it.
    _program: Program,
}

impl Talk {
    /// Has one of them ask the other, which is given these arguments as well.
    fn start(
        setting: Setting,
        (what, number): (&str, usize),
        arguments: &[&str],
    ) -> Result<Self, BoxError> {
        let program = setting.program("talker")?;
        let (ours, theirs) = socket_pair()?;
        let start = |socket: OwnedFd, arguments: &[&str]| {
            let mut command = Command::from(program.bare());
            command.args(arguments).stdin(Stdio::from(socket)).stdout(Stdio::piped());
            // The command holds an end of the socket for as long as it lives.
            command.kill_on_drop(true).spawn()
        };
        let answering = start(theirs, arguments)?;
        let mut asking = start(ours, &["--ask", what, &number.to_string()])?;
        let said = asking.stdout.take().ok_or("it cannot be heard")?;
        Ok(Self { asking, said: BufReader::new(said).lines(), answering, _program: program })
    }

    /// What the one that asks says next.
    async fn hear<T: DeserializeOwned>(&mut self) -> Result<T, BoxError> {
        let line = timeout(LIMIT, self.said.next_line()).await??;
        Ok(serde_json::from_str(&line.ok_or("it says no more")?)?)
    }

    /// How both have ended: the one that asks, and the other.
    async fn end(mut self) -> Result<[ExitStatus; 2], BoxError> {
        let both = async { tokio::try_join!(self.asking.wait(), self.answering.wait()) };
        let (asking, answering) = timeout(LIMIT, both).await??;
        Ok([asking, answering])
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
        if let Err(never) = operator.until(LIMIT / 3, replaced).await {
            verdict.require(false, || format!("who talked nonsense was not replaced: {never}"));
            return Ok(verdict);
        }
        harms.push(Harm { pid: None, begun, ended: Instant::now() });
    }
    let records = load.stop().await.records();
    verdict.load(rate);
    verdict.injected("workers that talked nonsense", frames, harms.len());
    cluster::only_in_hand(&mut verdict, &records, &harms);
    let (warm, now) = (warm.ok_or("it never got warm")?, process.memory()?);
    verdict.figure(format_args!("{} KiB, before {} KiB", now / 1024, warm / 1024));
    verdict.require(now <= warm + (2 << 20), || format!("{now} bytes, and {warm} before"));
    cluster::stop(process, &mut verdict).await?;
    Ok(verdict)
}

/// I2: a process is killed while a thousand calls wait for its answers.
pub(crate) async fn killed(setting: Setting) -> Result<Verdict, BoxError> {
    #[derive(Deserialize)]
    struct Sent {
        early: bool,
        arrived: bool,
    }
    #[derive(Deserialize)]
    struct Told {
        gone: usize,
        others: Vec<String>,
    }
    let (mut verdict, kills) = (Verdict::default(), setting.times_among(1000, 50, 10_000));
    let (mut done, mut slowest) = (0, Duration::ZERO);
    for _ in 0..kills {
        let mut talk = Talk::start(setting, ("waiting", WAITING), &[])?;
        let Sent { early, arrived } = talk.hear().await?;
        verdict.require(!early && arrived, || "nobody can have answered".to_owned());
        talk.answering.start_kill()?;
        talk.answering.wait().await?;
        let killed = Instant::now();
        let Ok(told) = timeout(TOLD * 10, talk.hear::<Told>()).await else {
            verdict.require(false, || "who waits for an answer is not told".to_owned());
            return Ok(verdict);
        };
        slowest = slowest.max(killed.elapsed());
        let Told { gone, others } = told?;
        verdict.require(gone == WAITING && others.is_empty(), || {
            format!("{gone} calls have ended so, and others: {others:?}")
        });
        done += 1;
    }
    verdict.injected(&format!("times {WAITING} calls"), kills, done);
    verdict.figure(format_args!("the last one told after {slowest:.0?}"));
    verdict.require(slowest <= TOLD, || format!("one was told after {slowest:?}"));
    Ok(verdict)
}

/// I3: one process sends as much as there is room for, and signs of life in between.
pub(crate) async fn flood(setting: Setting) -> Result<Verdict, BoxError> {
    #[derive(Deserialize)]
    struct Flood {
        sent: u64,
        refused: u64,
        beats: u64,
        kept: u64,
        p50: u64,
        p99: u64,
    }
    let mut verdict = Verdict::default();
    let mut talk = Talk::start(setting, ("flood", setting.times_among(10, 3, 120)), &[])?;
    let Value::Object(_begins) = talk.hear().await? else { return Err("it does not begin".into()) };
    let pid = talk.answering.id().ok_or("it has ended")?;
    let before = memory_of(pid)?.ok_or("it has ended")?;
    let (mut grown, mut looks) = (0, interval(FLOODED_LOOK));
    let flood = loop {
        tokio::select! {
            flood = timeout(LIMIT * 5, talk.said.next_line()) => break flood??,
            _ = looks.tick() => {
                // Both may have ended by now, and how is asked for below.
                let now = memory_of(pid)?.unwrap_or(before);
                grown = grown.max(now.saturating_sub(before));
            }
        }
    };
    let flood = flood.ok_or("it says no more")?;
    let Flood { sent, refused, beats, kept, p50, p99 } = serde_json::from_str(&flood)?;
    let (p50, p99) = (Duration::from_micros(p50), Duration::from_micros(p99));
    verdict.figure(format_args!(
        "{sent} messages, {refused} refused, {beats} signs of life, p50 {p50:.1?}, p99 {p99:.1?}, {} KiB more",
        grown / 1024
    ));
    verdict.require(sent > 1000 && refused > 0, || format!("{sent} messages are no flood"));
    verdict.require(kept == 0, || format!("{kept} signs of life were kept from going out"));
    verdict.require(p99 <= BEAT, || format!("p99 of the signs of life is {p99:?}"));
    verdict.require(grown <= FLOODED, || format!("{grown} bytes more"));
    let ends = talk.end().await?;
    verdict.require(ends.iter().all(ExitStatus::success), || format!("they ended with {ends:?}"));
    Ok(verdict)
}

/// I5: more than can go through, and a process of another version.
pub(crate) async fn refused(setting: Setting) -> Result<Verdict, BoxError> {
    let mut verdict = Verdict::default();
    let whole = ["65535", "65536", "65537", "8388608", "too large", "too many: 254", "0"];
    let versions = [(&[][..], whole, 0), (&["--newer"][..], ["another version"; 7], 3)];
    for (arguments, expected, code) in versions {
        let mut talk = Talk::start(setting, ("much", 0), arguments)?;
        for expected in expected {
            let said: String = talk.hear().await?;
            verdict.require(said == expected, || {
                format!("of {arguments:?} it was `{said}`, and not `{expected}`")
            });
        }
        let [asking, answering] = talk.end().await?;
        let ended = asking.success() && answering.code() == Some(code);
        verdict.require(ended, || format!("{arguments:?} ended with {asking} and {answering}"));
    }
    verdict.figure("bodies up to 8 MiB, a longer one, 254 descriptors, another version");
    Ok(verdict)
}
