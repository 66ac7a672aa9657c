use std::time::Duration;

use framework_core::{LoadLimits, Priority};
use proptest::{collection::vec, prelude::*};

use crate::{Pressure, PressureLevel, PressureMachine, PressureSignals};

const SECOND: Duration = Duration::from_secs(1);

fn memory(ratio: f64) -> PressureSignals {
    PressureSignals { memory_ratio: Some(ratio), ..PressureSignals::default() }
}

/// Shows a machine one signal after the other, `every` so often; the memory's level after each.
fn levels(
    every: Duration,
    signals: impl IntoIterator<Item = PressureSignals>,
) -> Vec<PressureLevel> {
    let mut machine = PressureMachine::new();
    let at = |step: usize| every * u32::try_from(step).unwrap();
    signals.into_iter().enumerate().map(|(step, it)| machine.update(at(step), &it).memory).collect()
}

#[test]
fn each_level_begins_at_its_share_of_the_memory_and_at_once() {
    for (ratio, level) in [
        (0.799, PressureLevel::Normal),
        (0.80, PressureLevel::Elevated),
        (0.85, PressureLevel::High),
        (0.92, PressureLevel::Severe),
        (0.95, PressureLevel::Critical),
        (0.98, PressureLevel::Exhausted),
        (7.0, PressureLevel::Exhausted),
    ] {
        assert_eq!(levels(SECOND, [memory(0.1), memory(ratio)])[1], level, "{ratio}");
    }
}

#[test]
fn a_level_lasts_two_seconds_and_the_next_lower_one_follows() {
    let quarter = SECOND / 4;
    let seen = levels(quarter, [memory(0.99)].into_iter().chain((0..40).map(|_| memory(0.1))));
    let down: Vec<_> = (0..5).map(|step| (step * 8..step * 8 + 8, 5 - step)).collect();
    for (steps, level) in down {
        let level = PressureLevel::ALL[level];
        assert!(seen[steps.clone()].iter().all(|seen| *seen == level), "{steps:?}: {seen:?}");
    }
    assert_eq!(seen[40], PressureLevel::Normal);
}

#[test]
fn a_level_ends_five_points_below_its_beginning() {
    let minute = SECOND * 60;
    let seen = levels(minute, [0.95, 0.901, 0.95, 0.899].map(memory));
    let (critical, severe) = (PressureLevel::Critical, PressureLevel::Severe);
    assert_eq!(seen, [critical, critical, critical, severe]);
}

#[test]
fn who_waits_for_memory_counts_as_well_as_how_full_it_is() {
    let stall = |ratio| PressureSignals { memory_stall_ratio: Some(ratio), ..memory(0.1) };
    let seen = levels(SECOND * 3, [0.19, 0.2, 0.16, 0.1].map(stall));
    let (normal, critical, severe) =
        (PressureLevel::Normal, PressureLevel::Critical, PressureLevel::Severe);
    assert_eq!(seen, [normal, critical, critical, severe]);
}

#[test]
fn processors_are_short_when_somebody_waits_and_not_when_they_are_used() {
    let none = PressureSignals::default();
    let lag = |millis| PressureSignals { loop_lag: Some(Duration::from_millis(millis)), ..none };
    let stall = |ratio| PressureSignals { cpu_stall_ratio: Some(ratio), ..none };
    let used = |ratio| PressureSignals { cpu_ratio: Some(ratio), ..none };
    let half = PressureSignals { max_cpu_ratio: 0.5, ..used(0.6) };
    for (signals, level) in [
        (lag(50), PressureLevel::Normal),
        (lag(51), PressureLevel::Critical),
        (stall(0.39), PressureLevel::Normal),
        (stall(0.4), PressureLevel::Critical),
        (used(0.89), PressureLevel::Normal),
        (used(1.0), PressureLevel::Elevated),
        (half, PressureLevel::Elevated),
    ] {
        let pressure = PressureMachine::new().update(SECOND, &signals);
        assert_eq!((pressure.cpu, pressure.memory), (level, PressureLevel::Normal), "{signals:?}");
    }
}

#[test]
fn what_is_not_known_changes_nothing_for_half_a_minute_and_is_then_forgotten() {
    let unknown = PressureSignals::default();
    let seen = levels(SECOND, [memory(0.96)].into_iter().chain((0..45).map(|_| unknown)));
    assert!(seen[..31].iter().all(|level| *level == PressureLevel::Critical), "{seen:?}");
    assert_eq!(seen[31], PressureLevel::Severe);
    assert_eq!(seen[45], PressureLevel::Normal);
}

