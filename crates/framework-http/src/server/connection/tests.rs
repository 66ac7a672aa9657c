use std::future::poll_fn;

use tokio::time::advance;

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
    driver.state.request_ended();
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
    driver.state.request_ended();
    drive(&driver, &mut connection, LOOK_EVERY + REST_AFTER).await;
    assert_eq!(connection.rests, 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_just_now_is_over_with_the_next_poll() {
    let (driver, mut connection) = (driver(), Quiet::default());
    driver.state.request_started(false);
    driver.state.answered(tokio::time::Instant::now());
    drive(&driver, &mut connection, Duration::from_secs(2)).await;
    driver.state.request_ended();
    assert_eq!(driver.state.rests_at(), Some(after(driver.state.now(), REST_AFTER)));
}

/// A connection that has answered a request with every poll.
struct Busy(Arc<ConnectionState>);

impl Driven for Busy {
    fn poll_end(&mut self, _: &mut Context<'_>) -> Poll<Result<(), axum::BoxError>> {
        self.0.answered(tokio::time::Instant::now());
        Poll::Pending
    }

    fn say_goodbye(&mut self) {}

    fn is_awake(&self) -> bool {
        true
    }

    fn rest(&mut self) {}
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_answers_with_every_poll_is_held_to_its_limits_all_the_same() {
    let driver = driver();
    let mut connection = Busy(Arc::clone(&driver.state));
    driver.state.request_started(false);
    driver.state.write_stalled();
    let limit = driver.state.settings().write_stall_timeout;
    let mut driven = pin!(driver.run(&mut connection));
    for passed in 0.. {
        if poll_fn(|cx| Poll::Ready(driven.as_mut().poll(cx))).await.is_ready() {
            assert!(Duration::from_millis(passed) >= limit);
            return;
        }
        assert!(Duration::from_millis(passed) < limit + LOOK_EVERY, "nobody looked");
        advance(Duration::from_millis(1)).await;
    }
}
