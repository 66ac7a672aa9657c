mod rows;
mod writes;

use std::{sync::Arc, time::Duration};

use self::writes::{end_claim, existing, failed, forget_validators, keep_document, succeeded};
use super::{Feed, ItemCursor, Page};
use crate::{
    fetching::Validators,
    infra::{Database, StoreError},
    parsing::{About, Document, Item},
};

/// The feeds and their items in the database, which several processes may share. Moments are
/// milliseconds since 1970.
#[derive(Debug)]
pub struct FeedStore {
    database: Arc<Database>,
}

/// The right to refresh a feed, which nobody else has until it ends.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Claim {
    /// The feed.
    pub id: i64,
    /// Where it is fetched from.
    pub url: String,
    /// What its server wants to be reminded of.
    pub validators: Validators,
    /// The tag of what is published.
    pub published: Option<String>,
    /// How many attempts in a row have failed.
    pub failures: u32,
    lease: String,
}

/// What became of a feed that was to be added.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Added {
    /// It is new, and whoever added it refreshes it.
    New(Claim),
    /// There is one with the same address, which has this id.
    Existing(i64),
}

/// What became of the wish to refresh a feed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Claimed {
    /// It may be refreshed.
    Yes(Claim),
    /// Somebody else does.
    Taken,
    /// There is none.
    Missing,
}

/// How an attempt to refresh a feed ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Refreshed<'r> {
    /// It has changed, and was published with this tag.
    Changed {
        /// What is in it now.
        document: &'r Document,
        /// What to send along the next time.
        validators: &'r Validators,
        /// The tag.
        published: &'r str,
    },
    /// It is what it was.
    Unchanged,
    /// It has changed, and was not published: the next attempt fetches it again.
    Unpublished {
        /// What is in it now.
        document: &'r Document,
        /// Why not.
        error: &'r str,
        /// When to try again.
        retry_at: i64,
    },
    /// It was not fetched, or not understood.
    Failed {
        /// Why not.
        error: &'r str,
        /// When to try again.
        retry_at: i64,
    },
}

/// A statement that claims a feed, and gives what is needed to refresh it.
macro_rules! claiming {
    ($sql:literal) => {
        concat!($sql, " RETURNING id, url, etag, last_modified, published, failures, lease")
    };
}

impl FeedStore {
    /// The feeds in `database`.
    #[must_use]
    pub fn new(database: Arc<Database>) -> Self {
        Self { database }
    }

    /// Adds a feed, and claims it for `lease`; of several with one address, the first counts.
    ///
    /// # Errors
    ///
    /// Returns an error if the database does.
    pub async fn add(
        &self,
        url: &str,
        about: &About,
        now: i64,
        lease: Duration,
    ) -> Result<Added, StoreError> {
        const DOING: &str = "add a feed";
        let about = serde_json::to_string(about).map_err(StoreError::text(DOING))?;
        let mut tx = self.database.write().await?;
        let claim: Option<Claim> = sqlx::query_as(claiming!(
            "INSERT INTO feeds (url, about, lease, leased_until) \
             VALUES (?, ?, lower(hex(randomblob(16))), ?) ON CONFLICT (url) DO NOTHING"
        ))
        .bind(url)
        .bind(about)
        .bind(until(now, lease))
        .fetch_optional(&mut *tx)
        .await
        .map_err(StoreError::doing(DOING))?;
        let added = match claim {
            Some(claim) => Added::New(claim),
            None => Added::Existing(existing(&mut tx, url).await?),
        };
        tx.commit().await.map_err(StoreError::doing(DOING))?;
        Ok(added)
    }

