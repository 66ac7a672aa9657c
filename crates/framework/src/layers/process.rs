//! What a process has left, and how its worker pool does, as metrics and on the health board.

use std::{future, time::Duration};

use framework_core::{BoxError, Context, Need, OptionalNeed, Registrar};
use framework_observability::{
    Counter, Family, FrameworkMetrics, Gauge, HealthBoard, MetricError, Metrics,
};
use framework_process::{
    PoolStats, Pressure, PressureLevel, ResourceMonitor, ResourceSample, Spread, WorkerPool,
};
use tokio::time::sleep;

/// How often the numbers of the pool are taken; those of resources are, whenever there are new ones.
const EVERY: Duration = Duration::from_secs(5);

/// Connects what an application has of [`ResourceMonitor`] and [`WorkerPool`] with its metrics and
/// its health. Without either, there is nothing to do.
pub(super) fn observe(reg: &mut Registrar<'_>, metrics: &Need<Metrics>, board: &Need<HealthBoard>) {
    let monitor: OptionalNeed<ResourceMonitor> = reg.need_optional();
    let pool: OptionalNeed<WorkerPool> = reg.need_optional();
    let (metrics, board) = (metrics.clone(), board.clone());
    reg.run("process", move |cx| async move {
        let metrics = cx.get(&metrics);
        let metrics = metrics.of_framework();
        let resources = match cx.get_optional(&monitor) {
            Some(monitor) => Some((ResourceMetrics::new(&metrics)?, monitor)),
            None => None,
        };
        let jobs = match cx.get_optional(&pool) {
            Some(pool) => Some((PoolMetrics::new(&metrics)?, pool)),
            None => None,
        };
        let board = cx.get(&board);
        Ok(until_shutdown(cx, async move {
            let resources = async {
                let Some((metrics, monitor)) = resources else { return };
                watch_resources(metrics, &monitor, &board).await;
            };
            let jobs = async {
                let Some((mut metrics, pool)) = jobs else { return };
                loop {
                    metrics.show(&pool.stats());
                    sleep(EVERY).await;
                }
            };
            tokio::join!(resources, jobs);
        }))
    });
}

async fn until_shutdown(cx: Context, work: impl Future<Output = ()>) -> Result<(), BoxError> {
    let work = async {
        work.await;
        future::pending::<()>().await;
    };
    tokio::select! {
        () = cx.shutdown() => {}
        () = work => {}
    }
    Ok(())
}

async fn watch_resources(
    mut metrics: ResourceMetrics,
    monitor: &ResourceMonitor,
    board: &HealthBoard,
) {
    let mut shown = PressureLevel::Normal;
    loop {
        let sample = monitor.next_sample().await;
        metrics.show(&sample);
        // Each change of the board has everybody look at it.
        if sample.pressure.level() != shown {
            shown = sample.pressure.level();
            board.notice("resources", "pressure", degraded(sample.pressure));
        }
    }
}

/// Why the application is degraded, from the level on at which work is refused.
fn degraded(pressure: Pressure) -> Option<String> {
    (pressure.level() >= PressureLevel::Critical).then(|| {
        let Pressure { memory, cpu, .. } = pressure;
        format!("memory is at the level `{memory}`, processor time at `{cpu}`: work is refused")
    })
}

/// Sets a number, or says that it is unknown, which is not 0.
fn show(gauge: &Gauge, value: Option<f64>) {
    gauge.set(value.unwrap_or(f64::NAN));
}

/// A counter that follows a number which somebody else counts.
struct Followed {
    counter: Counter,
    seen: Option<u64>,
}

impl Followed {
    fn new(counter: Counter, seen: Option<u64>) -> Self {
        Self { counter, seen }
    }

    fn show(&mut self, now: Option<u64>) {
        let Some(now) = now else { return };
        // What was counted before anybody looked is not of this process.
        let before = self.seen.replace(now).unwrap_or(now);
        self.counter.add(now.saturating_sub(before));
    }
}

