//! A configuration that makes the application unready is taken back.

use std::{
    fs,
    sync::{Arc, Mutex},
    time::Duration,
};

use framework_config::{
    Config, ConfigHandle, ConfigSettings, LiveConfig, Obstacle, Prepared, Readiness, ReloadRecord,
    Sources,
};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::reload::Limits;

/// What stands in the way, as a test says.
#[derive(Clone, Default)]
struct Ready(Arc<Mutex<Vec<Obstacle>>>);

impl Readiness for Ready {
    fn obstacles(&self) -> Vec<Obstacle> {
        self.0.lock().unwrap().clone()
    }
}

impl Ready {
    fn fails(&self, section: &str) {
        *self.0.lock().unwrap() = vec![Obstacle::new(section, "no connection")];
    }

    fn works(&self) {
        self.0.lock().unwrap().clear();
    }
}

struct Rig {
    directory: tempfile::TempDir,
    input: Config<Limits>,
    handle: ConfigHandle,
    ready: Ready,
    told: mpsc::UnboundedReceiver<&'static str>,
    _running: JoinSet<()>,
}

impl Rig {
    fn new(set: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app.toml");
        fs::write(&path, "[input]\nqueue = 1\n").unwrap();
        let mut config = LiveConfig::new(Sources::none().file(path).set(set));
        let input = config.section("input");
        let _ = (config.section::<Limits>("output"), config.section::<ConfigSettings>("config"));
        let handle = config.load().unwrap();
        let ready = Ready::default();
        handle.follow_readiness(ready.clone());
        let (tell, told) = mpsc::unbounded_channel();
        handle.observe(move |record: &ReloadRecord| {
            let _ = tell.send(record.outcome.label());
        });
        let mut running = JoinSet::new();
        let own = handle.clone();
        running.spawn(async move { own.run_reloads(None).await });
        Self { directory, input, handle, ready, told, _running: running }
    }

    async fn reload_with(&mut self, text: &str) -> Arc<ReloadRecord> {
        fs::write(self.directory.path().join("app.toml"), text).unwrap();
        let record = self.handle.reload().await;
        assert_eq!(self.told.recv().await, Some(record.outcome.label()));
        record
    }

    async fn next(&mut self) -> Option<&'static str> {
        timeout(Duration::from_secs(3600), self.told.recv()).await.ok().flatten()
    }
}

const BAD: &str = "[input]\nqueue = 2\n";

#[tokio::test(start_paused = true)]
async fn what_makes_a_changed_module_unready_is_taken_back_once_and_refused_until_it_changes() {
    let mut rig = Rig::new("config.confirm=10s");
    let log = Arc::<Mutex<Vec<(u32, u32)>>>::default();
    let seen = Arc::clone(&log);
    let _owner = rig.input.on_reload("input", move |old, new| {
        seen.lock().unwrap().push((old.queue, new.queue));
        async { Ok(Prepared::nothing()) }
    });
    assert!(rig.reload_with(BAD).await.is_applied());
    rig.ready.fails("input");
    assert_eq!(rig.next().await, Some("rolled_back"));
    assert_eq!((rig.input.get().queue, rig.handle.report().unwrap().generation()), (1, 3));
    assert_eq!(*log.lock().unwrap(), [(1, 2), (2, 1)], "the same steps, back");
    let record = rig.handle.history().pop().unwrap();
    assert_eq!(record.to_json()["error"], "it made `input`: no connection");
    assert_eq!(record.to_json()["trigger"], "probation");

    rig.ready.works();
    let record = rig.reload_with(BAD).await;
    assert_eq!(record.outcome.label(), "quarantined");
    let why = record.error().unwrap().to_string();
    assert!(why.contains("no connection") && why.contains("until it changes"), "{why}");
    assert_eq!(
        rig.reload_with("\n# the same\n[input]\nqueue = 2\n").await.outcome.label(),
        "quarantined"
    );
    assert!(rig.reload_with("[input]\nqueue = 3\n").await.is_applied());
    assert_eq!(rig.input.get().queue, 3);
}

#[tokio::test(start_paused = true)]
async fn what_fails_elsewhere_or_later_or_before_is_not_its_fault() {
    let mut rig = Rig::new("config.confirm=10s");
    assert!(rig.reload_with(BAD).await.is_applied());
    rig.ready.fails("output");
    assert_eq!(rig.next().await, None, "another module fails");
    rig.ready.fails("input");
    assert_eq!(rig.next().await, None, "the time is over");
    // It did not work before either.
    assert!(rig.reload_with("[input]\nqueue = 3\n").await.is_applied());
    assert_eq!(rig.next().await, None);
    assert_eq!(rig.input.get().queue, 3);
}

#[tokio::test(start_paused = true)]
async fn a_second_change_on_probation_goes_back_to_what_was_good() {
    let mut rig = Rig::new("config.confirm=10s");
    assert!(rig.reload_with(BAD).await.is_applied());
    assert!(rig.reload_with("[input]\nqueue = 2\n[output]\nqueue = 2\n").await.is_applied());
    rig.ready.fails("input");
    assert_eq!(rig.next().await, Some("rolled_back"));
    assert_eq!(rig.input.get().queue, 1);
}

#[tokio::test(start_paused = true)]
async fn others_may_have_a_configuration_taken_back_on_probation_and_after_it() {
    let mut rig = Rig::new("config.confirm=10s");
    assert!(rig.handle.take_back("failed elsewhere".to_owned()).await.is_none());
    for wait in [Duration::ZERO, Duration::from_secs(60)] {
        assert!(rig.reload_with(&format!("{BAD}same = {}\n", wait.as_secs())).await.is_applied());
        sleep(wait).await;
        let record = rig.handle.take_back("failed elsewhere".to_owned()).await.unwrap();
        assert_eq!((record.outcome.label(), rig.input.get().queue), ("rolled_back", 1));
        assert_eq!(rig.next().await, Some("rolled_back"));
        let again = rig.handle.take_back("failed elsewhere".to_owned()).await;
        assert!(again.is_none(), "there is one to go back to");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_time_nothing_is_taken_back() {
    let mut rig = Rig::new("config.confirm=0s");
    assert!(rig.reload_with(BAD).await.is_applied());
    rig.ready.fails("input");
    assert_eq!(rig.next().await, None);
    assert_eq!(rig.input.get().queue, 2);
}

#[tokio::test(start_paused = true)]
async fn who_refuses_to_go_back_is_asked_once() {
    let mut rig = Rig::new("config.confirm=10s");
    let _owner = rig.input.on_reload("input", |old, new| async move {
        if new.queue < old.queue { Err("only upwards".into()) } else { Ok(Prepared::nothing()) }
    });
    assert!(rig.reload_with(BAD).await.is_applied());
    rig.ready.fails("input");
    assert_eq!(rig.next().await, Some("vetoed"));
    assert_eq!(rig.next().await, None);
    assert_eq!(rig.input.get().queue, 2);
}
