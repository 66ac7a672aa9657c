//! Feeds over HTTP.

use std::sync::Arc;

use framework::{
    axum::response::{IntoResponse, Response},
    http::{
        FieldError,
        openapi::{ApiOperation, ApiOutput, ApiRouter, get, post},
    },
    prelude::*,
};

use super::{
    Feed, FeedStore, ItemCursor, ItemsRequest, NewFeed, Page, PageRequest, Refresher,
    body::FeedBody,
    optimized::{Optimized, Wishes},
};
use crate::{
    FeedsSettings,
    fetching::feed_url,
    parsing::{Document, Item, Parser},
    publishing::Publisher,
};

/// What the handlers work with.
#[derive(Clone, Inject)]
pub(super) struct FeedsState {
    store: Arc<FeedStore>,
    refresher: Arc<Refresher>,
    parser: Arc<Parser>,
    publisher: Arc<Publisher>,
    settings: Config<FeedsSettings>,
}

const NO_FEED: &str = "there is no such feed";
const BUSY: &str = "there is too much to do at once, or the feed's host is left alone for a while";

pub(super) fn routes() -> ApiRouter<FeedsState> {
    ApiRouter::new()
        .route(
            "/feeds/parse",
            post(parse_feed)
                .description("The document is read as it says itself: RSS, Atom or JSON Feed.")
                .problem(StatusCode::UNPROCESSABLE_ENTITY, "the document is no feed")
                .problem(StatusCode::SERVICE_UNAVAILABLE, BUSY),
        )
        .route(
            "/feeds",
            fetched(get(list_feeds).problem(StatusCode::SERVICE_UNAVAILABLE, BUSY).post(add_feed)),
        )
        .route(
            "/feeds/{id}",
            get(show_feed)
                .problem(StatusCode::NOT_FOUND, NO_FEED)
                .problem(StatusCode::SERVICE_UNAVAILABLE, BUSY)
                .delete(remove_feed)
                .problem(StatusCode::NOT_FOUND, NO_FEED)
                .problem(StatusCode::SERVICE_UNAVAILABLE, BUSY),
        )
        .route(
            "/feeds/{id}/items",
            get(list_items)
                .problem(StatusCode::NOT_FOUND, NO_FEED)
                .problem(StatusCode::SERVICE_UNAVAILABLE, BUSY),
        )
        .route(
            "/feeds/{id}/refresh",
            fetched(post(refresh_feed))
                .problem(StatusCode::NOT_FOUND, NO_FEED)
                .problem(StatusCode::CONFLICT, "the feed is being refreshed already"),
        )
        .route(
            "/feeds/{id}/optimized",
            get(show_optimized)
                .problem(StatusCode::NOT_FOUND, "there is no such feed, or it is not published")
                .problem(StatusCode::SERVICE_UNAVAILABLE, BUSY),
        )
}

/// What may come of fetching.
fn fetched(
    methods: framework::http::openapi::ApiMethods<FeedsState>,
) -> framework::http::openapi::ApiMethods<FeedsState> {
    methods
        .problem(StatusCode::UNPROCESSABLE_ENTITY, "the address cannot be fetched, or is no feed's")
        .problem(StatusCode::BAD_GATEWAY, "the feed's host does not answer as it should")
        .problem(StatusCode::GATEWAY_TIMEOUT, "the feed's host takes too long")
        .problem(StatusCode::SERVICE_UNAVAILABLE, BUSY)
}

async fn parse_feed(
    State(state): State<FeedsState>,
    FeedBody(document): FeedBody,
) -> Result<Json<Document>, Problem> {
    Ok(Json(state.parser.parse(document, None).await?))
}

/// A feed that is new, or that has been there.
enum AddedFeed {
    New(Created<Feed>),
    Known(Json<Feed>),
}

async fn add_feed(
    State(state): State<FeedsState>,
    Valid(Json(new)): Valid<Json<NewFeed>>,
) -> Result<AddedFeed, Problem> {
    let url = feed_url(&new.url).map_err(|error| {
        let problem = Problem::unprocessable().detail("the address cannot be fetched");
        problem.error(&FieldError::at("/url", error.to_string()))
    })?;
    let (id, is_new) = state.refresher.add(&url).await?;
    let feed = find(&state, id).await?;
    Ok(if is_new {
        AddedFeed::New(Created::new(feed).at(format!("/feeds/{id}")))
    } else {
        AddedFeed::Known(Json(feed))
    })
}

async fn list_feeds(
    State(state): State<FeedsState>,
    Valid(Query(page)): Valid<Query<PageRequest>>,
) -> Result<Json<Page<Feed, i64>>, Problem> {
    let limit = page.limit.unwrap_or(state.settings.get().page_size);
    Ok(Json(state.store.page(page.after, limit).await?))
}

async fn show_feed(
    State(state): State<FeedsState>,
    Path(id): Path<i64>,
) -> Result<Json<Feed>, Problem> {
    find(&state, id).await.map(Json)
}

async fn remove_feed(
    State(state): State<FeedsState>,
    Path(id): Path<i64>,
) -> Result<NoContent, Problem> {
    if state.refresher.remove(id).await? { Ok(NoContent) } else { Err(missing(id)) }
}

async fn list_items(
    State(state): State<FeedsState>,
    Path(id): Path<i64>,
    Valid(Query(page)): Valid<Query<ItemsRequest>>,
) -> Result<Json<Page<Item, String>>, Problem> {
    let after = page.after.as_deref().map_or(Ok(ItemCursor::START), str::parse);
    let after = after.map_err(|error: super::page::InvalidCursor| {
        let problem = Problem::bad_request().detail("the query is not what this operation takes");
        problem.error(&FieldError::parameter("after", error.to_string()))
    })?;
    find(&state, id).await?;
    let limit = page.limit.unwrap_or(state.settings.get().page_size);
    let items = state.store.items(id, after, limit).await?;
    Ok(Json(items.map_next(|place| place.to_string())))
}

async fn refresh_feed(
    State(state): State<FeedsState>,
    Path(id): Path<i64>,
) -> Result<Json<Feed>, Problem> {
    state.refresher.refresh(id).await?;
    find(&state, id).await.map(Json)
}

async fn show_optimized(
    State(state): State<FeedsState>,
    Path(id): Path<i64>,
    wishes: Wishes,
) -> Result<Optimized, Problem> {
    find(&state, id).await?;
    let published = state.publisher.load(id, wishes.gzip).await?;
    let unpublished =
        || Problem::not_found().detail(format!("nothing is published of the feed {id} yet"));
    published.map(|published| wishes.answer(published)).ok_or_else(unpublished)
}

async fn find(state: &FeedsState, id: i64) -> Result<Feed, Problem> {
    state.store.find(id).await?.ok_or_else(|| missing(id))
}

fn missing(id: i64) -> Problem {
    Problem::not_found().detail(format!("there is no feed {id}"))
}

impl IntoResponse for AddedFeed {
    fn into_response(self) -> Response {
        match self {
            Self::New(created) => created.into_response(),
            Self::Known(feed) => feed.into_response(),
        }
    }
}

impl ApiOutput for AddedFeed {
    fn describe(operation: &mut ApiOperation<'_>) {
        Created::<Feed>::describe(operation);
        operation.json::<Feed>(StatusCode::OK, "the feed was there already, and is not fetched");
    }
}
