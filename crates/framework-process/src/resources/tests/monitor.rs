use std::time::Duration;

use framework_core::{LoadLimits, Priority};
use tokio::time::{Instant, timeout};

use super::trees::{NESTED, PROCESS, V2, put, tree};
use crate::{LoopLag, PressureLevel, ResourceLimits, ResourceMonitor};

const MIB: u64 = 1 << 20;
/// Longer than anything here takes, in time that does not pass.
const DEADLINE: Duration = Duration::from_secs(60);

fn limits(memory: u64) -> ResourceLimits {
    ResourceLimits { memory_bytes: Some(memory), ..ResourceLimits::default() }
}

#[test]
fn the_nearest_limit_counts() {
    let (_root, reader) = tree(&[PROCESS, V2]);
    let memory = reader.memory();
    let ratio = |limits: ResourceLimits| limits.memory_ratio(&memory).unwrap();
    assert_eq!(ratio(ResourceLimits::default()), 190.0 / 256.0, "the group's");
    assert_eq!(ratio(limits(1024 * MIB)), 190.0 / 256.0, "the group's still");
    assert_eq!(ratio(limits(60 * MIB)), 50.0 / 60.0, "that of the process");
    let (_root, reader) = tree(&[PROCESS]);
    let ratio = ResourceLimits::default().memory_ratio(&reader.memory());
    assert_eq!(ratio, Some(50.0 / 512.0), "where nobody says anything");
    assert_eq!(limits(1).memory_ratio(&crate::MemoryReading::default()), None);
}

