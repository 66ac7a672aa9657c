use super::*;

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

async fn pass(seconds: u64) {
    tokio::time::advance(secs(seconds)).await;
}

fn state() -> ConnectionState {
    ConnectionState::new(Traffic::new(), ServerSettings::default())
}

/// What is due, and in how many seconds.
fn due(state: &ConnectionState, stage: DrainStage) -> Option<(i64, bool)> {
    let (at, due) = state.due(stage)?;
    let (at, now) = (state.traffic().instant(at), Instant::now());
    let ahead = at.saturating_duration_since(now).as_secs_f64();
    let behind = now.saturating_duration_since(at).as_secs_f64();
    Some(((ahead - behind).round() as i64, due == Due::CloseIdle))
}

#[tokio::test(start_paused = true)]
async fn the_first_head_counts_from_connecting_and_later_ones_from_their_first_byte() {
    let state = state();
    assert_eq!(due(&state, DrainStage::Serving), Some((10, true)));
    pass(4).await;
    state.bytes_arrived(b"GET");
    assert_eq!(due(&state, DrainStage::Serving), Some((6, false)));
    state.request_started(false);
    assert_eq!(due(&state, DrainStage::Serving), None);
    pass(60).await;
    state.request_ended();
    assert_eq!(due(&state, DrainStage::Serving), Some((5, true)));
    pass(3).await;
    state.bytes_arrived(b"G");
    assert_eq!(due(&state, DrainStage::Serving), Some((10, false)));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_ends_when_it_is_answered_reads_the_clock_no_more() {
    let state = state();
    state.request_started(false);
    pass(60).await;
    state.answered(Instant::now());
    // The clock of a test stands still within a poll; that it has moved shows what is read.
    pass(2).await;
    state.request_ended();
    assert_eq!(due(&state, DrainStage::Serving), Some((3, true)));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_ends_in_a_later_poll_than_it_was_answered_in_is_idle_from_its_end() {
    let state = state();
    state.request_started(false);
    state.answered(Instant::now());
    pass(60).await;
    state.poll_begins();
    state.request_ended();
    assert_eq!(due(&state, DrainStage::Serving), Some((5, true)));
}

#[tokio::test(start_paused = true)]
async fn requests_of_http2_read_the_clock_when_they_end() {
    let state = state();
    state.request_started(true);
    state.answered(Instant::now());
    pass(60).await;
    state.request_ended();
    assert_eq!(due(&state, DrainStage::Serving), Some((5, true)));
}

#[tokio::test(start_paused = true)]
async fn draining_keeps_a_connection_for_as_long_as_its_client_was_promised() {
    let state = state();
    assert_eq!(due(&state, DrainStage::Drain), Some((5, true)), "it was never used");
    state.request_started(false);
    assert_eq!(due(&state, DrainStage::Drain), None);
    state.request_ended();
    pass(3).await;
    assert_eq!(due(&state, DrainStage::LameDuck), Some((2, true)));
    assert_eq!(due(&state, DrainStage::Drain), Some((2, true)));
}

#[tokio::test(start_paused = true)]
async fn a_shorter_linger_shortens_the_wait_of_idle_connections_and_of_no_others() {
    let settings = ServerSettings::default().drain_linger(secs(1));
    let state = ConnectionState::new(Traffic::new(), settings);
    state.request_started(false);
    state.request_ended();
    assert_eq!(due(&state, DrainStage::LameDuck), Some((5, true)));
    assert_eq!(due(&state, DrainStage::Drain), Some((1, true)));
    pass(3).await;
    assert_eq!(due(&state, DrainStage::Drain), Some((-2, true)));
    state.bytes_arrived(b"GET");
    assert_eq!(due(&state, DrainStage::Drain), Some((10, false)));
}

#[tokio::test(start_paused = true)]
async fn bytes_that_arrive_while_an_idle_connection_closes_keep_it_open() {
    let state = state();
    state.request_started(false);
    state.request_ended();
    assert!(!state.close());
    assert!(state.reads_nothing_more());
    state.bytes_arrived(b"GET / HTTP/1.1");
    assert!(!state.reads_nothing_more());
}

#[tokio::test(start_paused = true)]
async fn http2_says_goodbye_once_and_may_then_finish_its_streams() {
    let state = state();
    state.bytes_arrived(b"PRI * HTTP/2.0");
    state.request_started(true);
    assert!(state.close() && !state.close());
    pass(60).await;
    assert_eq!(due(&state, DrainStage::Drain), None);
    state.request_ended();
    assert_eq!(due(&state, DrainStage::Drain), Some((5, false)));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_dropped_though_its_request_is_in_flight() {
    let state = state();
    state.request_started(false);
    state.write_stalled();
    pass(20).await;
    state.write_stalled();
    assert_eq!(due(&state, DrainStage::Serving), Some((10, false)));
    state.write_moved();
    assert_eq!(due(&state, DrainStage::Serving), None);
}

#[tokio::test(start_paused = true)]
async fn what_has_something_left_to_do_does_not_rest() {
    let used = || {
        let state = state();
        state.request_started(false);
        state.request_ended();
        state
    };
    assert!(used().rests_at().is_some());
    type Make = fn(&ConnectionState);
    let busy: [(&str, Make); 5] = [
        ("a request", |state| _ = state.request_started(false)),
        ("the beginning of one", |state| state.bytes_arrived(b"GET")),
        ("a body that nobody has read", ConnectionState::body_left_unread),
        ("a response that is on its way", |state| state.set_settled(false)),
        ("its end", |state| _ = state.close()),
    ];
    for (what, make) in busy {
        let state = used();
        make(&state);
        assert_eq!(state.rests_at(), None, "{what}");
    }
}
