use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    routing::{get, post},
};
use framework_http::{
    Deadline, Json, Problem, RequestId, RequestObserver, RequestRecord, RouteObserver,
    ServerSettings, Stack, StackService,
};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use tower::{Service as _, ServiceExt as _};

use crate::client::{Client, Running};

/// A response as text: status, content type, body.
async fn text(response: Response<Body>) -> (u16, String, String) {
    let kind = response.headers().get("content-type").map_or("", |kind| kind.to_str().unwrap());
    let (status, kind) = (response.status().as_u16(), kind.to_owned());
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, kind, String::from_utf8(body.to_vec()).unwrap())
}

async fn call(router: &StackService<Router>, request: Request<Body>) -> Response<Body> {
    router.clone().oneshot(request).await.unwrap()
}

fn get_request(path: &str) -> Request<Body> {
    Request::get(path).header("x-request-id", "id-1").body(Body::empty()).unwrap()
}

/// A body whose size nobody knows in advance.
fn chunked(chunks: usize, size: usize) -> Body {
    let chunk =
        move |_| Ok::<_, std::io::Error>(http_body::Frame::data(Bytes::from(vec![b'x'; size])));
    Body::new(StreamBody::new(futures_util::stream::iter((0..chunks).map(chunk))))
}

const PROBLEM: &str = "application/problem+json";

#[tokio::test]
async fn a_panic_becomes_a_500_that_names_the_request_and_nothing_else() {
    let broken = async || {
        let secret = String::from("db-3 is on fire");
        if !secret.is_empty() {
            panic!("{secret}");
        }
    };
    let router = Stack::new().apply(Router::new().route("/", get(broken)));
    assert_eq!(
        text(call(&router, get_request("/")).await).await,
        (
            500,
            PROBLEM.to_owned(),
            concat!(
                r#"{"type":"about:blank","title":"Internal Server Error","status":500,"#,
                r#""detail":"something went wrong on our side; whoever runs this service finds it in the log","#,
                r#""request_id":"id-1"}"#,
            )
            .to_owned(),
        ),
    );
}

