use std::sync::Arc;

use framework::{
    axum::response::{IntoResponse, Response},
    http::{
        FieldError,
        openapi::{ApiOperation, ApiOutput},
    },
    prelude::*,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, Row as _, sqlite::SqliteRow};

use super::{NOT_BLANK, page::Page};
use crate::infra::{Database, StoreError};

const MAX_SKU: usize = 64;
const MAX_NAME: usize = 200;

/// Something that is for sale.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Product {
    /// Its id.
    pub id: i64,
    /// The name by which it is ordered; no other product has it.
    pub sku: String,
    /// What it is called.
    pub name: String,
    /// What one costs, in cents.
    pub price_cents: i64,
    /// The id of its category.
    pub category: i64,
    /// How many there are.
    pub stock: i64,
}

/// A product that somebody wants to add.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewProduct {
    /// The name by which it is ordered, 1 to 64 characters.
    #[schemars(length(min = 1, max = MAX_SKU), regex(pattern = NOT_BLANK), example = &"B-1")]
    pub sku: String,
    /// What it is called, 1 to 200 characters.
    #[schemars(length(min = 1, max = MAX_NAME), regex(pattern = NOT_BLANK), example = &"A book")]
    pub name: String,
    /// What one costs in cents, at least 0.
    #[schemars(range(min = 0), example = 1299)]
    pub price_cents: i64,
    /// The id of its category.
    #[schemars(example = 1)]
    pub category: i64,
    /// How many there are, at least 0.
    #[schemars(range(min = 0), example = 3)]
    pub stock: i64,
}

/// Every product.
#[derive(Debug)]
pub struct Products {
    database: Arc<Database>,
}

/// Why a product was not added.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotAdded {
    /// Another product has the SKU.
    #[error("there is a product `{sku}` already")]
    SkuTaken {
        /// The SKU.
        sku: String,
    },
    /// There is no such category.
    #[error("there is no category {category}")]
    NoCategory {
        /// The id of the category.
        category: i64,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Products {
    /// The products in `database`.
    #[must_use]
    pub fn new(database: Arc<Database>) -> Self {
        Self { database }
    }

    /// Adds a product.
    ///
    /// # Errors
    ///
    /// Returns an error if its SKU is taken, its category is unknown, or the database fails.
    pub async fn add(&self, new: NewProduct) -> Result<Product, NotAdded> {
        let mut tx = self.database.write().await?;
        let inserted = sqlx::query_scalar(
            "INSERT INTO products (sku, name, price_cents, category, stock) \
             VALUES (?, ?, ?, ?, ?) RETURNING id",
        )
        .bind(&new.sku)
        .bind(&new.name)
        .bind(new.price_cents)
        .bind(new.category)
        .bind(new.stock)
        .fetch_one(&mut *tx)
        .await;
        let id = inserted.map_err(|error| new.refused(error))?;
        tx.commit().await.map_err(StoreError::doing("add a product"))?;
        let NewProduct { sku, name, price_cents, category, stock } = new;
        Ok(Product { id, sku, name, price_cents, category, stock })
    }

    /// The product with the id `id`, if there is one.
    ///
    /// # Errors
    ///
    /// Returns an error if the database does.
    pub async fn find(&self, id: i64) -> Result<Option<Product>, StoreError> {
        sqlx::query_as("SELECT * FROM products WHERE id = ?")
            .bind(id)
            .fetch_optional(&mut *self.database.read().await?)
            .await
            .map_err(StoreError::doing("find a product"))
    }

    /// Up to `limit` products after the one with the id `after`.
    ///
    /// # Errors
    ///
    /// Returns an error if the database does.
    pub async fn page(&self, after: i64, limit: u32) -> Result<Page<Product>, StoreError> {
        let products = sqlx::query_as("SELECT * FROM products WHERE id > ? ORDER BY id LIMIT ?")
            .bind(after)
            .bind(i64::from(limit) + 1)
            .fetch_all(&mut *self.database.read().await?)
            .await
            .map_err(StoreError::doing("list products"))?;
        Ok(Page::new(products, limit, |product: &Product| product.id))
    }
}

impl NewProduct {
    /// What it means that the database did not take it.
    fn refused(&self, error: sqlx::Error) -> NotAdded {
        let constraint = error.as_database_error().map(sqlx::error::DatabaseError::kind);
        match constraint {
            Some(sqlx::error::ErrorKind::UniqueViolation) => {
                NotAdded::SkuTaken { sku: self.sku.clone() }
            }
            Some(sqlx::error::ErrorKind::ForeignKeyViolation) => {
                NotAdded::NoCategory { category: self.category }
            }
            _ => StoreError::doing("add a product")(error).into(),
        }
    }
}

impl FromRow<'_, SqliteRow> for Product {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            sku: row.try_get("sku")?,
            name: row.try_get("name")?,
            price_cents: row.try_get("price_cents")?,
            category: row.try_get("category")?,
            stock: row.try_get("stock")?,
        })
    }
}

impl From<NotAdded> for Problem {
    fn from(error: NotAdded) -> Self {
        let detail = error.to_string();
        match error {
            NotAdded::SkuTaken { .. } => {
                Self::conflict().detail(detail).error(&FieldError::at("/sku", "is taken"))
            }
            NotAdded::NoCategory { .. } => Self::unprocessable()
                .detail(detail)
                .error(&FieldError::at("/category", "is no category's id")),
            NotAdded::Store(error) => error.into(),
        }
    }
}

impl IntoResponse for NotAdded {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}

impl ApiOutput for NotAdded {
    fn describe(operation: &mut ApiOperation<'_>) {
        operation.problem(StatusCode::CONFLICT, "another product has the SKU");
        operation.problem(StatusCode::UNPROCESSABLE_ENTITY, "there is no such category");
        StoreError::describe(operation);
    }
}
