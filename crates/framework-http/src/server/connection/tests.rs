use std::future::poll_fn;

use tokio::time::{Instant, advance};

use super::*;

/// A connection on which nothing happens, and how often it was put to rest.
#[derive(Default)]
struct Quiet {
    awake: bool,
    rests: usize,
}

impl Driven for Quiet {
    fn poll_end(&mut self, _: &mut Context<'_>) -> Poll<Result<(), axum::BoxError>> {
        Poll::Pending
    }

    fn say_goodbye(&mut self) {}

    fn is_awake(&self) -> bool {
        self.awake
    }

    fn rest(&mut self) {
        self.awake = false;
        self.rests += 1;
    }
}

fn driver() -> Driver {
    let state = ConnectionState::new(Traffic::new(), ServerSettings::default());
    Driver { state: Arc::new(state), peer: None }
}

/// Drives `connection` for `time`, a millisecond at a time.
async fn drive(driver: &Driver, connection: &mut Quiet, time: Duration) {
    let mut driven = pin!(driver.run(connection));
    for _ in 0..time.as_millis() {
        poll_fn(|cx| {
            assert!(driven.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        advance(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_request_rests_after_a_moment_and_once() {
    let (driver, mut connection) = (driver(), Quiet { awake: true, rests: 0 });
    driver.state.request_started(false);
    driver.state.request_ended(Instant::now());
    drive(&driver, &mut connection, REST_AFTER - Duration::from_millis(1)).await;
    assert_eq!(connection.rests, 0);
    drive(&driver, &mut connection, Duration::from_secs(2)).await;
    assert_eq!(connection.rests, 1);
}

#[tokio::test(start_paused = true)]
async fn a_connection_with_a_request_does_not_rest() {
    let (driver, mut connection) = (driver(), Quiet { awake: true, rests: 0 });
    driver.state.request_started(false);
    drive(&driver, &mut connection, Duration::from_secs(3)).await;
    assert_eq!(connection.rests, 0);
    driver.state.request_ended(Instant::now());
    drive(&driver, &mut connection, LOOK_EVERY + REST_AFTER).await;
    assert_eq!(connection.rests, 1);
}