struct ResourceMetrics {
    level: Family<Gauge>,
    ratio: Family<Gauge>,
    stall: Family<Gauge>,
    bytes: Family<Gauge>,
    throttled: Gauge,
    lag: Gauge,
    fds: Family<Gauge>,
    events: [Followed; 3],
}

impl ResourceMetrics {
    fn new(metrics: &FrameworkMetrics<'_>) -> Result<Self, MetricError> {
        let events = "How often the limits of the control group were felt.";
        let events = metrics.counter("resource_memory_events_total", events, &["event"])?;
        let event = |name| Followed::new(events.with(&[name]), None);
        let throttled = "The share of the quota's periods in which it held the process up.";
        let lag = "How late tasks get their turn, at the 99th percentile.";
        Ok(Self {
            level: metrics.gauge(
                "resource_level",
                "How short the process is: 0 is not at all, 5 as short as can be.",
                &["resource"],
            )?,
            ratio: metrics.gauge(
                "resource_used_ratio",
                "How much of what there is is used: 1 is all.",
                &["resource"],
            )?,
            stall: metrics.gauge(
                "resource_stall_ratio",
                "The share of the last 10 s in which somebody waited.",
                &["resource"],
            )?,
            bytes: metrics.gauge(
                "resource_memory_bytes",
                "Memory: the `limit` of the control group, what it has `used`, `rss` of the process.",
                &["kind"],
            )?,
            throttled: metrics.gauge("resource_cpu_throttled_ratio", throttled, &[])?.with(&[]),
            lag: metrics.gauge("resource_loop_lag_seconds", lag, &[])?.with(&[]),
            fds: metrics.gauge(
                "resource_file_descriptors",
                "File descriptors: those `open`, and the `limit`.",
                &["kind"],
            )?,
            events: [event("high"), event("max"), event("oom_kill")],
        })
    }

    fn show(&mut self, sample: &ResourceSample) {
        let ResourceSample { memory, cpu, process, pressure, .. } = sample;
        let resources = [
            ("memory", pressure.memory, sample.memory_ratio, memory.stall_ratio),
            ("cpu", pressure.cpu, sample.cpu_ratio, cpu.stall_ratio),
        ];
        for (resource, level, ratio, stall) in resources {
            self.level.with(&[resource]).set(level.number().into());
            show(&self.ratio.with(&[resource]), ratio);
            show(&self.stall.with(&[resource]), stall);
        }
        let of_bytes =
            [("limit", memory.limit_bytes), ("used", memory.used_bytes), ("rss", memory.rss_bytes)];
        for (kind, bytes) in of_bytes {
            show(&self.bytes.with(&[kind]), bytes.map(|bytes| bytes as f64));
        }
        for (kind, many) in [("open", process.open_fds), ("limit", process.max_fds)] {
            show(&self.fds.with(&[kind]), many.map(|many| many as f64));
        }
        show(&self.throttled, sample.throttled_ratio);
        show(&self.lag, sample.loop_lag.map(|lag| lag.as_secs_f64()));
        let events = [memory.events.high, memory.events.max, memory.events.oom_kill];
        self.events.iter_mut().zip(events).for_each(|(event, now)| event.show(now));
    }
}

struct PoolMetrics {
    outcomes: [Followed; 5],
    jobs: Family<Gauge>,
    threads: Family<Gauge>,
    wait: Family<Gauge>,
    run: Family<Gauge>,
}

