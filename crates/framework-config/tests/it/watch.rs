//! A configuration follows its files, on a real file system.

use std::{fs, os::unix::fs::symlink, path::Path, time::Duration};

use framework_config::{Config, LiveConfig, ReloadTrigger, Sources};
use tokio::{sync::mpsc, task::JoinSet, time::timeout};

use crate::reload::Limits;

/// Longer than any test runs: where this is the interval, only events can tell.
const NEVER: Duration = Duration::from_secs(3600);

/// What became of each reload: its trigger, its outcome, and the queue that is in force.
type Told = (ReloadTrigger, &'static str, u32);

struct Rig {
    limits: Config<Limits>,
    handle: framework_config::ConfigHandle,
    told: mpsc::UnboundedReceiver<Told>,
    _running: JoinSet<()>,
}

impl Rig {
    fn new(directory: &Path, look: Duration) -> Self {
        let sources = Sources::standard("shop").dir(directory).env([("A", "")]);
        let mut config = LiveConfig::new(sources);
        let limits = config.section::<Limits>("limits");
        let handle = config.load().unwrap();
        let (tell, told) = mpsc::unbounded_channel();
        let seen = limits.clone();
        handle.observe(move |record| {
            let _ = tell.send((record.trigger, record.outcome.label(), seen.get().queue));
        });
        let mut running = JoinSet::new();
        let own = handle.clone();
        running.spawn(async move { own.run_reloads(Some(look)).await });
        Self { limits, handle, told, _running: running }
    }

    async fn next(&mut self) -> Told {
        timeout(Duration::from_secs(20), self.told.recv()).await.unwrap().unwrap()
    }

    /// Waits until a file has put `queue` into force, whatever was told before.
    async fn becomes(&mut self, queue: u32) {
        loop {
            let (trigger, outcome, now) = self.next().await;
            assert_eq!(trigger, ReloadTrigger::File);
            if outcome == "applied" && now == queue {
                return;
            }
        }
    }
}

fn write(path: &Path, queue: u32) {
    fs::write(path, format!("[limits]\nqueue = {queue}\n")).unwrap();
}

#[tokio::test]
async fn a_file_that_is_renamed_over_another_is_followed() {
    let directory = tempfile::tempdir().unwrap();
    let (file, temporary) = (directory.path().join("app.toml"), directory.path().join(".app.swp"));
    write(&file, 1);
    let mut rig = Rig::new(directory.path(), NEVER);
    for queue in 2..5 {
        write(&temporary, queue);
        fs::rename(&temporary, &file).unwrap();
        rig.becomes(queue).await;
    }
}

#[tokio::test]
async fn a_link_that_kubernetes_swaps_is_followed() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    for (version, queue) in [("v1", 1), ("v2", 2), ("v3", 3)] {
        fs::create_dir(at(version)).unwrap();
        write(&at(version).join("app.toml"), queue);
    }
    symlink("v1", at("..data")).unwrap();
    symlink("..data/app.toml", at("app.toml")).unwrap();
    let mut rig = Rig::new(directory.path(), NEVER);
    assert_eq!(rig.limits.get().queue, 1);
    for (version, queue) in [("v2", 2), ("v3", 3)] {
        symlink(version, at("..data_tmp")).unwrap();
        fs::rename(at("..data_tmp"), at("..data")).unwrap();
        rig.becomes(queue).await;
    }
}

#[tokio::test]
async fn a_file_that_goes_and_comes_back_is_followed() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("app.toml");
    write(&file, 1);
    let mut rig = Rig::new(directory.path(), NEVER);
    fs::remove_file(&file).unwrap();
    rig.becomes(0).await;
    write(&file, 2);
    rig.becomes(2).await;
}

#[tokio::test]
async fn a_directory_that_is_not_there_yet_is_found_by_looking() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("config");
    let mut rig = Rig::new(&config, Duration::from_millis(50));
    fs::create_dir(&config).unwrap();
    write(&config.join("app.toml"), 2);
    rig.becomes(2).await;
    fs::remove_dir_all(&config).unwrap();
    rig.becomes(0).await;
}

#[tokio::test]
async fn half_a_file_changes_nothing_and_the_whole_one_counts() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("app.toml");
    write(&file, 1);
    let mut rig = Rig::new(directory.path(), NEVER);
    fs::write(&file, "[limits]\nqueue = ").unwrap();
    assert_eq!(rig.next().await, (ReloadTrigger::File, "invalid", 1));
    write(&file, 2);
    rig.becomes(2).await;
}

#[tokio::test]
async fn a_secret_that_is_rotated_in_its_own_file_is_followed() {
    let (directory, secrets) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let secret = secrets.path().join("addr");
    fs::write(&secret, "1").unwrap();
    let text = format!("[limits]\nqueue = \"${{file:{}}}\"\n", secret.display());
    fs::write(directory.path().join("app.toml"), text).unwrap();
    let mut rig = Rig::new(directory.path(), NEVER);
    fs::write(&secret, "7").unwrap();
    rig.becomes(7).await;
}

#[tokio::test]
async fn the_last_file_counts_however_many_reloads_were_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("app.toml");
    write(&file, 0);
    let mut rig = Rig::new(directory.path(), NEVER);
    for n in 1..=10_000 {
        if n % 100 == 0 {
            write(&file, n);
        }
        rig.handle.request_reload(ReloadTrigger::Signal);
        if n % 50 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let mut changes = rig.limits.watch();
    let last = async {
        while rig.limits.get().queue != 10_000 {
            changes.next().await;
        }
    };
    timeout(Duration::from_secs(5), last).await.unwrap();
    let mut reloads = 0;
    while rig.told.try_recv().is_ok() {
        reloads += 1;
    }
    assert!(reloads < 50, "{reloads} reloads for 10000 requests");
}

#[tokio::test]
async fn a_change_before_anybody_watched_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("app.toml");
    write(&file, 1);
    let mut rig = Rig::new(directory.path(), NEVER);
    // Nothing was awaited since the file was read, so nobody watches it yet.
    write(&file, 2);
    rig.becomes(2).await;
}