#[test]
fn what_is_done_without_grows_with_the_pressure() {
    let limits = |memory, cpu, ratio, lasts| Pressure { memory, cpu }.limits(Some(ratio), lasts);
    let normal = PressureLevel::Normal;
    let none = LoadLimits::default();
    assert_eq!(limits(PressureLevel::Elevated, PressureLevel::Elevated, 0.84, true), none);
    let idle = |percent| LoadLimits { shorter_idle_percent: percent, ..none };
    assert_eq!(limits(PressureLevel::High, normal, 0.83, true), idle(0));
    assert_eq!(limits(PressureLevel::High, normal, 0.9, true), idle(45));
    let close = LoadLimits { close_connections: true, ..idle(63) };
    assert_eq!(limits(PressureLevel::Severe, normal, 0.92, true), close);
    let refuse = |refuse| LoadLimits {
        refuse: Some(refuse),
        ..LoadLimits { shorter_idle_percent: 90, ..close }
    };
    assert_eq!(limits(PressureLevel::Critical, normal, 0.95, true), refuse(Priority::Low));
    assert_eq!(limits(PressureLevel::Exhausted, normal, 0.99, false), refuse(Priority::Normal));
    assert_eq!(limits(PressureLevel::Exhausted, normal, 0.99, true), refuse(Priority::High));
    // For want of processors only: connections stay, since new ones cost more of them.
    let low = LoadLimits { refuse: Some(Priority::Low), ..none };
    assert_eq!(limits(normal, PressureLevel::Critical, 0.5, true), low);
}

/// The same rules, told in another way: in per mille, by one threshold after the other, from the
/// whole of what has been seen.
fn by_the_book(every: u64, seen: &[Option<u64>]) -> Vec<usize> {
    const BEGINS: [u64; 6] = [0, 800, 850, 920, 950, 980];
    let (mut level, mut entered_at, mut last_known_at) = (0, 0, 0);
    let mut book = Vec::new();
    for (step, seen) in seen.iter().enumerate() {
        let now = step as u64 * every;
        let wanted = match *seen {
            Some(value) => {
                last_known_at = now + every;
                let entered = (1..=5).filter(|&it| value >= BEGINS[it]).max().unwrap_or(0);
                let kept = (1..=level).filter(|&it| value + 50 >= BEGINS[it]).max().unwrap_or(0);
                entered.max(kept)
            }
            None if now >= last_known_at + 30_000 => 0,
            None => level,
        };
        if wanted > level {
            (level, entered_at) = (wanted, now);
        } else if wanted < level && now >= entered_at + 2_000 {
            (level, entered_at) = (level - 1, now);
        }
        book.push(level);
    }
    book
}

fn signal() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![9 => (700_u64..1050).prop_map(Some), 1 => Just(None)]
}

fn of_per_mille(seen: &Option<u64>) -> PressureSignals {
    // Next to a threshold, a hair above what is meant: tenths are not exact.
    let ratio = seen.map(|it| it as f64 / 1000.0 + 1e-9);
    PressureSignals { memory_ratio: ratio, ..PressureSignals::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_machine_goes_by_the_book(every in 10_u64..5000, seen in vec(signal(), 1..400)) {
        let machine = levels(Duration::from_millis(every), seen.iter().map(of_per_mille));
        let machine: Vec<_> = machine.iter().map(|level| usize::from(level.number())).collect();
        prop_assert_eq!(machine, by_the_book(every, &seen));
    }

    #[test]
    fn what_wobbles_within_five_points_makes_one_change_a_minute_at_most(
        begins in proptest::sample::select(vec![800_u64, 850, 920, 950, 980]),
        above in 0_u64..50,
        wobble in vec(0_u64..50, 240),
    ) {
        // Four looks a second for a minute: from below the threshold to above it, but never by more
        // than five points in all.
        let seen = wobble.iter().map(|down| Some(begins + above - down.min(&(50 + above))));
        let seen: Vec<_> = seen.map(|it| of_per_mille(&it)).collect();
        let levels = levels(SECOND / 4, seen);
        let falls = levels.windows(2).filter(|pair| pair[1] < pair[0]).count();
        prop_assert!(falls <= 1, "{levels:?}");
    }

    #[test]
    fn no_level_is_left_within_two_seconds(seen in vec(signal(), 1..400)) {
        let every = SECOND / 4;
        let levels = levels(every, seen.iter().map(of_per_mille));
        let mut since = 0;
        for step in 1..levels.len() {
            if levels[step] < levels[step - 1] {
                prop_assert!(since == 0 || step - since >= 8, "{levels:?}");
                prop_assert_eq!(levels[step].number() + 1, levels[step - 1].number());
            }
            if levels[step] != levels[step - 1] {
                since = step;
            }
        }
    }
}
