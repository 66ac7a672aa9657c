//! The catalogue over HTTP.

use std::sync::Arc;

use framework::{
    http::openapi::{ApiRouter, get},
    prelude::*,
};

use super::{
    CatalogSettings, Categories, Category, NewCategory, NewProduct, NotAdded, Page, PageRequest,
    Product, Products,
};
use crate::infra::StoreError;

/// What the handlers work with.
#[derive(Clone, Inject)]
pub(super) struct CatalogState {
    categories: Arc<Categories>,
    products: Arc<Products>,
    settings: Config<CatalogSettings>,
}

pub(super) fn routes() -> ApiRouter<CatalogState> {
    ApiRouter::new()
        .route("/categories", get(list_categories).post(add_category))
        .route("/products", get(list_products).post(add_product))
        .route(
            "/products/{id}",
            get(show_product).problem(StatusCode::NOT_FOUND, "there is no such product"),
        )
}

async fn add_category(
    State(state): State<CatalogState>,
    Valid(Json(new)): Valid<Json<NewCategory>>,
) -> Result<Created<Category>, StoreError> {
    state.categories.add(new).await.map(Created::new)
}

async fn list_categories(
    State(state): State<CatalogState>,
    Valid(Query(page)): Valid<Query<PageRequest>>,
) -> Result<Json<Page<Category>>, StoreError> {
    let limit = page.limit.unwrap_or(state.settings.get().page_size);
    state.categories.page(page.after, limit).await.map(Json)
}

async fn add_product(
    State(state): State<CatalogState>,
    Valid(Json(new)): Valid<Json<NewProduct>>,
) -> Result<Created<Product>, NotAdded> {
    let product = state.products.add(new).await?;
    let location = format!("/products/{}", product.id);
    Ok(Created::new(product).at(location))
}

async fn list_products(
    State(state): State<CatalogState>,
    Valid(Query(page)): Valid<Query<PageRequest>>,
) -> Result<Json<Page<Product>>, StoreError> {
    let limit = page.limit.unwrap_or(state.settings.get().page_size);
    state.products.page(page.after, limit).await.map(Json)
}

async fn show_product(
    State(state): State<CatalogState>,
    Path(id): Path<i64>,
) -> Result<Json<Product>, Problem> {
    let missing = || Problem::not_found().detail(format!("there is no product {id}"));
    state.products.find(id).await?.map(Json).ok_or_else(missing)
}
