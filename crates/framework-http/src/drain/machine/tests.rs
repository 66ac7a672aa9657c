use proptest::prelude::*;

use super::*;
use DrainStage::{Closed, Drain, Force, LameDuck, Serving, StopAccept};

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn machine() -> (DrainMachine, Instant) {
    (DrainMachine::new(DrainTimes::default()), Instant::now())
}

#[test]
fn a_server_with_nothing_to_finish_closes_after_one_quiet_moment() {
    let (mut machine, start) = machine();
    machine.order(DrainOrder::Stop { deadline: start + ms(20_000) }, start);
    assert_eq!((machine.stage(), machine.wake_at()), (StopAccept, Some(start + ms(50))));
    machine.tick(0, start + ms(49));
    assert_eq!(machine.stage(), StopAccept);
    machine.tick(0, start + ms(50));
    assert_eq!((machine.stage(), machine.wake_at()), (Closed, None));
}

#[test]
fn a_connection_that_was_waiting_is_taken_and_prolongs_the_wait_up_to_its_limit() {
    let (mut machine, start) = machine();
    machine.order(DrainOrder::Stop { deadline: start + ms(20_000) }, start);
    for n in 1..20 {
        machine.accepted(start + ms(n * 25));
        machine.tick(1, start + ms(n * 25));
        assert_eq!(machine.stage(), StopAccept, "after {n} connections");
    }
    machine.tick(1, start + ms(500));
    assert_eq!(machine.stage(), Drain);
}

#[test]
fn draining_ends_the_moment_the_last_connection_is_gone() {
    let (mut machine, start) = machine();
    machine.order(DrainOrder::Stop { deadline: start + ms(20_000) }, start);
    machine.tick(2, start + ms(60));
    machine.tick(1, start + ms(61));
    assert_eq!(machine.stage(), Drain);
    machine.tick(0, start + ms(62));
    assert_eq!(machine.stage(), Closed);
}

#[test]
fn the_deadline_forces_and_can_only_come_nearer() {
    let (mut machine, start) = machine();
    machine.order(DrainOrder::Stop { deadline: start + ms(2_000) }, start);
    machine.order(DrainOrder::Stop { deadline: start + ms(9_000) }, start);
    machine.tick(3, start + ms(1_999));
    assert_eq!((machine.stage(), machine.wake_at()), (Drain, Some(start + ms(2_000))));
    machine.tick(3, start + ms(2_000));
    assert_eq!((machine.stage(), machine.wake_at()), (Force, None));
}

#[test]
fn a_shared_listener_is_left_to_the_others_at_once() {
    let (machine, start) = machine();
    let mut machine = machine.shared_backlog();
    machine.order(DrainOrder::LameDuck, start);
    assert_eq!(machine.stage(), LameDuck);
    machine.order(DrainOrder::Stop { deadline: start + ms(9_000) }, start);
    assert_eq!(machine.stage(), Drain);
}

proptest! {
    #[test]
    fn no_order_and_no_moment_takes_a_server_back(
        steps in proptest::collection::vec((0_u8..4, 0_u64..800, 0_usize..3), 0..40),
    ) {
        let (mut machine, start) = machine();
        let (mut now, mut last) = (start, Serving);
        for (what, wait, open) in steps {
            now += ms(wait);
            match what {
                0 => machine.order(DrainOrder::LameDuck, now),
                1 => machine.order(DrainOrder::Stop { deadline: now + ms(wait * 3) }, now),
                2 => machine.accepted(now),
                _ => machine.tick(open, now),
            }
            prop_assert!(machine.stage() >= last);
            last = machine.stage();
            // Whoever waits for the next moment makes progress at that moment.
            if let Some(at) = machine.wake_at() {
                let mut ahead = machine.clone();
                ahead.tick(open, at.max(now));
                prop_assert!(ahead.stage() > machine.stage() || machine.stage() == Closed);
            }
        }
    }
}
