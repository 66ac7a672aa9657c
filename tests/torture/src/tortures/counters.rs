//! What the target counts, looked at until it is what is waited for.

use std::time::Duration;

use serde::Deserialize;
use tokio::time::{Instant, sleep};

use crate::{BoxError, client::Dial};

/// How long to wait for counters.
const PATIENCE: Duration = Duration::from_secs(30);

/// What goes through the target, but for whoever asks.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct Counters {
    pub(crate) connections: usize,
    pub(crate) requests: usize,
    pub(crate) upgraded: usize,
    pub(crate) tasks: usize,
}

/// Looks once.
///
/// # Errors
///
/// Returns an error if the target does not answer.
pub(crate) async fn read(dial: &Dial) -> Result<Counters, BoxError> {
    let answer = dial.get("/counters").await.map_err(|outcome| format!("{outcome:?}"))?;
    let Counters { connections, requests, upgraded, tasks } = serde_json::from_slice(&answer.body)?;
    // One connection and one request are this one.
    Ok(Counters { connections: connections - 1, requests: requests - 1, upgraded, tasks })
}

/// Looks until something holds.
///
/// # Errors
///
/// Returns an error if the target does not answer, or it never holds.
pub(crate) async fn until(dial: &Dial, holds: impl Fn(&Counters) -> bool) -> Result<(), BoxError> {
    within(dial, PATIENCE, holds).await
}

/// As [`until`], for so long.
///
/// # Errors
///
/// As [`until`].
pub(crate) async fn within(
    dial: &Dial,
    limit: Duration,
    holds: impl Fn(&Counters) -> bool,
) -> Result<(), BoxError> {
    let began = Instant::now();
    loop {
        let counters = read(dial).await?;
        if holds(&counters) {
            return Ok(());
        }
        if began.elapsed() > limit {
            return Err(
                format!("the counters never came to what is waited for: {counters:?}").into()
            );
        }
        // Nothing tells of a change: it is looked for.
        sleep(Duration::from_millis(10)).await;
    }
}
