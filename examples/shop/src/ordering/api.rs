//! Orders over HTTP.

use std::sync::Arc;

use framework::{
    axum::{
        extract::FromRequestParts,
        http::{HeaderMap, HeaderName, request::Parts},
    },
    http::openapi::{ApiInput, ApiOperation, ApiRouter, get, post},
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

/// The key that came with a request, if one did.
struct Key(Option<IdempotencyKey>);

pub(super) fn routes() -> ApiRouter<OrderingState> {
    let place = post(place_order)
        .description(
            "An order is placed as a whole or not at all. With an `Idempotency-Key`, the same \
             order can be sent again: it is placed once, and has the first answer each time.",
        )
        .problem(StatusCode::BAD_REQUEST, "the key is none")
        .problem(StatusCode::CONFLICT, "there is not enough of something")
        .problem(StatusCode::UNPROCESSABLE_ENTITY, "there is no such product")
        .problem(StatusCode::UNPROCESSABLE_ENTITY, "the key came with another order before");
    let show = get(show_order).problem(StatusCode::NOT_FOUND, "there is no such order");
    ApiRouter::new().route("/orders", place).route("/orders/{id}", show)
}

async fn place_order(
    State(state): State<OrderingState>,
    Key(key): Key,
    Valid(Json(new)): Valid<Json<NewOrder>>,
) -> Result<Created<Order>, Problem> {
    new.check(&state.settings.get())?;
    match state.orders.place(&new, key.as_ref()).await? {
        Answer::Placed(order) => {
            let location = format!("/orders/{}", order.id);
            Ok(Created::new(order).at(location))
        }
        Answer::Refused(refusal) => Err(refusal.into()),
    }
}

async fn show_order(
    State(state): State<OrderingState>,
    Path(id): Path<i64>,
) -> Result<Json<Order>, Problem> {
    let missing = || Problem::not_found().detail(format!("there is no order {id}"));
    state.orders.find(id).await?.map(Json).ok_or_else(missing)
}

impl<S: Sync> FromRequestParts<S> for Key {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self(idempotency_key(&parts.headers)?))
    }
}

impl ApiInput for Key {
    fn describe(operation: &mut ApiOperation<'_>) {
        let what = "what the client calls this order, however often it sends it";
        operation.header::<IdempotencyKey>(IDEMPOTENCY_KEY.as_str(), false, what);
    }
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
