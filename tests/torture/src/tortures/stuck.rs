//! Workers that live and do nothing.

use std::{fs, time::Duration};

use rustix::process::Signal;
use tokio::time::{Instant, sleep_until};

use super::cluster::{self, Harm};
use crate::{
    BoxError,
    client::{Connection, Dial, request},
    history::{Outcome, Record},
    load::Plan,
    process::{Process, Workers, kill},
    suite::Setting,
    verdict::Verdict,
};

const WORKERS: usize = 3;

/// How soon a worker that says nothing has to be noticed.
const NOTICED: Duration = Duration::from_secs(6);

/// How soon after that its place has to be taken; a start takes its time.
const TAKEN: Duration = Duration::from_secs(3);

/// How long the worker sleeps.
const ASLEEP: Duration = Duration::from_secs(10);

/// How soon after it wakes up it has to be gone.
const GONE: Duration = Duration::from_secs(2);

/// How soon a worker that is stuck has to be gone.
const ENDED: Duration = Duration::from_secs(11);

/// How long a worker that is well may take for an answer, on a machine that is busy.
const WELL: Duration = Duration::from_secs(2);

/// R6: a worker is stopped for ten seconds, and goes on then.
pub(crate) async fn asleep(setting: Setting) -> Result<Verdict, BoxError> {
    let mut verdict = Verdict::default();
    let process = cluster::program(setting, WORKERS)?.start().await?;
    let operator = process.operator().clone();
    let load = Plan::mixed(64, Duration::from_millis(300), setting.seed).start(&process.dial());
    load.history.reaches(500).await;
    let (rate, before) = (load.rate(), operator.workers().await?);
    let victim = before.workers[1].pid.ok_or("a worker without a process")?;
    let begun = kill(victim, Signal::STOP)?;
    let noticed = process.log().until(0, "\"reason\":\"silent\"").await?.at - begun;
    let taken = replaced(&process, &before, victim, begun).await?;
    sleep_until(begun + ASLEEP).await;
    let woken = kill(victim, Signal::CONT)?;
    let Some(gone) = cluster::gone(&process, &[victim], woken + GONE).await else {
        verdict.require(false, || "it lives on after it was replaced".to_owned());
        return Ok(verdict);
    };
    let after = operator.until(WELL, |seen| seen.are(WORKERS)).await?;
    let records = load.stop().await.records();
    verdict.load(rate);
    verdict.figure(format_args!("noticed after {noticed:.1?}, replaced after {taken:.1?}"));
    verdict.require(noticed <= NOTICED, || format!("it was noticed after {noticed:?}"));
    verdict.require(taken <= NOTICED + TAKEN, || format!("it was replaced after {taken:?}"));
    let harm = Harm { pid: Some(victim), begun, ended: gone };
    cluster::only_in_hand(&mut verdict, &records, &[harm]);
    others(&mut verdict, &before, &after, victim, &records, harm);
    cluster::stop(process, &mut verdict).await?;
    Ok(verdict)
}

/// R7: a worker whose runtime has no thread left that does anything.
pub(crate) async fn blocked(setting: Setting) -> Result<Verdict, BoxError> {
    let mut verdict = Verdict::default();
    let process = cluster::program(setting, WORKERS)?.start().await?;
    let operator = process.operator().clone();
    let load = Plan::mixed(64, Duration::from_millis(300), setting.seed).start(&process.dial());
    load.history.reaches(500).await;
    let (rate, before) = (load.rate(), operator.workers().await?);
    let (victim, mut connection) = meet(&process.dial()).await?;
    connection.send(&request("POST", "/block", "keep-alive", b"")).await?;
    let begun = Instant::now();
    let taken = match replaced(&process, &before, victim, begun).await {
        Ok(taken) => taken,
        Err(never) => {
            verdict.require(false, || format!("who is stuck was not replaced: {never}"));
            return Ok(verdict);
        }
    };
    let gone = cluster::gone(&process, &[victim], begun + ENDED).await;
    let after = operator.until(WELL, |seen| seen.are(WORKERS)).await?;
    let records = load.stop().await.records();
    verdict.load(rate);
    verdict.require(gone.is_some(), || format!("it lives on {ENDED:?} after it was stuck"));
    let ended = gone.unwrap_or(begun + ENDED);
    verdict.require(taken <= ENDED, || format!("it was replaced after {taken:?}"));
    verdict.figure(format_args!("replaced after {taken:.1?}, gone after {:.1?}", ended - begun));
    let wrote = process.log().find("a worker is stuck, and wrote a dump").is_some();
    let dumps = fs::read_dir(process.place().path())?.flatten();
    let dump = dumps.filter(|file| file.file_name().to_string_lossy().contains("dump")).count();
    verdict.figure(format_args!("{dump} dumps"));
    verdict.require(wrote && dump > 0, || "there is no dump of the worker".to_owned());
    let harm = Harm { pid: Some(victim), begun, ended };
    cluster::only_in_hand(&mut verdict, &records, &[harm]);
    others(&mut verdict, &before, &after, victim, &records, harm);
    cluster::stop(process, &mut verdict).await?;
    Ok(verdict)
}

/// A connection to a worker, and which one that is.
async fn meet(dial: &Dial) -> Result<(u32, Connection), BoxError> {
    let failed = |outcome: Outcome| format!("{outcome:?}");
    let mut connection = dial.connect().await.map_err(failed)?;
    let answer = connection.request(&request("GET", "/who", "keep-alive", b"")).await;
    let text = answer.map_err(failed)?.text();
    let pid = text.split(' ').nth(2).ok_or("an answer without a process")?.parse()?;
    Ok((pid, connection))
}

/// How long it takes until another process is ready in the slot of `victim`.
async fn replaced(
    process: &Process,
    before: &Workers,
    victim: u32,
    begun: Instant,
) -> Result<Duration, BoxError> {
    let slot = before.workers.iter().find(|worker| worker.pid == Some(victim));
    let slot = slot.ok_or("nobody knows this worker")?.slot;
    let taken = |seen: &Workers| {
        seen.ready().iter().any(|worker| worker.slot == slot && worker.pid != Some(victim))
    };
    process.operator().until(ENDED + TAKEN, taken).await?;
    Ok(begun.elapsed())
}

/// Requires that the other slots have noticed nothing.
fn others(
    verdict: &mut Verdict,
    before: &Workers,
    after: &Workers,
    victim: u32,
    records: &[Record],
    harm: Harm,
) {
    for worker in before.workers.iter().filter(|worker| worker.pid != Some(victim)) {
        let lives = after.workers.iter().any(|now| now.pid == worker.pid);
        verdict.require(lives, || format!("the worker in slot {} was replaced", worker.slot));
        let of_it = records.iter().filter(|record| record.by == worker.pid);
        let meanwhile = of_it.filter(|it| it.returned > harm.begun && it.returned < harm.ended);
        let on_its_connections = meanwhile.filter(|record| record.established);
        let took: Vec<_> = on_its_connections.map(|it| it.returned - it.invoked).collect();
        let longest = took.iter().max().copied().unwrap_or_default();
        verdict.require(!took.is_empty() && longest <= WELL, || {
            format!("slot {}: {} answers, the slowest {longest:?}", worker.slot, took.len())
        });
    }
}
