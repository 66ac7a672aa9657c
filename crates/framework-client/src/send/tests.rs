//! Calls in paused time, over connections that exist in memory only.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use framework_core::{RequestContext, TraceParent};
use framework_observability::{AppIdentity, Metrics};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::duplex,
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    CallError, Client, ClientSettings, Randomness, RetrySettings,
    connect::{BoxTransport, Dial},
};

/// What a backend does with one request.
#[derive(Clone, Debug)]
enum Does {
    Answer(u16),
    AnswerWith(u16, &'static str, &'static str),
    Body(usize),
    Hang,
    Close,
}

/// The requests that came, and when.
type Seen = Arc<Mutex<Vec<(Instant, Request<Bytes>)>>>;

/// A backend in memory: does one thing after another, and the last one from then on.
#[derive(Clone)]
struct Backend {
    script: Arc<Mutex<VecDeque<Does>>>,
    seen: Seen,
    dialled: Arc<AtomicUsize>,
    refuses: bool,
    tasks: Arc<Mutex<JoinSet<()>>>,
}

#[derive(Debug)]
struct Always(f64);

impl Randomness for Always {
    fn fraction(&self) -> f64 {
        self.0
    }
}

impl Backend {
    fn new(script: impl IntoIterator<Item = Does>) -> Self {
        Self {
            script: Arc::new(Mutex::new(script.into_iter().collect())),
            seen: Arc::default(),
            dialled: Arc::default(),
            refuses: false,
            tasks: Arc::default(),
        }
    }

    fn refusing() -> Self {
        Self { refuses: true, ..Self::new([]) }
    }

    fn dial(&self) -> Dial {
        let backend = self.clone();
        Arc::new(move |_, _| {
            let backend = backend.clone();
            Box::pin(async move {
                backend.dialled.fetch_add(1, Relaxed);
                if backend.refuses {
                    return Err(io::ErrorKind::ConnectionRefused.into());
                }
                let (ours, theirs) = duplex(64 << 10);
                let tasks = Arc::clone(&backend.tasks);
                tasks.lock().unwrap().spawn(async move {
                    let service = service_fn(|request| backend.serve(request));
                    let io = TokioIo::new(theirs);
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(io, service)
                        .await;
                });
                Ok(Box::new(ours) as BoxTransport)
            })
        })
    }

    async fn serve(&self, request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        self.seen.lock().unwrap().push((Instant::now(), Request::from_parts(parts, body)));
        let does = {
            let mut script = self.script.lock().unwrap();
            if script.len() > 1 { script.pop_front() } else { script.front().cloned() }
        };
        let answer = |status| Response::builder().status(status);
        let response = match does.expect("the script has a line") {
            Does::Answer(status) => answer(status).body("fine".into()),
            Does::AnswerWith(status, name, value) => {
                answer(status).header(name, value).body("fine".into())
            }
            Does::Body(size) => answer(200).body(vec![b'x'; size].into()),
            Does::Hang => std::future::pending().await,
            Does::Close => return Err(io::ErrorKind::BrokenPipe.into()),
        };
        Ok(response.unwrap())
    }

    fn client(&self, settings: ClientSettings) -> Client {
        let settings = ClientSettings { base_url: "http://pay:80/v1".into(), ..settings };
        let builder = Client::builder("pay", settings).randomness(Always(0.999_999));
        builder.dial(self.dial()).build().unwrap()
    }

    fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    fn header(&self, n: usize, name: &str) -> Option<String> {
        let seen = self.seen.lock().unwrap();
        seen[n].1.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
    }
}

fn eager() -> ClientSettings {
    let retry = RetrySettings { budget: 1.0, ..RetrySettings::default() };
    ClientSettings { retry, ..ClientSettings::default() }
}

/// Polls `call` as a handler is polled.
async fn within<F: Future>(mut request: RequestContext, call: F) -> F::Output {
    let mut call = std::pin::pin!(call);
    std::future::poll_fn(|cx| request.in_scope(|| call.as_mut().poll(cx))).await
}

fn request() -> RequestContext {
    RequestContext::new("GET", None, "r-1".into())
}

fn until(moment: Instant) -> RequestContext {
    request().deadline(Some(moment.into_std()))
}

