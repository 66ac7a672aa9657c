//! A cluster that is made smaller and greater under load.

use std::time::Duration;

use tokio::{task::JoinSet, time::timeout};

use super::cluster;
use crate::{BoxError, client::Dial, load::Plan, suite::Setting, verdict::Verdict};

/// How many workers there are in turn.
const MANY: usize = 8;
const FEW: usize = 2;

/// How long it may take until there are as many as are wanted.
const SCALED: Duration = Duration::from_secs(25);

/// How many come to a cluster that has changed, and how long they may wait on a busy machine. One
/// that comes to a slot that nobody serves would wait for ever.
const NEWCOMERS: usize = 48;
const SERVED: Duration = Duration::from_secs(5);

fn configuration(workers: usize) -> String {
    format!("[cluster]\nworkers = {workers}\n")
}

/// R8: from eight workers to two and back, again and again.
pub(crate) async fn back_and_forth(setting: Setting) -> Result<Verdict, BoxError> {
    let (mut verdict, rounds) = (Verdict::default(), setting.times_among(20, 4, 200));
    let program = cluster::soon(setting.program("target")?).cluster(None);
    program.place().configure(configuration(MANY))?;
    let process = program.start().await?;
    let operator = process.operator().clone();
    let load = Plan::mixed(256, Duration::from_millis(700), setting.seed).start(&process.dial());
    load.history.reaches(1000).await;
    let (rate, mut done) = (load.rate(), 0);
    for _ in 0..rounds {
        for workers in [FEW, MANY] {
            process.place().configure(configuration(workers))?;
            operator.must("reload").await?;
            operator.until(SCALED, |seen| seen.are(workers)).await?;
            newcomers(&process.dial(), workers, &mut verdict).await;
            load.history.reaches(load.history.len() + 300).await;
        }
        done += 1;
    }
    let records = load.stop().await.records();
    verdict.load(rate);
    verdict.injected("times back and forth", rounds, done);
    verdict.nothing_lost(&records);
    cluster::stop(process, &mut verdict).await?;
    Ok(verdict)
}

/// Requires that whoever comes now is served, by those that are left as by all.
async fn newcomers(dial: &Dial, workers: usize, verdict: &mut Verdict) {
    let mut coming = JoinSet::new();
    for _ in 0..NEWCOMERS {
        let dial = dial.clone();
        coming.spawn(async move { timeout(SERVED, dial.get("/who")).await });
    }
    let answers = coming.join_all().await;
    let waiting = answers.iter().filter(|answer| !matches!(answer, Ok(Ok(_)))).count();
    verdict.require(waiting == 0, || {
        format!("{waiting} of {NEWCOMERS} that came to {workers} workers were not served")
    });
}
