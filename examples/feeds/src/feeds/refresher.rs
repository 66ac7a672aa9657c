use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use framework::{
    core::{Chain, Clock},
    prelude::{Config, StatusCode},
};
use tokio::time::timeout;
use url::Url;

use super::{Added, Claim, Claimed, FeedStore, RefreshError, Refreshed};
use crate::{
    FeedsSettings,
    fetching::{FetchError, Fetched, FetchedDocument, Fetcher, Validators},
    infra::StoreError,
    parsing::{Document, Parser},
    publishing::Publisher,
};

/// What understanding, publishing and keeping a feed may take, besides fetching it.
const WORK: Duration = Duration::from_secs(120);

/// By how much the work on a feed ends before its lease: nobody else begins before that.
const MARGIN: Duration = Duration::from_secs(10);

/// The first pause after a failure; it doubles with each further one.
const FIRST_RETRY: Duration = Duration::from_secs(60);

/// The longest pause after failures.
const LONGEST_RETRY: Duration = Duration::from_secs(6 * 60 * 60);

/// Fetches feeds, understands, publishes and keeps them.
pub struct Refresher {
    store: Arc<FeedStore>,
    fetcher: Arc<Fetcher>,
    parser: Arc<Parser>,
    publisher: Arc<Publisher>,
    settings: Config<FeedsSettings>,
    clock: Arc<dyn Clock>,
}

impl Refresher {
    /// Keeps feeds in `store`, and works with `tools` in their order.
    #[must_use]
    pub fn new(
        store: Arc<FeedStore>,
        tools: (Arc<Fetcher>, Arc<Parser>, Arc<Publisher>),
        settings: Config<FeedsSettings>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (fetcher, parser, publisher) = tools;
        Self { store, fetcher, parser, publisher, settings, clock }
    }

    /// Adds the feed at `url`, and tells its id and whether it is new. A feed that is there already
    /// is not fetched.
    ///
    /// # Errors
    ///
    /// Returns an error if it cannot be fetched or is no feed: then it is not added. One that
    /// cannot be published is, and is tried again.
    pub async fn add(&self, url: &Url) -> Result<(i64, bool), RefreshError> {
        if let Some(id) = self.store.find_url(url.as_str()).await? {
            return Ok((id, false));
        }
        let nothing = Validators::default();
        let Fetched::Document(fetched) = self.fetcher.fetch(url, &nothing).await? else {
            return Err(not_asked_for(url).into());
        };
        let (document, validators) = self.understand(fetched).await?;
        let added = self.store.add(url.as_str(), &document.about, self.now(), self.lease()).await?;
        let claim = match added {
            Added::Existing(id) => return Ok((id, false)),
            Added::New(claim) => claim,
        };
        match self.keep(&claim, document, &validators).await {
            // It was kept for later, and why is in the log.
            Ok(()) | Err(RefreshError::Publish(_)) => Ok((claim.id, true)),
            Err(error) => Err(error),
        }
    }

    /// Refreshes the feed `id` now.
    ///
    /// # Errors
    ///
    /// Returns an error if there is none, somebody else refreshes it, or it does not work; why is
    /// kept with the feed.
    pub async fn refresh(&self, id: i64) -> Result<(), RefreshError> {
        match self.store.claim(id, self.now(), self.lease()).await? {
            Claimed::Yes(claim) => self.work(&claim).await,
            Claimed::Taken => Err(RefreshError::Taken { id }),
            Claimed::Missing => Err(RefreshError::Missing { id }),
        }
    }

    /// Removes the feed `id` and what was published of it, and tells whether there was one.
    ///
    /// # Errors
    ///
    /// Returns an error if it is not known whether all of it is gone. Removing it again then
    /// removes the rest.
    pub async fn remove(&self, id: i64) -> Result<bool, RefreshError> {
        // What is published goes last: until then, whoever refreshes the feed could write it anew.
        let removed = self.store.remove(id).await?;
        self.publisher.remove(id).await?;
        Ok(removed)
    }

    /// Claims a feed that is due.
    pub(super) async fn claim_due(&self) -> Result<Option<Claim>, StoreError> {
        let ttl = self.settings.get().cache_ttl;
        self.store.claim_due(self.now(), ttl, self.lease()).await
    }

    /// Gives a claim back.
    pub(super) async fn release(&self, claim: &Claim) -> Result<(), StoreError> {
        self.store.release(claim).await
    }