    /// Claims the feed `id` for `lease`, unless somebody else has.
    ///
    /// # Errors
    ///
    /// Returns an error if the database does.
    pub async fn claim(&self, id: i64, now: i64, lease: Duration) -> Result<Claimed, StoreError> {
        const DOING: &str = "claim a feed";
        let mut tx = self.database.write().await?;
        let claim = sqlx::query_as(claiming!(
            "UPDATE feeds SET lease = lower(hex(randomblob(16))), leased_until = ? \
             WHERE id = ? AND leased_until <= ?"
        ))
        .bind(until(now, lease))
        .bind(id)
        .bind(now)
        .fetch_optional(&mut *tx)
        .await
        .map_err(StoreError::doing(DOING))?;
        tx.commit().await.map_err(StoreError::doing(DOING))?;
        match claim {
            Some(claim) => Ok(Claimed::Yes(claim)),
            None if self.find(id).await?.is_some() => Ok(Claimed::Taken),
            None => Ok(Claimed::Missing),
        }
    }

    /// Claims for `lease` the feed that has waited longest of those that are no longer fresh, and
    /// that nobody else has claimed.
    ///
    /// # Errors
    ///
    /// Returns an error if the database does.
    pub async fn claim_due(
        &self,
        now: i64,
        ttl: Duration,
        lease: Duration,
    ) -> Result<Option<Claim>, StoreError> {
        const DOING: &str = "claim a feed that is due";
        let stale = now.saturating_sub(millis(ttl));
        // Most of the time there is none, and looking keeps nobody from writing.
        if !self.is_any_due(now, stale).await? {
            return Ok(None);
        }
        let mut tx = self.database.write().await?;
        let claim = sqlx::query_as(claiming!(
            "UPDATE feeds SET lease = lower(hex(randomblob(16))), leased_until = ? WHERE id = \
             (SELECT id FROM feeds WHERE refreshed_at <= ? AND retry_at <= ? AND leased_until <= ? \
             ORDER BY refreshed_at, id LIMIT 1)"
        ))
        .bind(until(now, lease))
        .bind(stale)
        .bind(now)
        .bind(now)
        .fetch_optional(&mut *tx)
        .await
        .map_err(StoreError::doing(DOING))?;
        tx.commit().await.map_err(StoreError::doing(DOING))?;
        Ok(claim)
    }

