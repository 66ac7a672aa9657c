//! The background: what is no longer fresh is refreshed, by one process each.

use std::{collections::HashMap, pin::Pin, time::Duration};

use framework::core::{Chain, Context};
use futures_util::{StreamExt as _, stream::FuturesUnordered};

use super::{Claim, Refresher};

/// How often it is looked for feeds that are due.
const TICK: Duration = Duration::from_secs(1);

/// The search for the next feed. It is never dropped half-way: what it has claimed would be lost.
type Search<'r> = Pin<Box<dyn Future<Output = Option<Claim>> + Send + 'r>>;

/// Refreshes feeds until the application stops. What is under way then is given up, and given back
/// for others to take.
pub(super) async fn run(refresher: &Refresher, cx: &Context) {
    let mut running = FuturesUnordered::new();
    let mut held: HashMap<i64, Claim> = HashMap::new();
    let mut search: Option<Search<'_>> = None;
    loop {
        if search.is_none() && running.len() < refresher.limit() {
            search = Some(Box::pin(next(refresher, cx)));
        }
        // Both go on at the same time: whoever is kept waiting here may be writing, and the other
        // would wait for that.
        tokio::select! {
            () = cx.shutdown() => break,
            Some(id) = running.next(), if !running.is_empty() => {
                held.remove(&id);
            }
            Some(found) = of(&mut search) => {
                search = None;
                if let Some(claim) = found {
                    held.insert(claim.id, claim.clone());
                    running.push(work(refresher, claim));
                }
            }
        }
    }
    drop(running);
    let last = of(&mut search).await.flatten();
    for claim in held.values().chain(&last) {
        if let Err(error) = refresher.release(claim).await {
            let error = Chain(&error);
            tracing::warn!(feed = claim.id, %error, "others have to wait for this feed");
        }
    }
}

/// What the search finds, if there is one.
async fn of(search: &mut Option<Search<'_>>) -> Option<Option<Claim>> {
    match search {
        Some(search) => Some(search.await),
        None => None,
    }
}

/// The next feed that is due; none if the application stops before there is one.
async fn next(refresher: &Refresher, cx: &Context) -> Option<Claim> {
    while !cx.is_shutting_down() {
        match refresher.claim_due().await {
            Ok(Some(claim)) => return Some(claim),
            Ok(None) => {}
            Err(error) => {
                let error = Chain(&error);
                tracing::warn!(%error, "it is not known which feeds are due");
            }
        }
        tokio::select! {
            () = cx.shutdown() => {}
            () = cx.clock().sleep(TICK) => {}
        }
    }
    None
}

async fn work(refresher: &Refresher, claim: Claim) -> i64 {
    match refresher.work(&claim).await {
        Ok(()) => tracing::debug!(feed = claim.id, url = claim.url, "a feed was refreshed"),
        Err(error) => {
            let error = Chain(&error);
            tracing::info!(feed = claim.id, url = claim.url, %error, "a feed was not refreshed");
        }
    }
    claim.id
}
