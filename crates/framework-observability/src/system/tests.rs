use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::advance;

use super::*;

fn reading(cpu_time: Duration) -> Reading {
    Reading {
        memory_total_bytes: 1000,
        memory_used_bytes: 600,
        rss_bytes: 100,
        threads: 4,
        open_fds: 9,
        cpus: 2.0,
        cpu_time,
    }
}

/// A process that has used 500 ms more of CPU time at each look, and how often it was looked at.
fn busy() -> (SystemSampler, Arc<AtomicU64>) {
    let looks = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&looks);
    let read = move || {
        let looks = counted.fetch_add(1, Ordering::Relaxed);
        Ok(reading(Duration::from_millis(500 * looks)))
    };
    (SystemSampler::reading(read), looks)
}

#[tokio::test(start_paused = true)]
async fn the_cpu_ratio_is_the_share_of_all_cpus_between_two_looks() {
    let (system, _) = busy();
    assert_eq!(system.sample().unwrap().cpu_ratio, None);
    advance(Duration::from_secs(1)).await;
    assert_eq!(system.sample().unwrap().cpu_ratio, Some(0.25));
    assert_eq!(system.sample().unwrap().cpu_ratio, Some(0.25), "no time has passed");
    advance(Duration::from_millis(100)).await;
    assert_eq!(system.sample().unwrap().cpu_ratio, Some(1.0), "a tick too many");
}

#[tokio::test(start_paused = true)]
async fn a_scrape_right_after_another_does_not_look_again() {
    let (system, looks) = busy();
    let second = Duration::from_secs(1);
    system.sample_if_older(second).unwrap();
    advance(Duration::from_millis(999)).await;
    system.sample_if_older(second).unwrap();
    assert_eq!(looks.load(Ordering::Relaxed), 1);
    advance(Duration::from_millis(1)).await;
    system.sample_if_older(second).unwrap();
    assert_eq!(looks.load(Ordering::Relaxed), 2);
}

#[cfg(target_os = "linux")]
#[test]
fn the_tightest_limit_of_the_groups_above_counts() {
    use std::{fs, path::Path};

    use super::cgroup::Limits;

    let root = tempfile::tempdir().unwrap();
    let put = |group: &str, file: &str, text: &str| {
        let directory = root.path().join(group);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(file), text).unwrap();
    };
    put("pod", "cpu.max", "150000 100000\n");
    put("pod", "memory.max", "1000\n");
    put("pod", "memory.current", "800\n");
    put("pod/app", "cpu.max", "400000 100000\n");
    put("", "cpu.max", "max 100000\n");
    put("pod/app", "memory.max", "2000\n");
    put("pod/app", "memory.current", "300\n");
    let limits = Limits::read(root.path(), "1:cpu:/old\n0::/pod/app\n");
    assert_eq!(limits, Limits { cpus: Some(1.5), memory: Some((1000, 800)) });
    let (cpus, memory) = (Some(4.0), None);
    fs::remove_file(root.path().join("pod/cpu.max")).unwrap();
    fs::remove_file(root.path().join("pod/memory.max")).unwrap();
    fs::remove_file(root.path().join("pod/app/memory.max")).unwrap();
    assert_eq!(Limits::read(root.path(), "0::/pod/app"), Limits { cpus, memory });
    assert_eq!(Limits::read(root.path(), "0::/"), Limits::default());
    assert_eq!(Limits::read(root.path(), "0::/../pod"), Limits::default());
    assert_eq!(Limits::read(Path::new("/nowhere"), ""), Limits::default());
}

#[cfg(target_os = "linux")]
#[test]
fn this_process_has_memory_threads_and_open_files() {
    let sample = SystemSampler::new().sample().unwrap();
    assert!(sample.rss_bytes > 100_000 && sample.rss_bytes < sample.memory_total_bytes);
    assert!(sample.memory_used_bytes < sample.memory_total_bytes);
    assert!(sample.threads >= 1 && sample.open_fds >= 3 && sample.cpus > 0.0, "{sample:?}");
}
