//! The feeds: which there are, what is in them, and when they are refreshed.

mod api;
mod body;
mod error;
mod feed;
mod optimized;
mod page;
mod refresher;
mod store;
mod unit;

use std::sync::Arc;

use framework::{core::Context, prelude::*};

pub use self::{
    error::RefreshError,
    feed::{Feed, NewFeed},
    page::{ItemCursor, ItemsRequest, Page, PageRequest},
    refresher::Refresher,
    store::{Added, Claim, Claimed, FeedStore, Refreshed},
};
use crate::{
    fetching::Fetcher, infra::Database, parsing::Parser, publishing::Publisher,
    settings::FeedsSettings,
};

/// Keeps feeds, and refreshes in the background what is no longer fresh.
#[derive(Clone, Debug)]
pub struct Feeds;

impl Module for Feeds {
    fn name(&self) -> &'static str {
        "feeds"
    }

    fn register(self, reg: &mut Registrar<'_>) {
        reg.config::<FeedsSettings>("feeds");
        reg.inject(|database: Arc<Database>| FeedStore::new(database));
        let refresher = reg.inject(refresher);
        reg.run("refresh", move |cx| async move {
            let refresher = cx.get(&refresher);
            Ok(async move {
                unit::run(&refresher, &cx).await;
                Ok(())
            })
        });
        reg.api(api::routes());
    }
}

fn refresher(
    store: Arc<FeedStore>,
    fetcher: Arc<Fetcher>,
    parser: Arc<Parser>,
    publisher: Arc<Publisher>,
    settings: Config<FeedsSettings>,
    cx: Context,
) -> Refresher {
    let clock = Arc::clone(&cx.environment().clock);
    Refresher::new(store, (fetcher, parser, publisher), settings, clock)
}
