//! Statements within a transaction that keeps what came of a claim.

use std::collections::HashSet;

use super::Claim;
use crate::{
    fetching::Validators,
    infra::{StoreError, WriteTx},
    parsing::{Document, Item},
};

pub(super) async fn existing(tx: &mut WriteTx, url: &str) -> Result<i64, StoreError> {
    let id = sqlx::query_scalar("SELECT id FROM feeds WHERE url = ?").bind(url);
    id.fetch_one(&mut **tx).await.map_err(StoreError::doing("find a feed"))
}

/// Ends a claim, and tells whether it still held.
pub(super) async fn end_claim(tx: &mut WriteTx, claim: &Claim) -> Result<bool, StoreError> {
    let ended =
        sqlx::query("UPDATE feeds SET lease = NULL, leased_until = 0 WHERE id = ? AND lease = ?")
            .bind(claim.id)
            .bind(&claim.lease)
            .execute(&mut **tx)
            .await
            .map_err(StoreError::doing("end a claim"))?;
    Ok(ended.rows_affected() > 0)
}

pub(super) async fn succeeded(
    tx: &mut WriteTx,
    id: i64,
    new: Option<(&Validators, &str)>,
    now: i64,
) -> Result<(), StoreError> {
    const DOING: &str = "keep that a feed is fresh";
    sqlx::query(
        "UPDATE feeds SET refreshed_at = ?, retry_at = 0, failures = 0, last_error = NULL \
         WHERE id = ?",
    )
    .bind(now)
    .bind(id)
    .execute(&mut **tx)
    .await
    .map_err(StoreError::doing(DOING))?;
    let Some((validators, published)) = new else { return Ok(()) };
    sqlx::query("UPDATE feeds SET etag = ?, last_modified = ?, published = ? WHERE id = ?")
        .bind(&validators.etag)
        .bind(&validators.last_modified)
        .bind(published)
        .bind(id)
        .execute(&mut **tx)
        .await
        .map_err(StoreError::doing(DOING))?;
    Ok(())
}

pub(super) async fn failed(
    tx: &mut WriteTx,
    id: i64,
    error: &str,
    retry_at: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE feeds SET retry_at = ?, failures = failures + 1, last_error = ? WHERE id = ?",
    )
    .bind(retry_at)
    .bind(error)
    .bind(id)
    .execute(&mut **tx)
    .await
    .map_err(StoreError::doing("keep why a feed was not refreshed"))?;
    Ok(())
}

/// Has the next attempt fetch the whole document, and counts it as overdue.
pub(super) async fn forget_validators(tx: &mut WriteTx, id: i64) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE feeds SET etag = NULL, last_modified = NULL, refreshed_at = 0 WHERE id = ?",
    )
    .bind(id)
    .execute(&mut **tx)
    .await
    .map_err(StoreError::doing("keep that a feed is not published"))?;
    Ok(())
}

pub(super) async fn keep_document(
    tx: &mut WriteTx,
    id: i64,
    document: &Document,
) -> Result<(), StoreError> {
    const DOING: &str = "keep a feed's items";
    let about = serde_json::to_string(&document.about).map_err(StoreError::text(DOING))?;
    sqlx::query("UPDATE feeds SET about = ? WHERE id = ?")
        .bind(about)
        .bind(id)
        .execute(&mut **tx)
        .await
        .map_err(StoreError::doing(DOING))?;
    forget_items(tx, id, &document.items).await?;
    // The last first: of those of one moment, the latest added is the first of the list.
    for item in document.items.iter().rev() {
        let text = serde_json::to_string(item).map_err(StoreError::text(DOING))?;
        sqlx::query(
            "INSERT INTO items (feed, key, sort_at, item) VALUES (?, ?, ?, ?) \
             ON CONFLICT (feed, key) DO UPDATE SET sort_at = excluded.sort_at, item = excluded.item",
        )
        .bind(id)
        .bind(&item.id)
        .bind(item.sort_at())
        .bind(text)
        .execute(&mut **tx)
        .await
        .map_err(StoreError::doing(DOING))?;
    }
    Ok(())
}

/// Forgets the items that are no longer in a feed.
async fn forget_items(tx: &mut WriteTx, feed: i64, left: &[Item]) -> Result<(), StoreError> {
    const DOING: &str = "forget a feed's old items";
    let left: HashSet<&str> = left.iter().map(|item| item.id.as_str()).collect();
    let known: Vec<(i64, String)> = sqlx::query_as("SELECT id, key FROM items WHERE feed = ?")
        .bind(feed)
        .fetch_all(&mut **tx)
        .await
        .map_err(StoreError::doing(DOING))?;
    for (id, _) in known.iter().filter(|(_, key)| !left.contains(key.as_str())) {
        sqlx::query("DELETE FROM items WHERE id = ?")
            .bind(id)
            .execute(&mut **tx)
            .await
            .map_err(StoreError::doing(DOING))?;
    }
    Ok(())
}