/// Waits for the look at which `condition` holds; how long that took.
async fn until(
    monitor: &ResourceMonitor,
    condition: impl Fn(&ResourceMonitor) -> bool,
) -> Duration {
    let begun = Instant::now();
    let wait = async {
        while !condition(monitor) {
            monitor.next_sample().await;
        }
    };
    timeout(DEADLINE, wait).await.expect("it happens in time");
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn every_level_is_entered_within_half_a_second_and_left_step_by_step() {
    let (root, reader) = tree(&[PROCESS, V2]);
    let hold = |mib: u64| {
        put(root.path(), "sys/fs/cgroup/memory.current", (mib * MIB).to_string().as_bytes());
    };
    let monitor = ResourceMonitor::new();
    let level = |level| move |it: &ResourceMonitor| it.pressure().memory == level;
    let story = async {
        hold(100);
        until(&monitor, |it| it.last().is_some()).await;
        assert_eq!(monitor.pressure().memory, PressureLevel::Normal);
        // 10 MiB can be given back.
        for (mib, next) in [
            (216, PressureLevel::Elevated),
            (230, PressureLevel::High),
            (247, PressureLevel::Severe),
            (254, PressureLevel::Critical),
            (262, PressureLevel::Exhausted),
        ] {
            hold(mib);
            let took = until(&monitor, level(next)).await;
            assert!(took <= Duration::from_millis(500), "{next}: {took:?}");
        }
        assert_eq!(monitor.load().get().refuse, Some(Priority::Normal), "the high ones are last");
        until(&monitor, |it| it.load().refuses(Priority::High)).await;
        hold(100);
        let took = until(&monitor, level(PressureLevel::Normal)).await;
        let least = Duration::from_secs(8);
        assert!((least..least + Duration::from_secs(2)).contains(&took), "{took:?}");
        assert_eq!(monitor.load().get(), LoadLimits::default());
    };
    tokio::select! {
        () = monitor.run(reader.clone(), ResourceLimits::default) => {}
        () = story => {}
    }
}

#[tokio::test(start_paused = true)]
async fn changed_limits_hold_from_the_next_look_on() {
    let (_root, reader) = tree(&[PROCESS]);
    let (monitor, limit) = (ResourceMonitor::new(), std::cell::Cell::new(1000 * MIB));
    let story = async {
        until(&monitor, |it| it.last().is_some()).await;
        assert_eq!(monitor.pressure().memory, PressureLevel::Normal);
        limit.set(51 * MIB);
        let took = until(&monitor, |it| it.pressure().memory == PressureLevel::Exhausted).await;
        assert!(took <= Duration::from_millis(500), "{took:?}");
    };
    tokio::select! {
        () = monitor.run(reader.clone(), || limits(limit.get())) => {}
        () = story => {}
    }
    // Whoever does not watch does not know, and limits nothing.
    assert_eq!(monitor.load().get(), LoadLimits::default());
    assert_eq!(monitor.pressure().level(), PressureLevel::Normal);
}

#[tokio::test(start_paused = true)]
async fn shares_and_events_are_those_of_the_last_interval() {
    let (root, reader) = tree(&[PROCESS, NESTED]);
    let put = |path: &str, text: &str| {
        put(root.path(), &format!("sys/fs/cgroup/{path}"), text.as_bytes());
    };
    let monitor = ResourceMonitor::new();
    let story = async {
        until(&monitor, |it| it.last().is_some()).await;
        let first = monitor.last().unwrap();
        assert_eq!((first.cpu_ratio, first.throttled_ratio), (None, None));
        assert_eq!(first.memory_events.high, None, "what was before is nobody's business");
        // In 5 s of 1.5 processors, 3 s of one; and 30 of 40 periods.
        put("pod/app/cpu.stat", "usage_usec 10000000\n");
        put("pod/cpu.stat", "nr_periods 440\nnr_throttled 130\n");
        put("pod/app/memory.events", "high 9\nmax 3\noom_kill 2\n");
        until(&monitor, |it| it.last().unwrap().cpu_ratio.is_some()).await;
        let second = monitor.last().unwrap();
        assert!((second.cpu_ratio.unwrap() - 0.4).abs() < 0.05, "{second:?}");
        assert_eq!(second.throttled_ratio, Some(0.75));
        let events =
            (second.memory_events.high, second.memory_events.max, second.memory_events.oom_kill);
        assert_eq!(events, (Some(4), Some(0), Some(1)));
        assert_eq!(monitor.to_json()["memory"]["events"]["high"], 4);
        assert_eq!(monitor.to_json()["max_fds"], 1024);
    };
    assert_eq!(monitor.to_json(), serde_json::Value::Null);
    tokio::select! {
        () = monitor.run(reader.clone(), ResourceLimits::default) => {}
        () = story => {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_quota_that_changes_is_seen_within_a_second() {
    let (root, reader) = tree(&[PROCESS, V2]);
    let monitor = ResourceMonitor::new();
    let story = async {
        until(&monitor, |it| it.last().is_some()).await;
        for (quota, cpus) in [("400000", 4.0), ("100000", 1.0), ("400000", 4.0)] {
            put(root.path(), "sys/fs/cgroup/cpu.max", format!("{quota} 100000\n").as_bytes());
            let seen = |it: &ResourceMonitor| it.last().is_some_and(|it| it.cpu.cpus == Some(cpus));
            let took = until(&monitor, seen).await;
            assert!(took <= Duration::from_secs(1), "{cpus}: {took:?}");
        }
    };
    tokio::select! {
        () = monitor.run(reader.clone(), ResourceLimits::default) => {}
        () = story => {}
    }
}

#[test]
fn what_one_task_in_a_hundred_has_to_wait_shows() {
    let lag = LoopLag::new();
    assert_eq!(lag.p99(), None);
    for _ in 0..1000 {
        lag.record(Duration::from_millis(1));
    }
    assert_eq!(lag.p99(), Some(Duration::from_millis(1)));
    lag.record(Duration::from_millis(90));
    assert_eq!(lag.p99(), Some(Duration::from_millis(1)), "one in 128 is one in a hundred");
    lag.record(Duration::from_millis(80));
    assert_eq!(lag.p99(), Some(Duration::from_millis(80)));
    for _ in 0..128 {
        lag.record(Duration::ZERO);
    }
    assert_eq!(lag.p99(), Some(Duration::ZERO), "what was long ago is forgotten");
}

#[tokio::test]
async fn a_held_up_loop_shows_as_lag() {
    let lag = LoopLag::new();
    // On the one thread there is, beside the measuring.
    let block = async {
        loop {
            let until = Instant::now() + Duration::from_millis(120);
            while Instant::now() < until {
                std::hint::spin_loop();
            }
            tokio::task::yield_now().await;
            if lag.p99().is_some_and(|lag| lag > Duration::from_millis(50)) {
                return;
            }
        }
    };
    tokio::select! {
        () = lag.measure() => {}
        seen = timeout(Duration::from_secs(20), block) => seen.expect("it shows"),
    }
}
