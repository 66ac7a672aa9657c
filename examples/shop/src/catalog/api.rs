//! The catalogue over HTTP.

use std::sync::Arc;

use framework::{axum::http::StatusCode, prelude::*};

use super::{
    CatalogSettings, Categories, Category, NewCategory, NewProduct, Page, PageRequest, Product,
    Products,
};

/// What the handlers work with.
#[derive(Clone, Inject)]
pub(super) struct CatalogState {
    categories: Arc<Categories>,
    products: Arc<Products>,
    settings: Config<CatalogSettings>,
}

type Created<T> = Result<(StatusCode, Json<T>), Problem>;

pub(super) fn routes() -> Router<CatalogState> {
    Router::new()
        .route("/categories", get(list_categories).post(add_category))
        .route("/products", get(list_products).post(add_product))
        .route("/products/{id}", get(show_product))
}

async fn add_category(
    State(state): State<CatalogState>,
    Json(new): Json<NewCategory>,
) -> Created<Category> {
    new.check()?;
    Ok((StatusCode::CREATED, Json(state.categories.add(new).await?)))
}

async fn list_categories(
    State(state): State<CatalogState>,
    Query(page): Query<PageRequest>,
) -> Result<Json<Page<Category>>, Problem> {
    let limit = page.limit_or(state.settings.get().page_size)?;
    Ok(Json(state.categories.page(page.after, limit).await?))
}

async fn add_product(
    State(state): State<CatalogState>,
    Json(new): Json<NewProduct>,
) -> Created<Product> {
    new.check()?;
    Ok((StatusCode::CREATED, Json(state.products.add(new).await?)))
}

async fn list_products(
    State(state): State<CatalogState>,
    Query(page): Query<PageRequest>,
) -> Result<Json<Page<Product>>, Problem> {
    let limit = page.limit_or(state.settings.get().page_size)?;
    Ok(Json(state.products.page(page.after, limit).await?))
}

async fn show_product(
    State(state): State<CatalogState>,
    Path(id): Path<i64>,
) -> Result<Json<Product>, Problem> {
    let missing = || Problem::not_found().detail(format!("there is no product {id}"));
    state.products.find(id).await?.map(Json).ok_or_else(missing)
}
