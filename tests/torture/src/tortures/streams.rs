//! SIGTERM under HTTP/2: each stream is answered, or known not to have been looked at.

use std::{collections::BTreeSet, time::Duration};

use futures_util::{StreamExt as _, stream};
use rand::{RngExt as _, rngs::StdRng};
use rustix::process::Signal;
use tokio::{task::JoinSet, time::sleep};

use crate::{
    BoxError,
    client::http2::{Multiplexed, StreamOutcome},
    suite::Setting,
    verdict::Verdict,
};

/// How many connections one server has, and how many streams one connection.
const CONNECTIONS: usize = 4;
const STREAMS: usize = 100;

/// R15: a hundred streams on each connection, opened until the server says goodbye and after.
pub(crate) async fn goodbye(setting: Setting) -> Result<Verdict, BoxError> {
    let (mut verdict, rounds) = (Verdict::default(), setting.times(40, 400));
    let mut random = setting.random(15);
    let seeds: Vec<u64> = (0..rounds).map(|_| random.random()).collect();
    let mut running = stream::iter(seeds).map(|seed| round(setting, seed)).buffer_unordered(2);
    let (mut streams, mut answered, mut refused) = (0, 0, 0);
    while let Some(round) = running.next().await {
        let Round { verdict: found, outcomes } = round?;
        verdict.absorb(found);
        streams += outcomes.len();
        answered += outcomes.iter().filter(|outcome| **outcome == StreamOutcome::Ok).count();
        refused += outcomes.iter().filter(|outcome| is_refusal(**outcome)).count();
    }
    verdict.injected("streams", rounds * CONNECTIONS * STREAMS, streams);
    verdict.figure(format_args!("{rounds} stops, {answered} answered, {refused} not taken"));
    // All before the goodbye, or all after it, and nothing was tried.
    verdict.require(answered > streams / 10 && refused > 0, || {
        "the goodbye did not come in between".to_owned()
    });
    Ok(verdict)
}

struct Round {
    verdict: Verdict,
    outcomes: Vec<StreamOutcome>,
}

fn is_refusal(outcome: StreamOutcome) -> bool {
    matches!(outcome, StreamOutcome::Refused | StreamOutcome::NotTaken)
}

async fn round(setting: Setting, seed: u64) -> Result<Round, BoxError> {
    let mut verdict = Verdict::default();
    let process = setting.program("target")?.start().await?;
    let mut random = Setting { seed, ..setting }.random(1);
    let mut connections = JoinSet::new();
    for connection in 0..CONNECTIONS {
        let opened = Multiplexed::connect(process.http).await?;
        let pauses = pauses(&mut random);
        connections.spawn(ask(opened, connection, pauses));
    }
    // The streams of a connection are opened over about half a second.
    sleep(Duration::from_millis(random.random_range(100..400))).await;
    process.signal(Signal::TERM)?;
    let mut outcomes = Vec::new();
    for (number, outcome, orderly) in connections.join_all().await.into_iter().flatten() {
        verdict.require(orderly, || "a connection did not end in order".to_owned());
        outcomes.push((number, outcome));
    }
    let ended = process.ended(Duration::from_secs(10)).await?;
    verdict.require(ended.code() == Some(0), || format!("it ended with {}", ended.status));
    let begun: BTreeSet<usize> = ended
        .log
        .from(0)
        .iter()
        .filter_map(|line| {
            line.text.split_once("\"begun\":")?.1.split(['}', ',']).next()?.parse().ok()
        })
        .collect();
    for (number, outcome) in &outcomes {
        let fine = match outcome {
            StreamOutcome::Ok => begun.contains(number),
            // Whoever is told that nobody has looked at it may ask again, and it must be true.
            StreamOutcome::Refused | StreamOutcome::NotTaken => !begun.contains(number),
            StreamOutcome::Lost | StreamOutcome::WrongBody => false,
        };
        let was = if begun.contains(number) { "was begun" } else { "was not begun" };
        verdict.require(fine, || format!("a stream that {was} ended as {outcome:?}"));
    }
    Ok(Round { verdict, outcomes: outcomes.into_iter().map(|(_, outcome)| outcome).collect() })
}

/// Before each stream, and how long its answer takes, in milliseconds.
fn pauses(random: &mut StdRng) -> Vec<(u64, u64)> {
    (0..STREAMS).map(|_| (random.random_range(0..10), random.random_range(0..300))).collect()
}

async fn ask(
    mut connection: Multiplexed,
    which: usize,
    pauses: Vec<(u64, u64)>,
) -> Vec<(usize, StreamOutcome, bool)> {
    let mut open = JoinSet::new();
    let mut outcomes = Vec::new();
    for (stream, (pause, ms)) in pauses.into_iter().enumerate() {
        sleep(Duration::from_millis(pause)).await;
        let number = which * STREAMS + stream;
        match connection.open(&format!("/begun?number={number}&ms={ms}"), "begun").await {
            Ok(outcome) => {
                open.spawn(async move { (number, outcome.await) });
            }
            Err(outcome) => outcomes.push((number, outcome)),
        }
    }
    outcomes.extend(open.join_all().await);
    let orderly = connection.closed().await;
    outcomes.into_iter().map(|(number, outcome)| (number, outcome, orderly)).collect()
}
