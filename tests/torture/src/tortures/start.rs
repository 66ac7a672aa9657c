//! SIGTERM before there is anything to stop.

use std::{fs, os::unix::process::ExitStatusExt as _, time::Duration};

use futures_util::{StreamExt as _, stream};
use rand::RngExt as _;
use rustix::process::Signal;
use tokio::time::sleep;

use crate::{BoxError, suite::Setting, verdict::Verdict};

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
    let ends = stream::iter(moments).map(|moment| one(setting, moment));
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

async fn one(setting: Setting, moment: Duration) -> Result<End, BoxError> {
    let mut verdict = Verdict::default();
    let program = setting.program("target")?.set("boot.step", "120ms");
    let process = program.set("http.also", "[\"unix:app.sock\"]").spawn()?;
    sleep(moment).await;
    let asked = process.signal(Signal::TERM)?;
    let pid = process.pid();
    let ended = process.ended(Duration::from_secs(10)).await?;
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
    let socket = ended.place.path().join("app.sock");
    verdict.require(!socket.exists(), || format!("the socket's file is left, after {moment:?}"));
    verdict.require(!has_children(pid), || format!("a child is left, after {moment:?}"));
    let was_ready = ended.log.find(" is ready\"").is_some();
    Ok(End { verdict, was_ready, by_default, took })
}

/// Whether a process is left whose session or group was the one of `pid`.
fn has_children(pid: u32) -> bool {
    let Ok(processes) = fs::read_dir("/proc") else { return false };
    processes.flatten().any(|process| {
        let stat = fs::read_to_string(process.path().join("stat")).unwrap_or_default();
        let after_name = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
        after_name.split_whitespace().nth(1) == Some(pid.to_string().as_str())
    })
}
