//! From rows to values.

use sqlx::{FromRow, Row as _, sqlite::SqliteRow};

use super::Claim;
use crate::{
    feeds::{Feed, feed::moment},
    fetching::Validators,
};

impl FromRow<'_, SqliteRow> for Feed {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        let about: String = row.try_get("about")?;
        Ok(Self {
            id: row.try_get("id")?,
            url: row.try_get("url")?,
            about: serde_json::from_str(&about).map_err(|e| sqlx::Error::Decode(e.into()))?,
            refreshed_at: moment(row.try_get("refreshed_at")?),
            failures: row.try_get("failures")?,
            last_error: row.try_get("last_error")?,
            published: row.try_get("published")?,
        })
    }
}

impl FromRow<'_, SqliteRow> for Claim {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        let (etag, last_modified) = (row.try_get("etag")?, row.try_get("last_modified")?);
        Ok(Self {
            id: row.try_get("id")?,
            url: row.try_get("url")?,
            validators: Validators { etag, last_modified },
            published: row.try_get("published")?,
            failures: row.try_get("failures")?,
            lease: row.try_get("lease")?,
        })
    }
}
