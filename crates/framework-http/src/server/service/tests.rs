use std::future::{Ready, ready};

use tokio::time::advance;

use super::{
    super::state::{REST_AFTER, after},
    *,
};
use crate::{
    drain::DrainStage,
    server::{ServerSettings, Traffic},
};

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

#[tokio::test(start_paused = true)]
async fn a_request_that_is_cut_off_is_named_by_its_own_line_and_not_by_the_one_before_it() {
    let connection = connection();
    let start = |method: &str, path: &str| {
        let request = Request::builder().method(method).uri(path).body(()).unwrap();
        InFlight::new(&connection, &request.into_parts().0)
    };
    drop(start("PUT", "/old"));
    advance(Duration::from_secs(5)).await;
    let new = start("GET", "/new");
    advance(Duration::from_secs(2)).await;
    connection.traffic().enter(DrainStage::Force);
    drop(new);
    let cut = connection.traffic().take_cut();
    let [cut] = &cut[..] else { panic!("one was cut off, and not {cut:?}") };
    assert_eq!((cut.method.as_str(), cut.path.as_str()), ("GET", "/new"));
    assert_eq!(cut.age, Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_response_that_was_handed_over_to_the_last_byte_is_not_cut_off() {
    let connection = connection();
    let text = tower::service_fn(async |_| Answer::Ok(Response::new(Body::from("text"))));
    connection.traffic().enter(DrainStage::Force);
    let Ok(read) = on_its_way(text, &connection).await;
    let read = axum::body::to_bytes(Body::new(read.into_body()), 100).await.unwrap();
    assert_eq!(read, "text");
    assert!(connection.traffic().take_cut().is_empty());
    let Ok(unread) = on_its_way(text, &connection).await;
    drop(unread);
    assert_eq!(connection.traffic().take_cut().len(), 1);
}