    /// How many feeds may be worked on at a time.
    pub(super) fn limit(&self) -> usize {
        self.settings.get().max_concurrent_feeds
    }

    /// Refreshes a feed that was claimed, within the time of the claim, and keeps what came of it.
    pub(super) async fn work(&self, claim: &Claim) -> Result<(), RefreshError> {
        let id = claim.id;
        let done = timeout(self.lease().saturating_sub(MARGIN), self.attempt(claim)).await;
        let done = done.unwrap_or(Err(RefreshError::TooSlow { id }));
        if let Err(error) = &done
            && !matches!(error, RefreshError::Publish(_) | RefreshError::Taken { .. })
        {
            let (text, retry_at) = (error.to_string(), self.retry_at(claim, error));
            let end = Refreshed::Failed { error: &text, retry_at };
            self.store.finish(claim, &end, self.now()).await?;
        }
        done
    }

    async fn attempt(&self, claim: &Claim) -> Result<(), RefreshError> {
        // Parsed before it was kept.
        let url: Url = claim.url.parse().map_err(|_| RefreshError::Missing { id: claim.id })?;
        // What is not published has to be fetched, whether it has changed or not.
        let nothing = Validators::default();
        let since = claim.published.as_ref().map_or(&nothing, |_| &claim.validators);
        match self.fetcher.fetch(&url, since).await? {
            Fetched::NotModified if *since == nothing => Err(not_asked_for(&url).into()),
            Fetched::NotModified => self.finish(claim, &Refreshed::Unchanged).await,
            Fetched::Document(fetched) => {
                let (document, validators) = self.understand(fetched).await?;
                self.keep(claim, document, &validators).await
            }
        }
    }

    async fn understand(
        &self,
        fetched: FetchedDocument,
    ) -> Result<(Arc<Document>, Validators), RefreshError> {
        let document = self.parser.parse(fetched.body, Some(fetched.url)).await?;
        Ok((Arc::new(document), fetched.validators))
    }

    /// Publishes and keeps a document.
    async fn keep(
        &self,
        claim: &Claim,
        document: Arc<Document>,
        validators: &Validators,
    ) -> Result<(), RefreshError> {
        let before = claim.published.as_deref();
        let published =
            self.publisher.publish(claim.id, &claim.url, Arc::clone(&document), before).await;
        match published {
            Ok(published) => {
                let published = &published;
                let document = &document;
                self.finish(claim, &Refreshed::Changed { document, validators, published }).await
            }
            Err(error) => {
                tracing::warn!(feed = claim.id, error = %Chain(&error), "a feed was not published");
                let (text, error) = (error.to_string(), RefreshError::from(error));
                let retry_at = self.retry_at(claim, &error);
                let end = Refreshed::Unpublished { document: &document, error: &text, retry_at };
                self.finish(claim, &end).await?;
                Err(error)
            }
        }
    }

    /// Keeps what came of a claim. If the feed was removed meanwhile, so is what was published.
    async fn finish(&self, claim: &Claim, end: &Refreshed<'_>) -> Result<(), RefreshError> {
        if self.store.finish(claim, end, self.now()).await? {
            return Ok(());
        }
        if self.store.find(claim.id).await?.is_none() {
            self.publisher.remove(claim.id).await?;
            return Err(RefreshError::Missing { id: claim.id });
        }
        Err(RefreshError::Taken { id: claim.id })
    }

    /// When to try again: when the server says, or later with each failure.
    fn retry_at(&self, claim: &Claim, error: &RefreshError) -> i64 {
        let doubled = FIRST_RETRY.saturating_mul(2_u32.saturating_pow(claim.failures));
        let asked = match error {
            RefreshError::Fetch(error) => error.retry_after(),
            _ => None,
        };
        let pause = asked.unwrap_or(doubled).min(LONGEST_RETRY);
        self.now().saturating_add(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX))
    }

    /// Longer than all the waits of an attempt together.
    fn lease(&self) -> Duration {
        self.settings.get().fetch_timeout * 2 + WORK
    }

    fn now(&self) -> i64 {
        let since = self.clock.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}

/// A server says that nothing has changed since something that nobody told it.
fn not_asked_for(url: &Url) -> FetchError {
    let host = url.host_str().unwrap_or_default().to_owned();
    FetchError::Status { host, status: StatusCode::NOT_MODIFIED, retry_after: None }
}

impl fmt::Debug for Refresher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refresher").field("store", &self.store).finish_non_exhaustive()
    }
}