#[tokio::test(start_paused = true)]
async fn a_call_goes_behind_the_base_url_and_reads_its_answer() {
    let backend = Backend::new([Does::Answer(200)]);
    let client = backend.client(ClientSettings::default());
    let text = client.get("/charges").query(&[("a", "1"), ("b", "x y")]).text().await.unwrap();
    assert_eq!(text, "fine");
    let answer = client.post("charges").json(&[1, 2]).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let seen = backend.seen.lock().unwrap();
    assert_eq!(seen[0].1.uri(), "/v1/charges?a=1&b=x+y");
    assert_eq!(seen[0].1.headers()[header::HOST], "pay");
    assert_eq!((seen[1].1.uri().path(), &seen[1].1.body()[..]), ("/v1/charges", &b"[1,2]"[..]));
    assert_eq!(seen[1].1.headers()[header::CONTENT_TYPE], "application/json");
    // One connection for both.
    assert_eq!(backend.dialled.load(Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn what_fails_in_passing_is_tried_again_after_pauses_that_double() {
    let backend = Backend::new([Does::Answer(503), Does::Close, Does::Answer(200)]);
    let client = backend.client(eager());
    assert_eq!(client.get("/").text().await.unwrap(), "fine");
    let moments: Vec<_> = backend.seen.lock().unwrap().iter().map(|(at, _)| *at).collect();
    let pauses: Vec<_> = moments.windows(2).map(|two| (two[1] - two[0]).as_millis()).collect();
    // Timers go by whole milliseconds.
    assert!((50..=51).contains(&pauses[0]) && (100..=101).contains(&pauses[1]), "{pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn at_most_three_tries_are_made_and_the_error_says_so() {
    let backend = Backend::new([Does::Close]);
    let error = backend.client(eager()).get("/a?secret=1").text().await.unwrap_err();
    assert_eq!(backend.count(), 3);
    assert!(matches!(error, CallError::Transport { .. }), "{error:?}");
    let expected = "`pay`: `GET http://pay:80/v1/a` (tried 3 times) lost its connection";
    assert_eq!(error.to_string(), expected);
}

#[tokio::test(start_paused = true)]
async fn what_must_not_be_repeated_is_tried_once_unless_it_has_a_key() {
    let backend = Backend::new([Does::Answer(503)]);
    let client = backend.client(eager());
    for draft in [client.post("/"), client.patch("/")] {
        assert_eq!(draft.empty().send().await.unwrap().status(), 503);
    }
    assert_eq!(backend.count(), 2);
    let keyed = client.post("/").empty().idempotency_key("order-7");
    assert_eq!(keyed.send().await.unwrap().status(), 503);
    assert_eq!(backend.count(), 5);
    assert_eq!(backend.header(4, "idempotency-key").as_deref(), Some("order-7"));
    // A server's mistake is not over the next time.
    let broken = Backend::new([Does::Answer(500)]);
    let error = broken.client(eager()).get("/").text().await.unwrap_err();
    assert_eq!((broken.count(), error.status()), (1, Some(StatusCode::INTERNAL_SERVER_ERROR)));
}

#[tokio::test(start_paused = true)]
async fn a_dead_backend_sees_at_most_a_fifth_more_than_there_is_to_do() {
    const CALLS: usize = 2_000;
    for backend in [Backend::refusing(), Backend::new([Does::Answer(503)])] {
        let client = backend.client(ClientSettings::default());
        let mut calls = JoinSet::new();
        for _ in 0..CALLS {
            let client = client.clone();
            calls.spawn(async move { client.get("/").text().await.is_err() });
            sleep(Duration::from_millis(1)).await;
        }
        assert!(calls.join_all().await.iter().all(|failed| *failed));
        let load = if backend.refuses { backend.dialled.load(Relaxed) } else { backend.count() };
        assert!(load <= CALLS * 12 / 10, "{load} for {CALLS}");
        assert!(load > CALLS * 11 / 10, "the budget is used: {load}");
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_honoured_and_nothing_is_tried_past_the_deadline() {
    let backend = Backend::new([Does::AnswerWith(429, "retry-after", "3"), Does::Answer(200)]);
    let client = backend.client(eager());
    let begun = Instant::now();
    assert_eq!(client.get("/").text().await.unwrap(), "fine");
    assert!(begun.elapsed() >= Duration::from_secs(3));

    let backend = Backend::new([Does::AnswerWith(503, "retry-after", "30")]);
    let (client, begun) = (backend.client(eager()), Instant::now());
    assert_eq!(client.get("/").send().await.unwrap().status(), 503);
    assert_eq!((backend.count(), begun.elapsed()), (1, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn all_tries_together_keep_to_the_limit_of_the_call() {
    let backend = Backend::new([Does::Answer(503), Does::Hang]);
    let client = backend.client(ClientSettings { timeout: Duration::from_secs(2), ..eager() });
    let begun = Instant::now();
    let error = client.get("/").text().await.unwrap_err();
    assert_eq!(begun.elapsed(), Duration::from_secs(2));
    assert!(error.is_timeout() && error.call().attempts == 2, "{error:?}");
    // What was given up leaves no connection behind.
    let mut tasks = std::mem::take(&mut *backend.tasks.lock().unwrap());
    assert!(tasks.join_next().await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_the_request_bounds_its_calls_and_is_sent_on() {
    let backend = Backend::new([Does::Answer(503), Does::Hang]);
    let client = backend.client(eager());
    let begun = Instant::now();
    let deadline = begun + Duration::from_millis(700);
    let error = within(until(deadline), client.get("/").text()).await.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    assert_eq!(begun.elapsed(), Duration::from_millis(700));
    assert_eq!(backend.header(0, "x-request-timeout-ms").as_deref(), Some("700"));
    // The second try has only what the first one and the pause have left.
    let left: u64 = backend.header(1, "x-request-timeout-ms").unwrap().parse().unwrap();
    assert!((645..=650).contains(&left), "{left}");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_is_over_fails_at_once_and_without_a_connection() {
    let backend = Backend::new([Does::Answer(200)]);
    let client = backend.client(eager());
    let over = Instant::now();
    let error = within(until(over), client.get("/").text()).await.unwrap_err();
    assert!(matches!(error, CallError::DeadlineExpired { .. }), "{error:?}");
    let explicit = client.get("/").deadline(over).text().await.unwrap_err();
    assert!(matches!(explicit, CallError::DeadlineExpired { .. }));
    assert_eq!(backend.dialled.load(Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn the_id_and_the_trace_of_the_request_are_sent_on() {
    let backend = Backend::new([Does::Answer(200)]);
    let client = backend.client(eager());
    let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let trace: TraceParent = text.parse().unwrap();
    within(request().trace(Some(trace)), client.get("/").send()).await.unwrap();
    assert_eq!(backend.header(0, "x-request-id").as_deref(), Some("r-1"));
    assert_eq!(backend.header(0, "traceparent").as_deref(), Some(text));
    client.get("/").send().await.unwrap();
    assert_eq!(backend.header(1, "x-request-id"), None);
    assert_eq!(backend.header(1, "traceparent"), None);
}

#[tokio::test(start_paused = true)]
async fn an_answer_beyond_the_limit_is_refused() {
    let settings = ClientSettings { max_response: "1KiB".parse().unwrap(), ..eager() };
    let backend = Backend::new([Does::Body(1024), Does::Body(1025)]);
    let client = backend.client(settings);
    assert_eq!(client.get("/").text().await.unwrap().len(), 1024);
    let error = client.get("/").text().await.unwrap_err();
    assert!(matches!(error, CallError::TooLarge { limit: 1024, .. }), "{error:?}");
    assert_eq!(backend.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn redirects_are_followed_five_times_and_credentials_stay_with_their_host() {
    let backend = Backend::new([
        Does::AnswerWith(302, "location", "/there"),
        Does::AnswerWith(302, "location", "http://other/"),
        Does::Answer(200),
    ]);
    let client = backend.client(eager());
    let secret = HeaderValue::from_static("Bearer x");
    let call = client.get("/").header(header::AUTHORIZATION, secret);
    assert_eq!(call.text().await.unwrap(), "fine");
    assert!(backend.header(1, "authorization").is_some());
    assert_eq!(backend.header(2, "authorization"), None);

    let circle = Backend::new([Does::AnswerWith(307, "location", "/round")]);
    let client = circle.client(eager());
    let error = client.get("/").text().await.unwrap_err();
    assert!(matches!(error, CallError::TooManyRedirects { limit: 5, .. }), "{error:?}");
    assert_eq!(circle.count(), 6);
    // What does something is not done elsewhere.
    assert_eq!(client.put("/").empty().send().await.unwrap().status(), 307);
}

#[tokio::test(start_paused = true)]
async fn each_try_is_counted_by_method_host_and_status() {
    let metrics = Metrics::new(&AppIdentity::new("shop"));
    let backend = Backend::new([Does::Answer(503), Does::Answer(200), Does::Hang]);
    let settings = ClientSettings { base_url: "http://pay:81".into(), ..eager() };
    let builder = Client::builder("pay", settings).dial(backend.dial());
    let client = builder.metrics(metrics.http_client().clone()).build().unwrap();
    client.get("/").text().await.unwrap();
    let method = http::Method::from_bytes(b"MADE-UP").unwrap();
    client.draft(method, "/").empty().timeout(Duration::from_secs(1)).send().await.unwrap_err();
    let text = metrics.render(None).text;
    for labels in [
        r#"{host="pay:81",method="GET",status="503"} 1"#,
        r#"{host="pay:81",method="GET",status="200"} 1"#,
        r#"{host="pay:81",method="_OTHER",status="timeout"} 1"#,
    ] {
        let line = format!("framework_http_client_request_duration_seconds_count{labels}");
        assert!(text.contains(&line), "{line} in {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_dropped_closes_its_connections() {
    let backend = Backend::new([Does::Answer(200)]);
    let client = backend.client(eager());
    client.get("/").text().await.unwrap();
    drop(client);
    let mut tasks = std::mem::take(&mut *backend.tasks.lock().unwrap());
    assert!(tasks.join_next().await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_makes_no_sense_is_not_sent() {
    let backend = Backend::new([Does::Answer(200)]);
    let client = backend.client(eager());
    let name = HeaderName::from_static("x-fine");
    let bad = client.post("/").empty().idempotency_key("a\nb");
    let bad = bad.header(name, HeaderValue::from_static("y")).send().await.unwrap_err();
    assert!(matches!(bad, CallError::Request { .. }), "{bad:?}");
    let nowhere = Client::new("pay", ClientSettings::default()).unwrap();
    let error = nowhere.get("/x").text().await.unwrap_err();
    assert!(matches!(error, CallError::Request { .. }), "{error:?}");
    assert_eq!(backend.dialled.load(Relaxed), 0);
}
