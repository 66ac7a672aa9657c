//! Fetching: documents from addresses that strangers name, without becoming their tool.

mod address;
mod error;
mod fetcher;
mod hosts;
mod resolve;
mod slots;

use framework::{core::Context, prelude::*};
use std::sync::Arc;

pub use self::{
    address::{Guard, is_public},
    error::{FetchError, InvalidUrl},
    fetcher::{Fetched, FetchedDocument, Fetcher, Validators, feed_url},
    resolve::{Resolve, SystemResolver},
};
use crate::settings::FeedsSettings;

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
        reg.inject(fetcher);
    }
}

fn fetcher(
    settings: Config<FeedsSettings>,
    pool: Arc<WorkerPool>,
    resolver: Option<Arc<dyn Resolve>>,
    cx: Context,
) -> Fetcher {
    let resolver = resolver.unwrap_or_else(|| Arc::new(SystemResolver));
    Fetcher::new(settings, pool, resolver, Arc::clone(&cx.environment().clock))
}
