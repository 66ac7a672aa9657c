use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    routing::get,
};
use framework_core::{BoxModule, module_fn};
use framework_di::{Inject, InjectExt as _, Scoped};
use framework_http::{
    Deadline, DeadlineExceeded, HttpExt as _, HttpModule, HttpSettings, Problem, RequestScope,
    ServerSettings, Stack,
};
use tokio::{sync::Semaphore, time::Instant};
use tower::ServiceExt as _;

use crate::{
    app::{App, plan},
    client::{Client, Running},
};

const LIMIT: Duration = Duration::from_secs(5);

async fn call(router: Router, sent: Option<&str>) -> http::Response<Body> {
    let mut request = Request::get("/");
    if let Some(sent) = sent {
        request = request.header("x-request-timeout-ms", sent);
    }
    let stack = Stack::new().request_timeout(LIMIT).apply(router);
    stack.oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

/// What is far from the handler, and is handed nothing.
async fn left() -> Option<Duration> {
    tokio::task::yield_now().await;
    Deadline::current().left()
}

#[tokio::test(start_paused = true)]
async fn the_deadline_is_found_without_being_handed_down() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&seen);
    let handler = async move |given: Deadline| {
        let left = left().await;
        into.lock().unwrap().push((given.left(), left));
    };
    let router = Router::new().route("/", get(handler));
    for sent in [None, Some("700"), Some("60000")] {
        call(router.clone(), sent).await;
    }
    let (all, fewer) = (Some(LIMIT), Some(Duration::from_millis(700)));
    assert_eq!(*seen.lock().unwrap(), [(all, all), (fewer, fewer), (all, all)]);
    assert_eq!(Deadline::current().left(), None);
}

#[tokio::test(start_paused = true)]
async fn work_is_given_up_at_the_deadline_and_not_begun_after_it() {
    let begun = Instant::now();
    let deadline = Deadline::at(Some(begun + Duration::from_secs(1)));
    assert_eq!(deadline.limit(std::future::pending::<()>()).await, Err(DeadlineExceeded));
    assert_eq!(begun.elapsed(), Duration::from_secs(1));
    let late = deadline.limit(async { unreachable!("nobody waits for it") });
    assert_eq!(late.await, Err::<(), _>(DeadlineExceeded));
    assert_eq!(Deadline::at(None).limit(async { 1 }).await, Ok(1));
    assert_eq!(Problem::from(DeadlineExceeded).status(), 503);
}

/// Counts those that are there.
#[derive(Clone, Default)]
struct Alive(Arc<AtomicUsize>);

struct One(Alive);

impl Alive {
    fn one(&self) -> One {
        self.0.fetch_add(1, Relaxed);
        One(self.clone())
    }

    fn count(&self) -> usize {
        self.0.load(Relaxed)
    }
}

impl Drop for One {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Relaxed);
    }
}

/// A value of the request's scope, which knows until when it is worth something.
struct Unit {
    deadline: Deadline,
    _alive: One,
}

#[derive(Clone, Inject)]
struct UnitState {
    unit: Scoped<Unit>,
    permits: Arc<Semaphore>,
}

async fn hold(State(state): State<UnitState>, scope: RequestScope) -> Result<(), Problem> {
    let unit = scope.get(&state.unit)?;
    assert_eq!(unit.deadline, scope.deadline());
    assert!(unit.deadline.left().is_some_and(|left| left <= LIMIT));
    // As a connection of a pool is held.
    let _connection = state.permits.acquire().await.map_err(Problem::internal)?;
    std::future::pending().await
}

/// An application whose handler holds a permit and a scoped value, and never ends.
async fn holding(timeout: Duration, alive: &Alive) -> (App, std::net::SocketAddr, Arc<Semaphore>) {
    let permits = Arc::new(Semaphore::new(1));
    let (given, alive) = (Arc::clone(&permits), alive.clone());
    let units = module_fn("units", move |reg| {
        reg.provide_value(given);
        reg.scoped(move |deadline: Deadline| Unit { deadline, _alive: alive.one() });
        reg.routes_in_scope::<UnitState>(Router::new().route("/hold", get(hold)));
    });
    let settings = HttpSettings {
        addr: "127.0.0.1:0".to_owned(),
        request_timeout: timeout,
        ..HttpSettings::default()
    };
    let http = HttpModule::new().settings(settings);
    let handle = http.handle();
    let app = App::ready(plan([BoxModule::new(http), BoxModule::new(units)])).await;
    (app, handle.bound().await, permits)
}

async fn until(condition: impl Fn() -> bool) {
    let met = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), met).await.expect("it comes to pass");
}

#[tokio::test]
async fn a_request_whose_client_is_gone_frees_what_it_holds() {
    let alive = Alive::default();
    let (app, address, permits) = holding(LIMIT, &alive).await;
    let mut client = Client::connect(address).await;
    client.send("GET /hold HTTP/1.1\r\nhost: test\r\n\r\n").await;
    until(|| permits.available_permits() == 0).await;
    assert_eq!(alive.count(), 1);
    drop(client);
    until(|| permits.available_permits() == 1 && alive.count() == 0).await;
    assert_eq!(app.stop().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_request_whose_time_is_over_frees_what_it_holds_before_its_client_hears_of_it() {
    let alive = Alive::default();
    let (app, address, permits) = holding(Duration::from_millis(100), &alive).await;
    let mut client = Client::connect(address).await;
    assert_eq!(client.get("/hold").await.status, 503);
    assert_eq!((permits.available_permits(), alive.count()), (1, 0));
    assert_eq!(app.stop().await, Vec::<String>::new());
}

#[tokio::test]
async fn an_http2_stream_that_is_cancelled_frees_what_it_holds() {
    let (alive, entered) = (Alive::default(), Arc::new(Semaphore::new(0)));
    let (of_handler, tell) = (alive.clone(), Arc::clone(&entered));
    let handler = async move || {
        let _one = of_handler.one();
        tell.add_permits(1);
        std::future::pending::<()>().await;
    };
    let router = Router::new().route("/", get(handler));
    let server = Running::start(router, ServerSettings::default()).await;
    let (mut sender, _connection) = crate::http2::connect(&server).await;
    let request = http::Request::get("http://test/").body(Body::empty()).unwrap();
    let response = sender.send_request(request);
    tokio::select! {
        _ = response => panic!("it never answers"),
        entered = entered.acquire() => drop(entered),
    }
    until(|| alive.count() == 0).await;
    assert_eq!(server.traffic.open_connections(), 1);
}
