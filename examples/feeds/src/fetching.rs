//! Fetching: documents from addresses that strangers name, without becoming their tool.

mod address;
mod error;
mod fetcher;
mod hosts;
mod resolve;
mod slots;

use framework::{core::Context, prelude::*};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::{
    address::{Guard, is_public},
    error::{FetchError, InvalidUrl},
    fetcher::{Fetched, FetchedDocument, Fetcher, Validators, feed_url},
    resolve::{Resolve, SystemResolver},
};
use crate::settings::FeedsSettings;

/// A host is to be left alone, as one worker of a cluster tells the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostPaused {
    host: String,
    millis: u64,
}

impl Message for HostPaused {
    const NAME: &'static str = "feeds.host-paused";
}

/// Fetches documents. It provides [`Fetcher`]; a module that provides `dyn` [`Resolve`] decides
/// which addresses a name has.
#[derive(Clone, Debug)]
pub struct Fetching;

impl Module for Fetching {
    fn name(&self) -> &'static str {
        "fetching"
    }

    fn register(self, reg: &mut Registrar<'_>) {
        reg.config::<FeedsSettings>("feeds");
        let fetcher = reg.inject(fetcher);
        reg.on_message(move |cx, paused: HostPaused, _sender| {
            cx.get(&fetcher).heard(&paused);
            async { Ok(()) }
        });
    }
}

fn fetcher(
    settings: Config<FeedsSettings>,
    pool: Arc<WorkerPool>,
    resolver: Option<Arc<dyn Resolve>>,
    peers: Arc<Peers>,
    cx: Context,
) -> Fetcher {
    let resolver = resolver.unwrap_or_else(|| Arc::new(SystemResolver));
    Fetcher::new(settings, pool, resolver, Arc::clone(&cx.environment().clock)).telling(peers)
}
