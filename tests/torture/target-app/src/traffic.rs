use std::{convert::Infallible, env, thread, time::Duration};

use crate::talk;
use bytes::Bytes;
use framework::{
    axum::{
        body::Body,
        extract::ws::Message,
        response::{IntoResponse, Response, Sse, sse::Event},
    },
    http::{HttpHandle, WebSocketUpgrade},
    prelude::*,
};
use futures_util::stream;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    runtime::Handle,
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};

/// A part of an endless response.
const CHUNK: Bytes = Bytes::from_static(&[b'x'; 16 * 1024]);

/// How often a stream of events says something.
const EVENT_EVERY: Duration = Duration::from_millis(50);

/// A route for each kind of traffic.
#[derive(Clone, Debug)]
pub struct Traffic {
    http: HttpHandle,
}

#[derive(Deserialize)]
struct Slowly {
    /// How long the response takes, in milliseconds.
    ms: u64,
}

impl Traffic {
    /// Counts what goes through the server behind this handle: it shows that of itself, which
    /// would be a circle if it were needed.
    #[must_use]
    pub fn new(http: HttpHandle) -> Self {
        Self { http }
    }
}

impl Module for Traffic {
    fn name(&self) -> &'static str {
        "traffic"
    }

    fn register(self, reg: &mut Registrar<'_>) {
        let Self { http } = self;
        let routes = Router::new()
            .route("/", get(async || "hello"))
            .route("/who", get(who))
            .route("/log", post(log))
            .route("/slow", get(slow))
            .route("/block", post(block))
            .route("/babble", post(babble))
            .route("/begun", get(begun))
            .route("/endless", get(endless))
            .route("/pieces", get(pieces))
            .route("/events", get(events))
            .route("/socket", get(socket))
            .route("/echo", post(echo))
            .route("/counters", get(counters));
        reg.routes_with(routes, move |_cx| Ok(http.clone()));
    }
}

#[derive(Deserialize)]
struct Who {
    /// How long the response takes, in milliseconds.
    #[serde(default)]
    ms: u64,
}

/// Tells which worker answers: its slot and its process. It may take its time.
async fn who(Query(Who { ms }): Query<Who>) -> String {
    if ms > 0 {
        sleep(Duration::from_millis(ms)).await;
    }
    let slot = env::var("FRAMEWORK_SLOT").unwrap_or_default();
    format!("who {slot} {}", std::process::id())
}

#[derive(Deserialize)]
struct Lines {
    /// The number of the first line.
    first: u64,
    /// How many there are.
    count: u64,
}

/// Writes numbered lines to the log.
async fn log(Query(Lines { first, count }): Query<Lines>) -> &'static str {
    for number in first..first + count {
        tracing::info!(number, "a line");
    }
    "logged"
}

#[derive(Deserialize)]
struct Babble {
    /// What it comes from.
    seed: u32,
    /// How long it is, in bytes.
    length: u32,
}

/// Says something to the primary that makes no sense.
async fn babble(Query(Babble { seed, length }): Query<Babble>) -> Response {
    // A generator by Marsaglia; it is no frame unless the beginning is that of one by chance.
    let mut state = seed | 1;
    let frame: Vec<u8> = (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state.to_le_bytes()[0]
        })
        .collect();
    match talk::babble(&frame) {
        Ok(()) => "babbled".into_response(),
        Err(error) => (StatusCode::CONFLICT, error.to_string()).into_response(),
    }
}

/// Blocks every thread of the runtime, for ever.
async fn block() {
    let threads = Handle::current().metrics().num_workers();
    let mut blocked = JoinSet::new();
    for _ in 0..2 * threads {
        blocked.spawn(async {
            loop {
                thread::park();
            }
        });
    }
    // Those that have no thread yet are kept too.
    blocked.join_next().await;
}

async fn slow(Query(Slowly { ms }): Query<Slowly>) -> &'static str {
    sleep(Duration::from_millis(ms)).await;
    "slow"
}

#[derive(Deserialize)]
struct Begun {
    /// Which request it is.
    number: u64,
    /// How long the response takes, in milliseconds.
    ms: u64,
}

/// Tells the log at once that the request has arrived.
async fn begun(Query(Begun { number, ms }): Query<Begun>) -> &'static str {
    tracing::info!(begun = number, "a request was begun");
    sleep(Duration::from_millis(ms)).await;
    "begun"
}

async fn endless() -> Body {
    Body::from_stream(stream::repeat_with(|| Ok::<_, Infallible>(CHUNK)))
}

/// A response of ten parts with pauses between them.
async fn pieces(Query(Slowly { ms }): Query<Slowly>) -> Body {
    let pause = Duration::from_millis(ms) / 10;
    Body::from_stream(stream::unfold(0_u8, move |sent| async move {
        if sent == 10 {
            return None;
        }
        sleep(pause).await;
        Some((Ok::<_, Infallible>(Bytes::from_static(b"piece\n")), sent + 1))
    }))
}

async fn events() -> impl IntoResponse {
    let mut ticks = interval(EVENT_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    Sse::new(stream::unfold((ticks, 0_u64), |(mut ticks, number)| async move {
        ticks.tick().await;
        let event = Event::default().data(number.to_string());
        Some((Ok::<_, Infallible>(event), (ticks, number + 1)))
    }))
}

async fn socket(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async |mut socket| {
        while let Some(Ok(message)) = socket.recv().await {
            if matches!(message, Message::Text(_) | Message::Binary(_))
                && socket.send(message).await.is_err()
            {
                return;
            }
        }
    })
}

async fn echo(body: Bytes) -> Bytes {
    body
}

/// What must come back to nothing when nobody is there any more.
async fn counters(State(http): State<HttpHandle>) -> Json<Value> {
    let traffic = http.traffic();
    let count = |of: fn(&framework::http::Traffic) -> usize| traffic.as_ref().map_or(0, of);
    let tasks = Handle::current().metrics().num_alive_tasks();
    Json(json!({
        "connections": count(framework::http::Traffic::open_connections),
        "requests": count(framework::http::Traffic::requests_in_flight),
        "upgraded": count(framework::http::Traffic::upgraded_connections),
        "tasks": tasks,
    }))
}
