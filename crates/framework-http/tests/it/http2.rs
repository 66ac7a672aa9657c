use std::{sync::Arc, time::Duration};

use axum::{Router, body::Body, routing::get};
use framework_http::{DrainStage, ServerSettings};
use http::{Request, Version};
use http_body_util::BodyExt as _;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    net::TcpStream,
    sync::Notify,
    task::JoinSet,
    time::{Instant, timeout},
};

use crate::client::Running;

/// An HTTP/2 connection; the task ends when the server has closed it.
pub(crate) async fn connect(server: &Running) -> (SendRequest<Body>, JoinSet<hyper::Result<()>>) {
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let mut task = JoinSet::new();
    task.spawn(connection);
    (sender, task)
}

async fn get_text(sender: &mut SendRequest<Body>, path: &str) -> hyper::Result<String> {
    let request = Request::get(format!("http://test{path}")).body(Body::empty()).unwrap();
    let response = sender.send_request(request).await?;
    assert_eq!((response.status().as_u16(), response.version()), (200, Version::HTTP_2));
    assert!(!response.headers().contains_key("connection"));
    let body = response.into_body().collect().await?.to_bytes();
    Ok(String::from_utf8(body.to_vec()).unwrap())
}

fn gated(entered: &Arc<Notify>, open: &Arc<Notify>) -> Router {
    let (entered, open) = (Arc::clone(entered), Arc::clone(open));
    let wait = async move || {
        entered.notify_one();
        open.notified().await;
        "waited"
    };
    Router::new().route("/", get(async || "hello")).route("/wait", get(wait))
}

#[tokio::test]
async fn a_lame_duck_says_goodbye_and_finishes_the_streams_that_are_open() {
    let (entered, open) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let mut server = Running::start(gated(&entered, &open), ServerSettings::default()).await;
    let (mut sender, mut closed) = connect(&server).await;
    assert_eq!(get_text(&mut sender, "/").await.unwrap(), "hello");

    let mut other = sender.clone();
    let mut waiting = JoinSet::new();
    waiting.spawn(async move { get_text(&mut other, "/wait").await });
    entered.notified().await;
    server.control.lame_duck();
    // After the goodbye the client sends nothing more on this connection.
    while get_text(&mut sender, "/").await.is_ok() {}
    server.control.stop_within(Duration::from_secs(20));
    while server.traffic.stage() < DrainStage::Drain {
        tokio::task::yield_now().await;
    }
    open.notify_one();
    assert_eq!(waiting.join_next().await.unwrap().unwrap().unwrap(), "waited");
    assert!(closed.join_next().await.unwrap().unwrap().is_ok());
    assert_eq!(server.ended().await.cut, []);
}

#[tokio::test]
async fn busy_connections_lose_no_request_to_a_shutdown() {
    let router = Router::new().route("/", get(async || "hello"));
    let mut server = Running::start(router, ServerSettings::default()).await;
    let mut clients = JoinSet::new();
    let warm = Arc::new(Notify::new());
    for n in 0..8 {
        let (mut sender, connection) = connect(&server).await;
        let warm = Arc::clone(&warm);
        clients.spawn(async move {
            let _connection = connection;
            let mut answered = 0;
            // A request that the client could not send any more is not lost: it can go elsewhere.
            while sender.ready().await.is_ok() {
                match get_text(&mut sender, "/").await {
                    Ok(text) => assert_eq!(text, "hello"),
                    Err(error) if error.is_canceled() || error.is_closed() => break,
                    Err(error) => match std::error::Error::source(&error) {
                        Some(goodbye)
                            if goodbye.to_string().contains("not a result of an error") =>
                        {
                            break;
                        }
                        _ => panic!("lost in connection {n}: {error:?}"),
                    },
                }
                answered += 1;
                if n == 0 && answered == 200 {
                    warm.notify_one();
                }
            }
            answered
        });
    }
    warm.notified().await;
    server.control.stop_within(Duration::from_secs(20));
    let answered: Vec<usize> = clients.join_all().await;
    assert!(answered.iter().all(|&count| count > 0), "{answered:?}");
    assert_eq!(server.ended().await.cut, []);
}

#[tokio::test]
async fn streams_still_open_at_the_deadline_are_cut_off_and_named() {
    let (entered, open) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let mut server = Running::start(gated(&entered, &open), ServerSettings::default()).await;
    let (sender, _connection) = connect(&server).await;
    let mut waiting = JoinSet::new();
    for _ in 0..3 {
        let mut sender = sender.clone();
        waiting.spawn(async move { get_text(&mut sender, "/wait").await });
        entered.notified().await;
    }
    let asked = Instant::now();
    server.control.stop_within(Duration::from_millis(200));
    let report = server.ended().await;
    assert!(asked.elapsed() < Duration::from_millis(700), "took {:?}", asked.elapsed());
    assert_eq!(report.cut.iter().filter(|cut| cut.path == "/wait").count(), 3, "{report:?}");
    assert!(waiting.join_all().await.iter().all(Result::is_err));
}

#[tokio::test]
async fn a_connection_that_is_not_used_is_closed_with_a_goodbye() {
    let router = Router::new().route("/", get(async || "hello"));
    let settings = ServerSettings::default().keep_alive(Duration::from_millis(200));
    let server = Running::start(router, settings).await;
    let (mut sender, mut closed) = connect(&server).await;
    get_text(&mut sender, "/").await.unwrap();
    let ended = timeout(Duration::from_secs(2), closed.join_next()).await;
    assert!(ended.unwrap().unwrap().unwrap().is_ok());
}
