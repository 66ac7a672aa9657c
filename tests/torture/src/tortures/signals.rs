//! Signals of every kind, all the time.

use std::time::Duration;

use rand::RngExt as _;
use rustix::process::Signal;
use tokio::time::{Instant, interval};

use super::{
    cluster,
    reload::{anything, is_in_force, text},
};
use crate::{BoxError, load::Plan, process::Program, suite::Setting, verdict::Verdict};

/// How many signals there are in a second.
const RATE: usize = 100;

/// All that do not end a process, whether or not anything is done about them.
const SIGNALS: [Signal; 8] = [
    Signal::HUP,
    Signal::USR1,
    Signal::USR2,
    Signal::PIPE,
    Signal::CHILD,
    Signal::CONT,
    Signal::URG,
    Signal::WINCH,
];

/// The number in the last configuration, which is in none of the others.
const LAST: u64 = 1_000_000;

/// How soon that has to be in force.
const IN_FORCE: Duration = Duration::from_secs(5);

/// C5: a hundred signals a second, of all kinds, while the configuration changes under load.
pub(crate) async fn all(setting: Setting) -> Result<Verdict, BoxError> {
    let mut verdict = Verdict::default();
    let seconds = setting.times_among(60, 4, 600);
    let one = cluster::soon(setting.program("target")?);
    hail(setting, &mut verdict, "one process", one, seconds).await?;
    hail(setting, &mut verdict, "a cluster", cluster::program(setting, 2)?, seconds).await?;
    Ok(verdict)
}

async fn hail(
    setting: Setting,
    verdict: &mut Verdict,
    what: &str,
    program: Program,
    seconds: usize,
) -> Result<(), BoxError> {
    let mut random = setting.random(35);
    program.place().configure(text(0, false))?;
    let process = program.start().await?;
    let load = Plan::mixed(128, Duration::from_millis(500), setting.seed).start(&process.dial());
    load.history.reaches(500).await;
    let (rate, before) = (load.rate(), process.place().processes());
    let (mut sent, began) = (0, Instant::now());
    let mut pause = interval(Duration::from_secs(1) / u32::try_from(RATE)?);
    while sent < seconds * RATE {
        pause.tick().await;
        if sent % 10 == 0 {
            process.place().configure(anything(&mut random))?;
        }
        process.signal(SIGNALS[random.random_range(0..SIGNALS.len())])?;
        sent += 1;
    }
    let each = began.elapsed() / u32::try_from(sent)?;
    verdict.require(each < Duration::from_millis(12), || format!("a signal every {each:?}"));
    process.place().configure(text(LAST, false))?;
    process.signal(Signal::HUP)?;
    let in_force = is_in_force(&process.dial(), LAST, IN_FORCE).await?;
    verdict.require(in_force, || format!("the last configuration of {what} is not in force"));
    let records = load.stop().await.records();
    verdict.load(rate);
    verdict.injected(&format!("signals to {what}"), seconds * RATE, sent);
    verdict.nothing_lost(&records);
    let after = process.place().processes();
    verdict.require(before == after, || format!("{before:?} have become {after:?}"));
    // It ends as it would have before, in the middle of more of them.
    for signal in [Signal::HUP, Signal::USR1, Signal::USR2, Signal::HUP] {
        process.signal(signal)?;
    }
    cluster::stop(process, verdict).await
}
