//! Orders over HTTP.

use std::sync::Arc;

use framework::{
    axum::http::{HeaderMap, HeaderName, StatusCode, header},
    prelude::*,
};

use super::{Answer, IdempotencyKey, InvalidKey, NewOrder, Order, OrderingSettings, Orders};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What the handlers work with.
#[derive(Clone, Inject)]
pub(super) struct OrderingState {
    orders: Arc<Orders>,
    settings: Config<OrderingSettings>,
}

type Placed = (StatusCode, [(HeaderName, String); 1], Json<Order>);

pub(super) fn routes() -> Router<OrderingState> {
    Router::new().route("/orders", post(place)).route("/orders/{id}", get(show))
}

async fn place(
    State(state): State<OrderingState>,
    headers: HeaderMap,
    Json(new): Json<NewOrder>,
) -> Result<Placed, Problem> {
    let key = idempotency_key(&headers)?;
    new.check(&state.settings.get())?;
    match state.orders.place(&new, key.as_ref()).await? {
        Answer::Placed(order) => {
            let location = [(header::LOCATION, format!("/orders/{}", order.id))];
            Ok((StatusCode::CREATED, location, Json(order)))
        }
        Answer::Refused(refusal) => Err(refusal.into()),
    }
}

async fn show(
    State(state): State<OrderingState>,
    Path(id): Path<i64>,
) -> Result<Json<Order>, Problem> {
    let missing = || Problem::not_found().detail(format!("there is no order {id}"));
    state.orders.find(id).await?.map(Json).ok_or_else(missing)
}

/// The key that the client gave; two at once mean nothing.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, InvalidKey> {
    let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(key) = keys.next() else { return Ok(None) };
    if keys.next().is_some() {
        return Err(InvalidKey);
    }
    let text = key.to_str().map_err(|_| InvalidKey)?;
    IdempotencyKey::parse(text).map(Some)
}
