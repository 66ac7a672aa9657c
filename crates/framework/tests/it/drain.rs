use std::{future, time::Duration};

use framework::{
    AppBuilder, axum::routing::MethodRouter, config::ConfigModule, config::Sources, prelude::*,
};
use tokio::{
    io::AsyncWriteExt as _,
    net::TcpStream,
    time::{Instant, timeout},
};

/// An application with a route that never answers.
fn app(shutdown: &str) -> AppBuilder {
    let slow = module_fn("slow", |reg| {
        let never: MethodRouter = get(async || future::pending::<&'static str>().await);
        reg.routes(Router::<()>::new().route("/never", never));
    });
    let sources = Sources::none()
        .set("http.addr=127.0.0.1:0")
        .set("admin.addr=127.0.0.1:0")
        .set(format!("shutdown.timeout={shutdown}"));
    App::builder("test").modules((ConfigModule::from(sources), slow))
}

#[tokio::test]
async fn a_request_that_outlasts_the_shutdown_is_cut_off_in_time_for_the_others() {
    let limit = Duration::from_secs(2);
    let app = app("2s").build().unwrap().start().await.unwrap();
    let http = app.get::<framework::http::HttpHandle>().unwrap();
    let mut client = TcpStream::connect(http.local_addr().unwrap()).await.unwrap();
    client.write_all(b"GET /never HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    let traffic = http.traffic().unwrap();
    while traffic.requests_in_flight() == 0 {
        tokio::task::yield_now().await;
    }
    let begun = Instant::now();
    let stop = app.stop(ShutdownReason::Requested("the test".to_owned()));
    let error = timeout(limit, stop).await.expect("it keeps to `shutdown.timeout`").unwrap_err();
    assert!(begun.elapsed() >= limit / 2, "the request had its time: {:?}", begun.elapsed());
    assert!(error.is_cut(), "{error}");
    assert!(error.to_string().contains("one request in flight had to be cut off"), "{error}");
    assert!(error.secondary().is_empty(), "everyone else had the time to stop: {error}");
}
