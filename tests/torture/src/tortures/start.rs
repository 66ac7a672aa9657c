//! SIGTERM before there is anything to stop.

use std::{fs, os::unix::process::ExitStatusExt as _, time::Duration};

use framework_process::Instance;
use futures_util::{StreamExt as _, stream};
use rand::RngExt as _;
use rustix::process::Signal;
use tokio::time::sleep;

use super::cluster;
use crate::{BoxError, process::PID_FILE, suite::Setting, verdict::Verdict};

/// How many starts go on at a time.
const AT_ONCE: usize = 40;

/// How long a process may take to stop, wherever it was.
const STOPPED: Duration = Duration::from_secs(1);

/// R14: a signal at a random moment of a start that takes two seconds and many steps.
pub(crate) async fn interrupted(setting: Setting) -> Result<Verdict, BoxError> {
    let (mut verdict, rounds) = (Verdict::default(), setting.times(1000, 10_000));
    let mut random = setting.random(14);
    let moments: Vec<_> =
        (0..rounds).map(|_| Duration::from_micros(random.random_range(0..2_000_000))).collect();
    // Every other start is that of a cluster.
    let workers = [None, Some(2)].into_iter().cycle();
    let ends = stream::iter(moments).zip(stream::iter(workers));
    let ends = ends.map(|(moment, workers)| one(setting, moment, workers));
    let mut ends = ends.buffer_unordered(AT_ONCE);
    let (mut done, mut ready, mut before_handlers, mut slowest) = (0, 0, 0, Duration::ZERO);
    while let Some(end) = ends.next().await {
        let End { verdict: found, was_ready, by_default, took } = end?;
        verdict.absorb(found);
        done += 1;
        ready += usize::from(was_ready);
        before_handlers += usize::from(by_default);
        slowest = slowest.max(took);
    }
    verdict.injected("starts interrupted", rounds, done);
    verdict.figure(format_args!("{before_handlers} before there were handlers"));
    verdict.figure(format_args!("{ready} after it was ready"));
    verdict.figure(format_args!("slowest stop {slowest:.0?}"));
    // A start that is over before the signals come proves nothing.
    verdict.require(ready * 2 < done, || format!("{ready} of {done} had started already"));
    Ok(verdict)
}

struct End {
    verdict: Verdict,
    was_ready: bool,
    by_default: bool,
    took: Duration,
}

/// Stops a start after `moment`, and looks at what it leaves.
async fn one(setting: Setting, moment: Duration, workers: Option<usize>) -> Result<End, BoxError> {
    let mut verdict = Verdict::default();
    let program = setting.program("target")?.alone().set("boot.step", "120ms");
    let program = cluster::door(program);
    let program = if workers.is_some() { program.cluster(workers) } else { program };
    let (place, process) = (program.clone(), program.spawn()?);
    sleep(moment).await;
    let asked = process.signal(Signal::TERM)?;
    let ended = match process.ended(STOPPED * 5).await {
        Ok(ended) => ended,
        Err(error) => {
            verdict.require(false, || format!("asked after {moment:?}, {error}"));
            return Ok(End { verdict, was_ready: false, by_default: false, took: STOPPED * 5 });
        }
    };
    let took = ended.at - asked;
    verdict.require(took <= STOPPED, || format!("it took {took:?}, asked after {moment:?}"));
    let by_default = ended.status.signal() == Some(15);
    verdict.require(ended.code() == Some(0) || by_default, || {
        format!(
            "it ended with {}, asked after {moment:?}:\n{}",
            ended.status,
            ended.log.last_words()
        )
    });
    let is_left = |what: &str| format!("{what} is left of {workers:?}, asked after {moment:?}");
    let place = place.place();
    cluster::no_door(place, &mut verdict);
    let processes = place.processes();
    verdict.require(processes.is_empty(), || is_left(&format!("a process, of {processes:?},")));
    let pid_file = place.path().join(PID_FILE);
    let number = fs::read_to_string(&pid_file).unwrap_or_default();
    verdict.require(number.is_empty(), || is_left(&format!("a number, {number:?},")));
    let holder = Instance::holder(&pid_file)?;
    verdict.require(holder.is_none(), || is_left(&format!("the lock of {holder:?}")));
    let was_ready = ended.log.find(" is ready\"").is_some();
    Ok(End { verdict, was_ready, by_default, took })
}