    async fn is_any_due(&self, now: i64, stale: i64) -> Result<bool, StoreError> {
        sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM feeds \
             WHERE refreshed_at <= ? AND retry_at <= ? AND leased_until <= ?)",
        )
        .bind(stale)
        .bind(now)
        .bind(now)
        .fetch_one(&mut *self.database.read().await?)
        .await
        .map_err(StoreError::doing("look for feeds that are due"))
    }

    /// Keeps what came of a claim, and ends it. Tells whether the claim still held: otherwise
    /// nothing is kept.
    ///
    /// # Errors
    ///
    /// Returns an error if the database does; then nothing is kept.
    pub async fn finish(
        &self,
        claim: &Claim,
        end: &Refreshed<'_>,
        now: i64,
    ) -> Result<bool, StoreError> {
        const DOING: &str = "keep a feed";
        let mut tx = self.database.write().await?;
        let held = end_claim(&mut tx, claim).await?;
        if held {
            match end {
                Refreshed::Changed { document, validators, published } => {
                    keep_document(&mut tx, claim.id, document).await?;
                    succeeded(&mut tx, claim.id, Some((validators, published)), now).await?;
                }
                Refreshed::Unchanged => succeeded(&mut tx, claim.id, None, now).await?,
                Refreshed::Unpublished { document, error, retry_at } => {
                    keep_document(&mut tx, claim.id, document).await?;
                    failed(&mut tx, claim.id, error, *retry_at).await?;
                    forget_validators(&mut tx, claim.id).await?;
                }
                Refreshed::Failed { error, retry_at } => {
                    failed(&mut tx, claim.id, error, *retry_at).await?;
                }
            }
        }
        tx.commit().await.map_err(StoreError::doing(DOING))?;
        Ok(held)
    }

    /// Ends a claim of which nothing came: somebody else may have it at once.
    ///
    /// # Errors
    ///
    /// Returns an error if the database does; then it ends with its time.
    pub async fn release(&self, claim: &Claim) -> Result<(), StoreError> {
        let mut tx = self.database.write().await?;
        end_claim(&mut tx, claim).await?;
        tx.commit().await.map_err(StoreError::doing("release a feed"))
    }

    /// The feed with the id `id`, if there is one.
    ///
    /// # Errors
    ///
    /// Returns an error if the database does.
    pub async fn find(&self, id: i64) -> Result<Option<Feed>, StoreError> {
        sqlx::query_as("SELECT * FROM feeds WHERE id = ?")
            .bind(id)
            .fetch_optional(&mut *self.database.read().await?)
            .await
            .map_err(StoreError::doing("find a feed"))
    }

    /// The id of the feed at `url`, if there is one.
    ///
    /// # Errors
    ///
    /// Returns an error if the database does.
    pub async fn find_url(&self, url: &str) -> Result<Option<i64>, StoreError> {
        sqlx::query_scalar("SELECT id FROM feeds WHERE url = ?")
            .bind(url)
            .fetch_optional(&mut *self.database.read().await?)
            .await
            .map_err(StoreError::doing("find a feed"))
    }

    /// Up to `limit` feeds after the one with the id `after`, in the order in which they were
    /// added.
    ///
    /// # Errors
    ///
    /// Returns an error if the database does.
    pub async fn page(&self, after: i64, limit: u32) -> Result<Page<Feed, i64>, StoreError> {
        let feeds: Vec<Feed> =
            sqlx::query_as("SELECT * FROM feeds WHERE id > ? ORDER BY id LIMIT ?")
                .bind(after)
                .bind(i64::from(limit) + 1)
                .fetch_all(&mut *self.database.read().await?)
                .await
                .map_err(StoreError::doing("list feeds"))?;
        Ok(Page::new(feeds.into_iter().map(|feed| (feed.id, feed)).collect(), limit))
    }

    /// Up to `limit` items of a feed after a place, newest first.
    ///
    /// # Errors
    ///
    /// Returns an error if the database does.
    pub async fn items(
        &self,
        feed: i64,
        after: ItemCursor,
        limit: u32,
    ) -> Result<Page<Item, ItemCursor>, StoreError> {
        const DOING: &str = "list items";
        let rows: Vec<(i64, i64, String)> = sqlx::query_as(
            "SELECT sort_at, id, item FROM items WHERE feed = ? AND (sort_at, id) < (?, ?) \
             ORDER BY sort_at DESC, id DESC LIMIT ?",
        )
        .bind(feed)
        .bind(after.sort_at)
        .bind(after.id)
        .bind(i64::from(limit) + 1)
        .fetch_all(&mut *self.database.read().await?)
        .await
        .map_err(StoreError::doing(DOING))?;
        let read = |(sort_at, id, item): (i64, i64, String)| {
            let item = serde_json::from_str(&item).map_err(StoreError::text(DOING))?;
            Ok((ItemCursor { sort_at, id }, item))
        };
        Ok(Page::new(rows.into_iter().map(read).collect::<Result<_, _>>()?, limit))
    }

    /// Removes a feed and its items, and tells whether there was one. Whoever refreshes it finds
    /// that the claim no longer holds.
    ///
    /// # Errors
    ///
    /// Returns an error if the database does.
    pub async fn remove(&self, id: i64) -> Result<bool, StoreError> {
        const DOING: &str = "remove a feed";
        let mut tx = self.database.write().await?;
        let removed =
            sqlx::query("DELETE FROM feeds WHERE id = ?").bind(id).execute(&mut *tx).await;
        let removed = removed.map_err(StoreError::doing(DOING))?.rows_affected();
        tx.commit().await.map_err(StoreError::doing(DOING))?;
        Ok(removed > 0)
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn until(now: i64, lease: Duration) -> i64 {
    now.saturating_add(millis(lease))
}

#[cfg(test)]
mod tests;
