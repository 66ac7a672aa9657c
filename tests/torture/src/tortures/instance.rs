//! One PID file, and many who want it.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, PipeWriter, Write as _},
    net::TcpListener,
    os::unix::{fs::symlink, process::ExitStatusExt as _},
    process::{Command, ExitStatus},
    sync::Arc,
    time::Duration,
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use rand::{RngExt as _, rngs::StdRng};
use rustix::process::Signal;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use super::cluster;
use crate::{
    BoxError,
    process::{Line, PID_FILE, Place, Process, Program},
    suite::Setting,
    verdict::Verdict,
};

/// How many start at a time; and of those that have more to do until they lose, so that two
/// processors get them that far in time.
const STARTS: usize = 64;
const APPLICATIONS: usize = 16;

/// What takes a PID file and does nothing else, and what does so on its way to serve.
const HOLDER: &str = "holder";
const APPLICATION: &str = "hello";

/// The exit codes of those that another one was faster than, and of those that have no chance.
const HELD: i32 = 75;
const UNUSABLE: i32 = 71;

/// How long it may take to lose, for most of them: the last ones wait for a processor.
const LOST: Duration = Duration::from_secs(1);

/// How long those may live on whose primary was killed.
const ORPHANED: Duration = Duration::from_secs(6);

/// What has workers.
const CLUSTER: &str = "a cluster";

/// How much longer than another one a start may take after the last process was killed.
const LATER: Duration = Duration::from_millis(200);

/// What the file was left as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Absent,
    Stale,
    Garbage,
    Stranger,
    Symlink,
    Directory,
}

// ===== impl Left =====

impl Left {
    const ALL: [Self; 6] =
        [Self::Absent, Self::Stale, Self::Garbage, Self::Stranger, Self::Symlink, Self::Directory];

    /// Leaves it like that.
    fn make(self, place: &Place, stranger: u32, random: &mut StdRng) -> io::Result<()> {
        let path = place.path().join(PID_FILE);
        match self {
            Self::Absent => match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            },
            Self::Stale => fs::write(path, format!("{}\n", ended()?)),
            Self::Garbage => {
                let length = random.random_range(0..100);
                let garbage: Vec<u8> = (0..length).map(|_| random.random()).collect();
                fs::write(path, garbage)
            }
            Self::Stranger => fs::write(path, format!("{stranger}\n")),
            Self::Symlink => match symlink("elsewhere.pid", path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
                _ => fs::write(place.path().join("elsewhere.pid"), "1\n"),
            },
            Self::Directory => fs::create_dir_all(path),
        }
    }

    /// Whether it is still what it was, as far as a winner may not change that.
    fn is_kept(self, place: &Place) -> bool {
        let path = place.path().join(PID_FILE);
        let is =
            |test: fn(&fs::Metadata) -> bool| fs::symlink_metadata(path).is_ok_and(|it| test(&it));
        match self {
            Self::Symlink => is(fs::Metadata::is_symlink),
            Self::Directory => is(fs::Metadata::is_dir),
            _ => is(fs::Metadata::is_file),
        }
    }
}

/// The number of a process that there is no more.
fn ended() -> io::Result<u32> {
    let mut child = Command::new("/bin/true").spawn()?;
    child.wait()?;
    Ok(child.id())
}

/// P1: sixty-four starts at the same moment, whatever state the PID file is in. Most of them are of
/// a program that takes the file as an application does and nothing else; some are applications.
pub(crate) async fn simultaneous(setting: Setting) -> Result<Verdict, BoxError> {
    let (mut verdict, mut random) = (Verdict::default(), setting.random(51));
    let rounds = setting.times_among(200, 3, 2000);
    let real = setting.times_among(5, 1, 50);
    let mut stranger = tokio::process::Command::new("/bin/sleep");
    let mut stranger = stranger.arg("86400").kill_on_drop(true).spawn()?;
    let number = stranger.id().ok_or("the stranger has no id")?;
    let (mut done, mut slowest) = (0, Duration::ZERO);
    for left in Left::ALL {
        for (name, starts, rounds) in [(HOLDER, STARTS, rounds), (APPLICATION, APPLICATIONS, real)]
        {
            let program = setting.program(name)?.alone();
            // An application keeps its file in the directory that it is given.
            let winners = usize::from(left != Left::Directory || name == APPLICATION);
            for _ in 0..rounds {
                left.make(program.place(), number, &mut random)?;
                slowest =
                    slowest.max(round(&program, left, [starts, winners], &mut verdict).await?);
                if !verdict.is_good() {
                    // Each further one would wait for losers that are none.
                    return Ok(verdict);
                }
                done += 1;
            }
        }
    }
    verdict.injected("rounds", (rounds + real) * Left::ALL.len(), done);
    verdict.figure(format_args!("slowest loser {slowest:.0?}"));
    // Any signal but one that nobody sends would have ended it.
    let lives = stranger.try_wait()?.is_none();
    verdict.require(lives, || "a process was sent a signal that had nothing to do with it".into());
    stranger.kill().await?;
    Ok(verdict)
}

