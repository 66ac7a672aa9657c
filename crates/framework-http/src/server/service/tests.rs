use std::future::{Ready, ready};

use tokio::time::advance;

use super::{
    super::state::{REST_AFTER, after},
    *,
};
use crate::server::{ServerSettings, Traffic};

type Answer = Result<Response<Body>, Infallible>;

/// A request on its way through `service`.
fn on_its_way<S>(mut service: S, connection: &Arc<ConnectionState>) -> ConnectionFuture<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let request = Request::new(Body::empty());
    let (parts, body) = request.into_parts();
    let in_flight = InFlight::new(connection, &parts);
    let future = service.call(Request::from_parts(parts, body));
    ConnectionFuture {
        inner: Calling::Called(Box::pin(future)),
        version: Version::HTTP_11,
        request: Some(in_flight),
        first: false,
    }
}

fn connection() -> Arc<ConnectionState> {
    Arc::new(ConnectionState::new(Traffic::new(), ServerSettings::default()))
}

fn answer(_: Request<Body>) -> Ready<Answer> {
    ready(Ok(Response::new(Body::empty())))
}

#[tokio::test(start_paused = true)]
async fn a_request_ends_when_its_service_said_that_it_was_finished() {
    let connection = connection();
    let service = tower::service_fn(async |request| {
        let answer = answer(request).await;
        finish::now();
        answer
    });
    let Ok(response) = on_its_way(service, &connection).await;
    let finished = connection.now();
    advance(Duration::from_secs(2)).await;
    drop(response);
    assert_eq!(connection.rests_at(), Some(after(finished, REST_AFTER)));
}

#[tokio::test(start_paused = true)]
async fn what_another_request_has_left_on_the_thread_says_nothing_of_this_one() {
    let connection = connection();
    finish::now();
    advance(Duration::from_secs(60)).await;
    drop(on_its_way(tower::service_fn(answer), &connection).await);
    assert_eq!(connection.rests_at(), Some(after(connection.now(), REST_AFTER)));
}
