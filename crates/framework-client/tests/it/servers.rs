use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, HeaderName, StatusCode},
    routing::{get, post},
};
use framework_client::{CallError, Client, ClientSettings};
use framework_http::{Deadline, DrainControl, RequestId, ServeReport, Server, Stack, drain};
use tokio::task::JoinSet;

struct Running {
    address: SocketAddr,
    control: DrainControl,
    serving: JoinSet<ServeReport>,
}

impl Running {
    async fn start(router: Router, limit: Duration) -> Self {
        let server = Server::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr();
        let (control, signal) = drain();
        let mut serving = JoinSet::new();
        serving.spawn(server.serve(Stack::new().request_timeout(limit).apply(router), signal));
        Self { address, control, serving }
    }

    fn client(&self, name: &str) -> Client {
        let settings = ClientSettings::at(format!("http://{}", self.address));
        Client::new(name, settings).unwrap()
    }
}

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[tokio::test]
async fn deadline_id_and_trace_go_from_server_to_server() {
    let seen: Arc<Mutex<Vec<(Duration, String, HeaderMap)>>> = Arc::default();
    let into = Arc::clone(&seen);
    let last = async move |deadline: Deadline, id: RequestId, headers: HeaderMap| {
        into.lock().unwrap().push((deadline.left().unwrap(), id.to_string(), headers));
        "done"
    };
    let last = Router::new().route("/last", get(last));
    let last = Running::start(last, Duration::from_secs(30)).await;
    // The handler hands nothing on: neither deadline, nor id, nor trace.
    let relay = async |State(client): State<Client>| {
        client.get("/last").text().await.map_err(|_| StatusCode::BAD_GATEWAY)
    };
    let relay = Router::new().route("/", get(relay)).with_state(last.client("last"));
    let relay = Running::start(relay, Duration::from_secs(30)).await;
    let call = relay.client("relay").get("/").timeout(Duration::from_secs(4));
    let named = |name: &'static str| HeaderName::from_static(name);
    let call = call.header(named("x-request-id"), "order-7".parse().unwrap());
    let call = call.header(named("traceparent"), TRACE.parse().unwrap());
    assert_eq!(call.text().await.unwrap(), "done");
    let seen = seen.lock().unwrap();
    let (left, id, headers) = &seen[0];
    assert!(*left <= Duration::from_secs(4) && *left > Duration::from_secs(2), "{left:?}");
    assert_eq!(id, "order-7");
    assert_eq!(headers["traceparent"], TRACE);
}

#[tokio::test]
async fn a_call_fails_when_the_time_of_its_request_is_over_and_not_later() {
    let stuck = Router::new().route("/", get(async || std::future::pending::<()>().await));
    let stuck = Running::start(stuck, Duration::from_secs(30)).await;
    let failed: Arc<Mutex<Option<CallError>>> = Arc::default();
    let (into, client) = (Arc::clone(&failed), stuck.client("stuck"));
    let handler = async move || {
        let error = client.get("/").text().await.unwrap_err();
        *into.lock().unwrap() = Some(error);
    };
    let relay = Router::new().route("/", post(handler));
    let relay = Running::start(relay, Duration::from_millis(200)).await;
    let answer = relay.client("relay").post("/").empty().send().await.unwrap();
    // All end at the same moment: the call fails, or the server that is asked gives up, which has
    // been told of the deadline, or the handler is given up.
    let failed = failed.lock().unwrap().take();
    let in_time =
        |error: &CallError| error.is_timeout() || matches!(error, CallError::Status { .. });
    assert!(failed.as_ref().is_none_or(in_time), "{failed:?}");
    assert!(failed.is_some() || answer.status() == 503);
}

#[tokio::test]
async fn a_server_that_restarts_is_found_again_and_one_that_is_gone_is_named() {
    let router = Router::new().route("/", get(async || "hello"));
    let mut server = Running::start(router, Duration::from_secs(30)).await;
    let client = server.client("hello");
    assert_eq!(client.get("/").text().await.unwrap(), "hello");
    server.control.stop_within(Duration::from_secs(20));
    // Kept connections do not hold up the server.
    assert_eq!(server.serving.join_next().await.unwrap().unwrap().cut, []);
    let error = client.get("/?token=1").text().await.unwrap_err();
    assert!(matches!(error, CallError::Connect { .. }), "{error:?}");
    let address = server.address;
    let expected = format!("`hello`: `GET http://{address}/` (tried 3 times) cannot connect");
    assert_eq!(error.to_string(), expected);
}
