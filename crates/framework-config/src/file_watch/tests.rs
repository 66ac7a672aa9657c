use std::{fs, sync::Mutex};

use tokio::time::sleep;

use super::*;
use crate::{LiveConfig, Settings, Sources};

#[derive(Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default)]
struct Limits {
    queue: u16,
}

impl Settings for Limits {}

type OnEvent = Arc<dyn Fn() + Send + Sync>;

/// Events that the test makes.
#[derive(Clone, Default)]
struct Script {
    on_event: Arc<Mutex<Option<OnEvent>>>,
    armed: Arc<Mutex<Vec<BTreeSet<PathBuf>>>>,
    blind: bool,
}

impl FileEvents for Script {
    fn watch(
        &mut self,
        directories: &BTreeSet<PathBuf>,
        on_event: Arc<dyn Fn() + Send + Sync>,
    ) -> BTreeSet<PathBuf> {
        *self.on_event.lock().unwrap() = Some(on_event);
        self.armed.lock().unwrap().push(directories.clone());
        if self.blind { directories.clone() } else { BTreeSet::new() }
    }
}

impl Script {
    fn event(&self) {
        self.on_event.lock().unwrap().as_ref().unwrap()();
    }
}

struct Rig {
    directory: tempfile::TempDir,
    script: Script,
    watch: FileWatch,
    began: Instant,
}

impl Rig {
    async fn new(script: Script) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("app.toml"), "[limits]\nqueue = 1").unwrap();
        let sources = Sources::standard("shop").dir(directory.path()).env([("A", "b")]);
        let mut config = LiveConfig::new(sources);
        let _ = config.section::<Limits>("limits");
        let store = Arc::clone(config.load().unwrap().store());
        let look = Duration::from_secs(5);
        let watch = FileWatch::start(store, Box::new(script.clone()), look).await;
        Self { directory, script, watch, began: Instant::now() }
    }

    fn write(&self, text: &str) {
        fs::write(self.directory.path().join("app.toml"), text).unwrap();
    }

    fn passed(&self) -> Duration {
        self.began.elapsed()
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_is_told_once_it_is_quiet_for_a_while() {
    let mut rig = Rig::new(Script::default()).await;
    rig.write("[limits]");
    rig.script.event();
    rig.watch.changed().await;
    assert_eq!(rig.passed(), QUIET);
}

#[tokio::test(start_paused = true)]
async fn writing_that_goes_on_is_told_after_two_seconds() {
    let mut rig = Rig::new(Script::default()).await;
    rig.write("[limits]");
    rig.script.event();
    let script = rig.script.clone();
    let busy = async {
        loop {
            sleep(Duration::from_millis(50)).await;
            script.event();
        }
    };
    tokio::select! {
        () = rig.watch.changed() => {}
        () = busy => {}
    }
    assert!(rig.passed() >= PATIENCE && rig.passed() < PATIENCE + QUIET, "{:?}", rig.passed());
}

#[tokio::test(start_paused = true)]
async fn events_about_other_files_and_the_same_text_are_no_change() {
    let mut rig = Rig::new(Script::default()).await;
    fs::write(rig.directory.path().join("notes.txt"), "x").unwrap();
    rig.write("[limits]\nqueue = 1");
    rig.script.event();
    let second = Duration::from_secs(1);
    assert!(tokio::time::timeout(second, rig.watch.changed()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn without_events_files_are_looked_at_and_watching_is_tried_again() {
    let mut rig = Rig::new(Script { blind: true, ..Script::default() }).await;
    rig.write("[limits]");
    rig.watch.changed().await;
    assert_eq!(rig.passed(), Duration::from_secs(5));
    assert_eq!(rig.script.armed.lock().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_was_not_told_is_not_lost() {
    let mut rig = Rig::new(Script::default()).await;
    rig.write("[limits]");
    rig.script.event();
    let early = tokio::time::timeout(QUIET / 2, rig.watch.changed()).await;
    assert!(early.is_err());
    rig.watch.changed().await;
    assert!(rig.passed() < Duration::from_secs(1), "{:?}", rig.passed());
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_was_replaced_is_watched_anew() {
    let mut rig = Rig::new(Script::default()).await;
    let path = rig.directory.path().to_owned();
    fs::remove_dir_all(&path).unwrap();
    fs::create_dir(&path).unwrap();
    rig.write("[limits]\nqueue = 3");
    rig.script.event();
    rig.watch.changed().await;
    let armed = rig.script.armed.lock().unwrap();
    assert_eq!(*armed, [BTreeSet::from([path.clone()]), BTreeSet::from([path])]);
}

#[tokio::test]
async fn it_is_known_whether_the_files_are_those_that_were_read() {
    let mut rig = Rig::new(Script::default()).await;
    assert!(rig.watch.store.was_read_from(rig.watch.seen()));
    rig.write("[limits]\nqueue = 2");
    rig.watch.seen = rig.watch.fingerprint().await;
    assert!(!rig.watch.store.was_read_from(rig.watch.seen()));
    rig.write("[limits]\nqueue = 1");
    fs::write(rig.directory.path().join("local.toml"), "[limits]").unwrap();
    rig.watch.seen = rig.watch.fingerprint().await;
    assert!(!rig.watch.store.was_read_from(rig.watch.seen()), "one more file counts");
}

#[tokio::test]
async fn what_values_refer_to_is_not_taken_for_read() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("queue"), "1").unwrap();
    let text = format!("[limits]\nqueue = \"${{file:{}}}\"", at("queue").display());
    fs::write(at("app.toml"), text).unwrap();
    let mut config =
        LiveConfig::new(Sources::standard("shop").dir(directory.path()).env([("A", "b")]));
    let _ = config.section::<Limits>("limits");
    let store = Arc::clone(config.load().unwrap().store());
    // What is gone has no part in what the files hold.
    fs::remove_file(at("queue")).unwrap();
    let script = Box::new(Script::default());
    let watch = FileWatch::start(Arc::clone(&store), script, Duration::from_secs(5)).await;
    assert!(!store.was_read_from(watch.seen()));
}