/// How long the slowest of the losers took.
async fn round(
    program: &Program,
    left: Left,
    [starts, winners]: [usize; 2],
    verdict: &mut Verdict,
) -> Result<Duration, BoxError> {
    let (gate, closed) = io::pipe()?;
    let program = program.clone().behind(&Arc::new(gate));
    let mut processes = Vec::new();
    for _ in 0..starts {
        processes.push(program.clone().spawn()?);
    }
    drop(program);
    let ends = race(&mut processes, closed, starts - winners).await?;
    let code = if winners == 0 { UNUSABLE } else { HELD };
    let losers = ends.iter().filter(|end| end.status.code() == Some(code)).count();
    verdict.require(losers == starts - winners, || {
        let others = ends.iter().filter(|end| end.status.code() != Some(code));
        let others: BTreeSet<_> = others.map(|end| end.status.to_string()).collect();
        format!("{losers} of {starts} have lost where the file is {left:?}; others: {others:?}")
    });
    let mut took: Vec<_> = ends.iter().map(|end| end.took).collect();
    took.sort_unstable();
    let at = |part: usize| took.get(took.len() * part / 100).copied().unwrap_or_default();
    let (usual, slowest) = (at(50), at(99));
    verdict.require(usual <= LOST && slowest <= LOST * 3, || {
        format!("it took {usual:?} to lose, and {slowest:?} at the most, of {starts}")
    });
    verdict.require(left.is_kept(processes[0].place()), || format!("{left:?} was replaced"));
    for process in processes {
        if ends.iter().all(|end| end.pid != process.pid()) {
            won(process, verdict).await?;
        }
    }
    Ok(slowest)
}

/// Somebody who has not won.
struct End {
    pid: u32,
    status: ExitStatus,
    took: Duration,
}

/// Opens the gate, and waits until so many have ended, or no more of them do.
async fn race(
    processes: &mut [Process],
    gate: PipeWriter,
    losers: usize,
) -> Result<Vec<End>, BoxError> {
    let began = Instant::now();
    drop(gate);
    let ends = processes.iter_mut().map(async |process| {
        let (status, at) = process.exit().await?;
        Ok::<_, BoxError>(End { pid: process.pid(), status, took: at - began })
    });
    let mut ends: FuturesUnordered<_> = ends.collect();
    let mut ended = Vec::new();
    while ended.len() < losers
        && let Ok(Some(end)) = timeout(LOST * 4, ends.next()).await
    {
        ended.push(end?);
    }
    Ok(ended)
}

/// Requires that the file names the one that has won, and makes room for the next.
async fn won(process: Process, verdict: &mut Verdict) -> Result<(), BoxError> {
    let mut path = process.place().path().join(PID_FILE);
    if path.is_dir() {
        path.push(format!("{APPLICATION}.pid"));
    }
    let (pid, named) = (process.pid(), fs::read_to_string(path).unwrap_or_default());
    verdict.require(named.trim() == pid.to_string(), || {
        format!("{pid} holds the file, which says {named:?}")
    });
    process.signal(Signal::KILL)?;
    process.ended(LOST * 10).await?;
    Ok(())
}

