//! The first answer to each idempotency key, which is also the answer to every repetition.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use framework::prelude::*;

use schemars::JsonSchema;

use super::{Answer, NewOrder};
use crate::infra::{StoreError, WriteTx};

const MAX_LENGTH: usize = 255;

/// What a client calls one request, however often it sends it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, JsonSchema)]
pub struct IdempotencyKey(
    #[schemars(length(min = 1, max = MAX_LENGTH), regex(pattern = "^[!-~]+$"))] String,
);

/// A key that cannot be used: it has 1 to 255 characters, each of them visible ASCII.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an idempotency key has 1 to {MAX_LENGTH} characters, each of them visible ASCII")]
pub struct InvalidKey;

/// What is known about a key.
pub(super) enum Known {
    /// It is new.
    Nothing,
    /// It came with the same request, which was answered.
    Answer(Answer),
    /// It came with another request.
    OtherRequest,
}

impl IdempotencyKey {
    /// Takes the text of a key.
    ///
    /// # Errors
    ///
    /// Returns an error if it cannot be a key.
    ///
    /// # Examples
    ///
    /// ```
    /// use shop::ordering::IdempotencyKey;
    ///
    /// assert!(IdempotencyKey::parse("5f0c-1").is_ok());
    /// assert!(IdempotencyKey::parse("").is_err());
    /// ```
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidKey> {
        let text = text.into();
        let fits = (1..=MAX_LENGTH).contains(&text.len());
        if fits && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(Self(text));
        }
        Err(InvalidKey)
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<InvalidKey> for Problem {
    fn from(error: InvalidKey) -> Self {
        Self::bad_request().detail(error.to_string())
    }
}

/// Forgets the keys that were answered `retention` ago or longer: whoever adds one sweeps, so
/// there are never more than came in that time.
pub(super) async fn forget(
    tx: &mut WriteTx,
    now: SystemTime,
    retention: Duration,
) -> Result<(), StoreError> {
    let oldest = seconds(now).saturating_sub_unsigned(retention.as_secs());
    sqlx::query("DELETE FROM idempotency_keys WHERE answered_at <= ?")
        .bind(oldest)
        .execute(&mut **tx)
        .await
        .map_err(StoreError::doing("forget old idempotency keys"))?;
    Ok(())
}

/// What is known about `key`, if it comes with `request` now.
pub(super) async fn look_up(
    tx: &mut WriteTx,
    key: &IdempotencyKey,
    request: &NewOrder,
) -> Result<Known, StoreError> {
    const DOING: &str = "look up an idempotency key";
    let known: Option<(String, String)> =
        sqlx::query_as("SELECT request, answer FROM idempotency_keys WHERE key = ?")
            .bind(&key.0)
            .fetch_optional(&mut **tx)
            .await
            .map_err(StoreError::doing(DOING))?;
    let Some((first, answer)) = known else { return Ok(Known::Nothing) };
    let read = |error: serde_json::Error| StoreError::corrupt(DOING, error);
    if serde_json::from_str::<NewOrder>(&first).map_err(read)? != *request {
        return Ok(Known::OtherRequest);
    }
    Ok(Known::Answer(serde_json::from_str(&answer).map_err(read)?))
}

/// Keeps `answer` for whoever comes with `key` and the same `request` again.
pub(super) async fn keep(
    tx: &mut WriteTx,
    key: &IdempotencyKey,
    request: &NewOrder,
    answer: &Answer,
    now: SystemTime,
) -> Result<(), StoreError> {
    const DOING: &str = "keep an answer";
    let text = |text: Result<String, serde_json::Error>| {
        text.map_err(|error| StoreError::corrupt(DOING, BoxError::from(error)))
    };
    sqlx::query(
        "INSERT INTO idempotency_keys (key, request, answer, answered_at) VALUES (?, ?, ?, ?)",
    )
    .bind(&key.0)
    .bind(text(serde_json::to_string(request))?)
    .bind(text(serde_json::to_string(answer))?)
    .bind(seconds(now))
    .execute(&mut **tx)
    .await
    .map_err(StoreError::doing(DOING))?;
    Ok(())
}

fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
