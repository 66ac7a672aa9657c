use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{NOT_BLANK, page::Page};
use crate::infra::{Database, StoreError};

const MAX_NAME: usize = 200;

/// What products are sorted into.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Category {
    /// Its id.
    pub id: i64,
    /// What it is called.
    pub name: String,
}

/// A category that somebody wants to add.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCategory {
    /// What it is called, 1 to 200 characters. Two may be called the same.
    #[schemars(length(min = 1, max = MAX_NAME), regex(pattern = NOT_BLANK), example = &"Books")]
    pub name: String,
}

/// Every category.
#[derive(Debug)]
pub struct Categories {
    database: Arc<Database>,
}

impl Categories {
    /// The categories in `database`.
    #[must_use]
    pub fn new(database: Arc<Database>) -> Self {
        Self { database }
    }

    /// Adds a category.
    ///
    /// # Errors
    ///
    /// Returns an error if the database does.
    pub async fn add(&self, new: NewCategory) -> Result<Category, StoreError> {
        const DOING: &str = "add a category";
        let mut tx = self.database.write().await?;
        let id = sqlx::query_scalar("INSERT INTO categories (name) VALUES (?) RETURNING id")
            .bind(&new.name)
            .fetch_one(&mut *tx)
            .await
            .map_err(StoreError::doing(DOING))?;
        tx.commit().await.map_err(StoreError::doing(DOING))?;
        Ok(Category { id, name: new.name })
    }

    /// Up to `limit` categories after the one with the id `after`.
    ///
    /// # Errors
    ///
    /// Returns an error if the database does.
    pub async fn page(&self, after: i64, limit: u32) -> Result<Page<Category>, StoreError> {
        let rows: Vec<(i64, String)> =
            sqlx::query_as("SELECT id, name FROM categories WHERE id > ? ORDER BY id LIMIT ?")
                .bind(after)
                .bind(i64::from(limit) + 1)
                .fetch_all(&mut *self.database.read().await?)
                .await
                .map_err(StoreError::doing("list categories"))?;
        let categories = rows.into_iter().map(|(id, name)| Category { id, name }).collect();
        Ok(Page::new(categories, limit, |category| category.id))
    }
}