/// P2: sixteen at a time that start and end all the while, some of them killed. All say in one file
/// when they hold the place, and so does whoever kills them, before the kill.
pub(crate) async fn churn(setting: Setting) -> Result<Verdict, BoxError> {
    let mut verdict = Verdict::default();
    let time = Duration::from_secs(setting.times_among(30, 5, 600).try_into()?);
    let program = setting.program(HOLDER)?.alone().argument("--witness").argument(WITNESS);
    let until = Instant::now() + time;
    let mut churning = JoinSet::new();
    for number in 0..CHURNING {
        let (program, random) = (program.clone(), setting.random(60 + number));
        churning.spawn(churned(program, random, until));
    }
    let mut ends = [0; 4];
    while let Some(done) = churning.join_next().await {
        ends.iter_mut().zip(done??).for_each(|(sum, number)| *sum += number);
    }
    let [held, lost, killed, otherwise] = ends;
    let said = fs::read_to_string(program.place().path().join(WITNESS))?;
    let (begun, overlaps) = overlaps(&said);
    verdict.figure(format_args!(
        "{begun} times held, {held} to the end, {lost} lost, {killed} killed"
    ));
    verdict.require(overlaps == 0, || format!("{overlaps} times two held the place"));
    verdict.require(otherwise == 0, || format!("{otherwise} ended in another way"));
    // Whoever is never refused has met nobody.
    let fewest = CHURNING.min(held).min(lost).min(killed);
    verdict.require(fewest == CHURNING, || "they hardly met".to_owned());
    Ok(verdict)
}

/// How many start and end all the while.
const CHURNING: u64 = 16;

/// Where they say that they hold the place.
const WITNESS: &str = "witness";

/// The longest time that one of them holds the place, or lives until it is killed.
const HELD_FOR: u64 = 20;

/// Starts one after the other, and counts how they end: held, lost, killed, in another way.
async fn churned(
    program: Program,
    mut random: StdRng,
    until: Instant,
) -> Result<[u64; 4], BoxError> {
    let mut ends = [0; 4];
    while Instant::now() < until {
        let hold = random.random_range(0..HELD_FOR);
        let mut process = program.clone().argument("--hold").argument(hold.to_string()).spawn()?;
        if random.random_bool(0.25) {
            let life = Duration::from_millis(random.random_range(0..HELD_FOR));
            if timeout(life, process.exit()).await.is_err() {
                let pid = process.pid();
                testify(program.place(), &format!("kill {pid}\n"))?;
                process.signal(Signal::KILL)?;
                process.exit().await?;
                testify(program.place(), &format!("gone {pid}\n"))?;
            }
        }
        let (status, _) = timeout(LOST * 10, process.exit()).await??;
        let end = match (status.code(), status.signal()) {
            (Some(0), _) => 0,
            (Some(HELD), _) => 1,
            (_, Some(_)) => 2,
            _ => 3,
        };
        ends[end] += 1;
    }
    Ok(ends)
}

fn testify(place: &Place, line: &str) -> io::Result<()> {
    let witness = place.path().join(WITNESS);
    fs::OpenOptions::new().append(true).create(true).open(witness)?.write_all(line.as_bytes())
}

/// How often somebody began to hold the place, and how often while another one did. Whoever is said
/// to be killed may still say that it begins before it is.
fn overlaps(said: &str) -> (usize, usize) {
    let (mut holder, mut dying) = (None, BTreeSet::new());
    let (mut begun, mut overlaps) = (0, 0);
    for (what, pid) in said.lines().filter_map(|line| line.split_once(' ')) {
        if what == "begin" {
            begun += 1;
            overlaps += usize::from(holder.is_some());
            holder = (!dying.contains(pid)).then_some(pid);
            continue;
        }
        match what {
            "kill" => dying.insert(pid),
            _ => dying.remove(pid),
        };
        holder = holder.filter(|holder| *holder != pid);
    }
    (begun, overlaps)
}

/// INIT: the first process of a container, to which an orphan is given that ends.
pub(crate) async fn orphans(setting: Setting) -> Result<Verdict, BoxError> {
    let mut verdict = Verdict::default();
    let target = setting.program("target")?;
    let target = target.binary().to_str().ok_or("no text")?.to_owned();
    let process = setting.program("init")?.argument(target).start().await?;
    let began = Instant::now();
    while process.zombies() == 0 && began.elapsed() < ORPHANED {
        sleep(LOOK).await;
    }
    verdict.require(process.zombies() == 1, || "no orphan was given to it".to_owned());
    while process.zombies() > 0 && began.elapsed() < ORPHANED + REAPED {
        sleep(LOOK).await;
    }
    verdict.figure(format_args!("gone after {:.1?}", began.elapsed()));
    verdict.require(process.zombies() == 0, || "nobody waits for the orphan".to_owned());
    cluster::stop(process, &mut verdict).await?;
    Ok(verdict)
}