#[tokio::test]
async fn after_a_panic_the_same_connection_goes_on() {
    let router = Router::new()
        .route("/panic", get(async || -> &'static str { panic!("as the test wants") }))
        .route("/", get(async || "hello"));
    let server = Running::start(Stack::new().apply(router), ServerSettings::default()).await;
    let mut client = Client::connect(server.address).await;
    assert_eq!(client.get("/panic").await.status, 500);
    assert_eq!(client.get("/").await.body, "hello");
    assert_eq!(server.traffic.accepted_connections(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_takes_too_long_is_given_up_and_dropped() {
    let dropped = Arc::new(());
    let held = Arc::clone(&dropped);
    let slow = async move || {
        let _held = Arc::clone(&held);
        std::future::pending::<()>().await;
    };
    let stack = Stack::new().request_timeout(Duration::from_secs(30));
    let router = stack.apply(Router::new().route("/", get(slow)));
    let before = Arc::strong_count(&dropped);
    let start = tokio::time::Instant::now();
    let answered = call(&router, get_request("/"));
    let response = tokio::time::timeout(Duration::from_secs(60), answered).await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(30));
    assert_eq!(Arc::strong_count(&dropped), before);
    assert_eq!(
        text(response).await,
        (
            503,
            PROBLEM.to_owned(),
            concat!(
                r#"{"type":"about:blank","title":"Service Unavailable","status":503,"#,
                r#""detail":"the request took longer than 30s","request_id":"id-1"}"#,
            )
            .to_owned(),
        ),
    );
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_whether_it_says_so_or_not() {
    let raw = async |body: Bytes| body.len().to_string();
    let json = async |Json(text): Json<String>| text;
    let stack = Stack::new().body_limit(100);
    let router = stack.apply(Router::new().route("/", post(raw)).route("/json", post(json)));
    let refused = (
        413,
        PROBLEM.to_owned(),
        concat!(
            r#"{"type":"about:blank","title":"Payload Too Large","status":413,"#,
            r#""detail":"the body is larger than 100 bytes","limit":100}"#,
        )
        .to_owned(),
    );
    let send = async |path: &str, body: Body| {
        let request = Request::post(path).header("content-type", "application/json");
        text(call(&router, request.body(body).unwrap()).await).await
    };
    for path in ["/", "/json"] {
        assert_eq!(send(path, Body::from(vec![b'x'; 101])).await, refused);
        assert_eq!(send(path, chunked(2, 51)).await, refused);
    }
    assert_eq!(send("/", Body::from(vec![b'x'; 100])).await.2, "100");
    assert_eq!(send("/", chunked(2, 50)).await.2, "100");
}

#[tokio::test]
async fn a_limit_above_that_of_axum_holds() {
    let router = Router::new().route("/", post(async |body: Bytes| body.len().to_string()));
    let router = Stack::new().body_limit(5 << 20).apply(router);
    let request = Request::post("/").body(Body::from(vec![b'x'; 4 << 20])).unwrap();
    assert_eq!(text(call(&router, request).await).await.2, (4 << 20).to_string());
}

#[tokio::test]
async fn unknown_paths_and_methods_get_problem_documents() {
    let router = Stack::new().apply(Router::new().route("/known", get(async || "hello")));
    assert_eq!(
        text(call(&router, get_request("/nowhere")).await).await,
        (
            404,
            PROBLEM.to_owned(),
            concat!(
                r#"{"type":"about:blank","title":"Not Found","status":404,"#,
                r#""detail":"nothing is served at `/nowhere`"}"#,
            )
            .to_owned(),
        ),
    );
    let response = call(&router, Request::post("/known").body(Body::empty()).unwrap()).await;
    assert_eq!(response.headers()["allow"], "GET,HEAD");
    assert_eq!(
        text(response).await,
        (
            405,
            PROBLEM.to_owned(),
            concat!(
                r#"{"type":"about:blank","title":"Method Not Allowed","status":405,"#,
                r#""detail":"`/known` does not take `POST`"}"#,
            )
            .to_owned(),
        ),
    );
}

#[tokio::test]
async fn a_request_is_known_by_one_id_to_its_handler_and_its_client() {
    let router = Router::new().route("/", get(async |id: RequestId| id.to_string()));
    let router = Stack::new().apply(router);
    let response = call(&router, get_request("/")).await;
    assert_eq!(response.headers()["x-request-id"], "id-1");
    assert_eq!(text(response).await.2, "id-1");
    let made = call(&router, Request::get("/").body(Body::empty()).unwrap()).await;
    let id = made.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert_eq!((id.len(), text(made).await.2), (32, id));
}

#[tokio::test]
async fn an_internal_error_is_told_to_the_log_and_not_to_the_client() {
    #[derive(Debug, thiserror::Error)]
    #[error("cannot load the product")]
    struct Load(#[source] std::io::Error);
    let fail = async || Problem::internal(Load(std::io::Error::other("disk 7 is gone")));
    let router = Stack::new().apply(Router::new().route("/", get(fail)));
    let log = Log::default();
    let subscriber = log.subscriber();
    let guard = tracing::subscriber::set_default(subscriber);
    let (status, _, body) = text(call(&router, get_request("/")).await).await;
    drop(guard);
    assert_eq!(status, 500);
    assert!(body.contains(r#""request_id":"id-1""#) && !body.contains("disk"), "{body}");
    let log = log.text();
    assert!(log.contains("cannot load the product: disk 7 is gone"), "{log}");
    assert!(log.contains(r#"request{method="GET" route="/" request_id="id-1"}"#), "{log}");
}

#[tokio::test]
async fn an_id_that_a_handler_has_set_itself_is_kept() {
    let handler = async || ([("x-request-id", "its-own")], "hello");
    let router = Stack::new().apply(Router::new().route("/", get(handler)));
    let response = call(&router, get_request("/")).await;
    let ids: Vec<_> = response.headers().get_all("x-request-id").iter().collect();
    assert_eq!(ids, ["its-own"]);
}

#[derive(Default)]
struct Seen(Mutex<Vec<String>>);

impl RequestObserver for Seen {
    fn started(&self) {
        self.0.lock().unwrap().push("started".to_owned());
    }

    fn finished(&self, record: &RequestRecord<'_>) {
        let RequestRecord { method, route, status, request_bytes, response_bytes, .. } = record;
        let line = format!("{method} {route} {} {request_bytes} {response_bytes}", status.as_u16());
        self.0.lock().unwrap().push(line);
    }
}

#[tokio::test]
async fn an_observer_is_told_of_every_request_by_its_route_and_with_its_sizes() {
    let seen = Arc::new(Seen::default());
    let stream = async |_: Bytes| chunked(3, 10);
    let router = Router::new()
        .route("/products/{id}", get(async || "hello").post(stream))
        .route("/wait", get(std::future::pending::<StatusCode>));
    let router = Stack::new().observer(Arc::clone(&seen) as _).apply(router);
    let line = async |request: Request<Body>| {
        text(call(&router, request).await).await;
        let lines = std::mem::take(&mut *seen.0.lock().unwrap());
        assert_eq!((lines.len(), lines[0].as_str()), (2, "started"), "{lines:?}");
        lines[1].clone()
    };
    assert_eq!(line(get_request("/products/7")).await, "GET /products/{id} 200 0 5");
    let upload = Request::post("/products/7").body(chunked(2, 7)).unwrap();
    assert_eq!(line(upload).await, "POST /products/{id} 200 14 30");
    let odd = Request::builder().method("BREW").uri("/products/7").body(Body::empty()).unwrap();
    assert!(line(odd).await.starts_with("_OTHER /products/{id} 405 0 "));
    assert!(line(get_request("/nowhere")).await.starts_with("GET unmatched 404 0 "));

    let gone = router.clone().oneshot(get_request("/wait"));
    assert!(tokio::time::timeout(Duration::from_millis(10), gone).await.is_err());
    assert_eq!(*seen.0.lock().unwrap(), ["started", "GET /wait 499 0 0"]);
}

/// Tells of each route apart; what has no route, of the rest.
#[derive(Default)]
struct Apart(Arc<Mutex<Vec<String>>>);

struct OfRoute(String, Arc<Mutex<Vec<String>>>);

impl RequestObserver for Apart {
    fn started(&self) {}

    fn finished(&self, record: &RequestRecord<'_>) {
        self.0.lock().unwrap().push(format!("the rest: {}", record.route));
    }

    fn route(&self, template: &str) -> Option<Arc<dyn RouteObserver>> {
        let of_route = || OfRoute(template.to_owned(), Arc::clone(&self.0));
        (template != "/plain").then(|| Arc::new(of_route()) as _)
    }
}

impl RouteObserver for OfRoute {
    fn finished(&self, record: &RequestRecord<'_>) {
        let Self(template, seen) = self;
        seen.lock().unwrap().push(format!("{template}: {}", record.route));
    }
}

#[tokio::test]
async fn the_observer_of_a_route_is_told_of_its_requests_and_of_no_others() {
    let seen = Apart::default();
    let lines = Arc::clone(&seen.0);
    let router = Router::new()
        .route("/products/{id}", get(async || "hello"))
        .route("/orders", get(async || "none"))
        .route("/plain", get(async || "plain"));
    let mut router = Stack::new().observer(Arc::new(seen)).apply(router);
    // One after the other on what a connection has for itself.
    for path in ["/products/7", "/products/8", "/orders", "/nowhere", "/plain", "/products/9"] {
        router.call(get_request(path)).await.unwrap();
    }
    let expected = [
        "/products/{id}: /products/{id}",
        "/products/{id}: /products/{id}",
        "/orders: /orders",
        "the rest: unmatched",
        "the rest: /plain",
        "/products/{id}: /products/{id}",
    ];
    assert_eq!(*lines.lock().unwrap(), expected);
}

/// A log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn subscriber(&self) -> impl tracing::Subscriber + Send + Sync + use<> {
        let log = self.clone();
        tracing_subscriber::fmt().with_ansi(false).with_writer(move || log.clone()).finish()
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_knows_the_sooner_of_the_clients_deadline_and_the_servers() {
    let left = async |deadline: Deadline| {
        let (_, left) = deadline.header().unwrap();
        left.to_str().unwrap().to_owned()
    };
    let router = Router::new().route("/", get(left));
    let service = Stack::new().request_timeout(Duration::from_secs(5)).apply(router);
    for (sent, seen) in
        [(None, "5000"), (Some("750"), "750"), (Some("9000"), "5000"), (Some("soon"), "5000")]
    {
        let mut request = Request::get("/");
        if let Some(sent) = sent {
            request = request.header("x-request-timeout-ms", sent);
        }
        let response = service.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, seen, "{sent:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_is_given_up_when_its_client_no_longer_waits_and_lets_go_of_what_it_holds() {
    let held = Arc::new(());
    let holds = {
        let held = Arc::clone(&held);
        async move || {
            let _held = Arc::clone(&held);
            std::future::pending::<()>().await;
        }
    };
    let service = Stack::new().apply(Router::new().route("/", get(holds)));
    let before = Arc::strong_count(&held);
    let request = Request::get("/").header("x-request-timeout-ms", "200");
    let start = tokio::time::Instant::now();
    let response = service.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), 503);
    assert!(start.elapsed() < Duration::from_millis(210), "{:?}", start.elapsed());
    assert!(Arc::strong_count(&held) <= before);
}
