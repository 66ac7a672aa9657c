//! Certificates that change under load.

use std::time::Duration;

use tokio::time::timeout;

use crate::{
    BoxError,
    client::{
        Dial,
        tls::{Pair, Roots},
    },
    load::{Expected, Plan},
    suite::Setting,
    verdict::Verdict,
};

/// How soon a new certificate has to be in use.
const TAKEN: Duration = Duration::from_secs(5);

/// Certificates are replaced again and again, each as soon as the one before is in use, while
/// clients shake hands: none fails.
pub(crate) async fn rotate(setting: Setting) -> Result<Verdict, BoxError> {
    let (mut verdict, rotations) = (Verdict::default(), setting.times(10, 300));
    let pairs: Vec<Pair> = (0..=rotations).map(|_| Pair::make()).collect::<Result<_, _>>()?;
    let program = setting.program("target")?;
    pairs[0].write(program.place().path())?;
    let program = program.set("http.tls.cert", "tls.crt").set("http.tls.key", "tls.key");
    let process = program.start().await?;
    let roots = Roots::of(&pairs, b"http/1.1")?;
    let dial = Dial { address: process.http, roots: Some(roots) };
    let plan = Plan {
        keep_alive: 16,
        connecting: 48,
        multiplexed: 0,
        think: Duration::from_millis(500),
        think_connecting: Duration::from_secs(1),
        at_once: 10,
        path: "/",
        expected: Expected::text("hello"),
        seed: setting.seed,
    };
    let load = plan.start(&dial);
    load.history.reaches(100).await;
    let mut taken = 0;
    for pair in &pairs[1..] {
        let first = process.log().len();
        pair.write(process.place().path())?;
        let took = process.log().until(first, "took a new certificate");
        if timeout(TAKEN, took).await.is_err() {
            verdict.require(false, || "a new certificate was not taken".to_owned());
            return Ok(verdict);
        }
        taken += 1;
    }
    let rate = load.rate();
    let history = load.stop().await;
    verdict.load(rate);
    verdict.injected("certificates taken", rotations, taken);
    verdict.nothing_lost(&history.records());
    // Only the newest is shown now.
    let newest = Roots::of(&pairs[rotations..], b"http/1.1")?;
    let dial = Dial { address: process.http, roots: Some(newest) };
    verdict.require(dial.get("/").await.is_ok(), || "the newest is not in use".to_owned());
    process.stop().await?;
    Ok(verdict)
}