/// How long it may take until an orphan that has ended is waited for, and how often is looked.
const REAPED: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(20);

/// P3: whoever holds the file is killed, and started again; and a cluster, whose workers are still
/// there then.
pub(crate) async fn again(setting: Setting) -> Result<Verdict, BoxError> {
    let mut verdict = Verdict::default();
    let kills = setting.times_among(20, 4, 500);
    let alone = cluster::soon(setting.program("target")?);
    let mut done = killed(&mut verdict, "one process", alone, kills).await?;
    done += killed(&mut verdict, CLUSTER, cluster::program(setting, 2)?, kills).await?;
    verdict.injected("kills", 2 * kills, done);
    Ok(verdict)
}

/// Requests that are in hand for a while.
async fn busy(process: &Process) -> Result<JoinSet<()>, BoxError> {
    let (mut asked, mut said) = (JoinSet::new(), process.log().len());
    for _ in 0..2 {
        let dial = process.dial();
        asked.spawn(async move {
            // Whoever is killed does not answer.
            let _ = dial.get("/begun?number=0&ms=2000").await;
        });
        let has = |line: &Line| line.text.contains("a request was begun");
        process.log().until_some(said, has, "that a request was begun").await?;
        said = process.log().len();
    }
    Ok(asked)
}

async fn killed(
    verdict: &mut Verdict,
    what: &str,
    program: Program,
    kills: usize,
) -> Result<usize, BoxError> {
    let free = TcpListener::bind((program.ip(), 0))?.local_addr()?;
    let program = program.set("http.addr", free);
    let mut before = Vec::new();
    for _ in 0..5 {
        let began = Instant::now();
        let process = program.clone().start().await?;
        before.push(began.elapsed());
        cluster::stop(process, verdict).await?;
    }
    let mut process = program.clone().start().await?;
    let (mut after, mut orphans) = (Vec::new(), 0);
    for _ in 0..kills {
        let workers = program.place().processes();
        let in_hand = busy(&process).await?;
        process.signal(Signal::KILL)?;
        // What it leaves behind may still say something: only its own end is waited for.
        process.exit().await?;
        let began = Instant::now();
        let heir = match program.clone().start().await {
            Ok(heir) => heir,
            Err(error) => {
                verdict.require(false, || format!("{what} does not start after a kill: {error}"));
                return Ok(kills);
            }
        };
        after.push(began.elapsed());
        orphans += program.place().processes().iter().filter(|it| workers.contains(it)).count();
        drop((in_hand, std::mem::replace(&mut process, heir)));
        verdict.require(process.http == free, || format!("it listens at {}", process.http));
        let answer = process.dial().get("/").await;
        verdict.require(answer.is_ok(), || format!("after a kill, {what} answered {answer:?}"));
    }
    let (before, after) = (median(before), median(after));
    verdict.figure(format_args!(
        "{what}: {before:.0?} to start, {after:.0?} after a kill, {orphans} orphans met"
    ));
    // Those of a cluster finish what they have in hand.
    verdict.require(orphans >= kills || what != CLUSTER, || format!("only {orphans} orphans"));
    verdict.require(after <= before + LATER, || {
        format!("{what} took {after:?} to start after a kill, and {before:?} otherwise")
    });
    process.stop().await?;
    let empty = program.place().empty(ORPHANED).await;
    verdict.require(empty.is_some(), || {
        format!("processes are left of {what}: {:?}", program.place().processes())
    });
    Ok(kills)
}

/// What a machine with other work to do makes of the slowest says nothing.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_begins_before_the_last_one_ended_or_was_killed_overlaps() {
        assert_eq!(overlaps("begin 1\nend 1\nbegin 2\nkill 2\nbegin 3\nend 3\n"), (3, 0));
        assert_eq!(overlaps("kill 1\nbegin 1\nbegin 2\ngone 1\nend 2\nbegin 3\n"), (3, 0));
        assert_eq!(overlaps("kill 1\ngone 1\nbegin 1\nbegin 2\n"), (2, 1));
        assert_eq!(overlaps("begin 1\nkill 2\nend 2\nbegin 3\nend 1\nbegin 4\n"), (3, 2));
    }
}