impl PoolMetrics {
    fn new(metrics: &FrameworkMetrics<'_>) -> Result<Self, MetricError> {
        let help = "Jobs of the worker pool, by how they ended.";
        let ended = metrics.counter("worker_pool_jobs_total", help, &["outcome"])?;
        let outcome = |name| Followed::new(ended.with(&[name]), Some(0));
        let quantiles = |name, help| metrics.gauge(name, help, &["quantile"]);
        Ok(Self {
            outcomes: ["done", "panicked", "timed_out", "skipped", "rejected"].map(outcome),
            jobs: metrics.gauge(
                "worker_pool_jobs",
                "Jobs of the worker pool that wait and that run.",
                &["state"],
            )?,
            threads: metrics.gauge(
                "worker_pool_threads",
                "Threads of the worker pool, and those that do not come back from a job.",
                &["state"],
            )?,
            wait: quantiles("worker_pool_wait_seconds", "How long jobs waited until they began.")?,
            run: quantiles("worker_pool_run_seconds", "How long jobs ran.")?,
        })
    }

    fn show(&mut self, stats: &PoolStats) {
        let PoolStats { done, panicked, timed_out, skipped, rejected, .. } = *stats;
        let outcomes = [done, panicked, timed_out, skipped, rejected];
        self.outcomes.iter_mut().zip(outcomes).for_each(|(outcome, now)| outcome.show(Some(now)));
        let jobs = [("waiting", stats.waiting), ("running", stats.running)];
        jobs.iter().for_each(|(state, many)| self.jobs.with(&[state]).set(*many as f64));
        let threads = [("working", stats.workers), ("overdue", stats.overdue)];
        threads.iter().for_each(|(state, many)| self.threads.with(&[state]).set(*many as f64));
        quantiles(&self.wait, &stats.wait);
        quantiles(&self.run, &stats.run);
    }
}

fn quantiles(gauge: &Family<Gauge>, spread: &Spread) {
    for (name, share) in [("0.5", 0.5), ("0.99", 0.99)] {
        let known = (spread.count() > 0).then(|| spread.quantile(share).as_secs_f64());
        show(&gauge.with(&[name]), known);
    }
}

#[cfg(test)]
mod tests {
    use framework_observability::AppIdentity;
    use framework_process::PoolSettings;

    use super::*;

    #[tokio::test]
    async fn what_the_pool_counts_is_what_is_shown() {
        let metrics = Metrics::new(&AppIdentity::new("shop"));
        let mut shown = PoolMetrics::new(&metrics.of_framework()).unwrap();
        let pool = WorkerPool::new(&PoolSettings::default()).unwrap();
        for many in [3, 7] {
            for _ in 0..many {
                pool.run(|_job| ()).await.unwrap();
            }
            assert!(pool.run(|_job| panic!("on purpose")).await.is_err());
            shown.show(&pool.stats());
        }
        let text = metrics.render(None).text;
        let stats = pool.stats();
        assert_eq!((stats.done, stats.panicked), (10, 2));
        for line in [
            "framework_worker_pool_jobs_total{outcome=\"done\"} 10",
            "framework_worker_pool_jobs_total{outcome=\"panicked\"} 2",
            "framework_worker_pool_jobs{state=\"waiting\"} 0",
        ] {
            assert!(text.lines().any(|it| it == line), "{line}: {text}");
        }
        assert!(!text.contains("worker_pool_run_seconds{quantile=\"0.5\"} NaN"), "{text}");
    }

    #[test]
    fn what_is_unknown_is_not_zero_and_what_was_before_is_not_counted() {
        let metrics = Metrics::new(&AppIdentity::new("shop"));
        let mut shown = ResourceMetrics::new(&metrics.of_framework()).unwrap();
        let mut sample = ResourceSample::default();
        shown.show(&sample);
        let value = |name: &str| {
            let text = metrics.render(None).text;
            text.lines().find_map(|it| it.strip_prefix(name)).map(|it| it.trim().to_owned())
        };
        assert_eq!(
            value("framework_resource_used_ratio{resource=\"memory\"}").as_deref(),
            Some("NaN")
        );
        for (kills, counted) in [(5, "0"), (7, "2"), (7, "2"), (8, "3")] {
            sample.memory.events.oom_kill = Some(kills);
            shown.show(&sample);
            let seen = value("framework_resource_memory_events_total{event=\"oom_kill\"}");
            assert_eq!(seen.as_deref(), Some(counted));
        }
    }
}
