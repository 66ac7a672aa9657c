//! One configuration takes the place of another, as a whole or not at all.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use framework_config::{
    Config, ConfigHandle, LiveConfig, Prepared, ReloadError, ReloadOutcome, ReloadRecord,
    ReloadTrigger, Settings, Sources,
};
use futures_util::FutureExt as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::settings::DbSettings;

/// A section with every class of keys.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Limits {
    /// How many may wait.
    pub(crate) queue: u32,
    /// The same number again, for readers to compare.
    pub(crate) same: u32,
    /// What is listened on.
    pub(crate) addr: String,
    /// A key that is written under another name than it is read by.
    #[serde(alias = "old_name", skip_serializing)]
    pub(crate) hidden: u32,
}

impl Settings for Limits {
    fn restart_keys() -> &'static [&'static str] {
        &["addr"]
    }
}

/// A configuration in a file, with two sections of one type and one with secrets.
pub(crate) struct Rig {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) handle: ConfigHandle,
    input: Config<Limits>,
    output: Config<Limits>,
    db: Config<DbSettings>,
}

impl Rig {
    pub(crate) fn new(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("app.toml"), text).unwrap();
        let sources = Sources::standard("shop").dir(directory.path()).env([("TOKEN", "hunter2")]);
        let mut config = LiveConfig::new(sources);
        let (input, output) = (config.section("input"), config.section("output"));
        let db = config.section("db");
        Self { handle: config.load().unwrap(), directory, input, output, db }
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("app.toml")
    }

    pub(crate) fn write(&self, text: &str) {
        fs::write(self.file(), text).unwrap();
    }

    pub(crate) async fn reload_with(&self, text: &str) -> Arc<ReloadRecord> {
        self.write(text);
        self.handle.reload().await
    }

    fn queues(&self) -> (u32, u32) {
        (self.input.get().queue, self.output.get().queue)
    }

    fn generation(&self) -> u64 {
        self.handle.report().unwrap().generation()
    }
}

fn label(record: &Arc<ReloadRecord>) -> &'static str {
    record.outcome.label()
}

#[tokio::test]
async fn what_the_sources_say_now_comes_into_force() {
    let rig = Rig::new("[input]\nqueue = 1\n");
    let record = rig.reload_with("[input]\nqueue = 2\n[output]\nqueue = 3\n").await;
    assert_eq!((label(&record), record.generation), ("applied", 2));
    assert_eq!(rig.queues(), (2, 3));
    let changes: Vec<_> = record.changes.iter().map(ToString::to_string).collect();
    let file = rig.file().display().to_string();
    assert_eq!(
        changes,
        [format!("input.queue: 1 -> 2 ({file}:2:9)"), format!("output.queue: 0 -> 3 ({file}:4:9)"),]
    );
}

#[tokio::test]
async fn what_is_wrong_changes_nothing_and_is_told_with_its_place() {
    let rig = Rig::new("[input]\nqueue = 1\n");
    let before = rig.handle.snapshot().unwrap();
    let record = rig.reload_with("[input]\nqueue = 2\n[output]\nqueeu = 3\n").await;
    assert_eq!((label(&record), record.generation), ("invalid", 1));
    let Some(ReloadError::Invalid(error)) = record.error() else { panic!("{record:?}") };
    assert!(error.to_string().contains("app.toml:4:1"), "{error}");
    assert!(error.to_string().contains("did you mean `output.queue`?"), "{error}");
    assert!(Arc::ptr_eq(before.report(), rig.handle.snapshot().unwrap().report()));
    assert_eq!(rig.queues(), (1, 0));

    let record = rig.reload_with("[input\n").await;
    assert_eq!(label(&record), "invalid");
    assert_eq!(rig.queues(), (1, 0));
}

#[tokio::test]
async fn the_same_once_more_is_no_change() {
    let rig = Rig::new("[input]\nqueue = 1\n");
    let mut changes = rig.input.watch();
    // A default that is written out, and another line, are the same configuration.
    let record = rig.reload_with("\n\n[input]\nqueue = 1\nsame = 0\n").await;
    assert_eq!((label(&record), record.generation), ("unchanged", 1));
    assert!(changes.next().now_or_never().is_none());
    assert!(rig.handle.history().is_empty());
    let origin = rig.handle.report().unwrap();
    let origin = origin.entries().find(|entry| entry.key == "input.queue").unwrap();
    assert!(origin.origin.to_string().ends_with(":4:9"), "the origin follows: {}", origin.origin);
}

#[tokio::test]
async fn a_key_that_is_read_once_is_refused_by_name() {
    let rig = Rig::new("[input]\nqueue = 1\n");
    let record = rig.reload_with("[input]\nqueue = 2\naddr = \"x\"\n").await;
    assert_eq!(label(&record), "needs_restart");
    assert_eq!(
        record.error().unwrap().to_string(),
        "cannot change while the application runs: input.addr"
    );
    assert_eq!((rig.queues(), record.changes.len()), ((1, 0), 2));
}

#[tokio::test]
async fn a_veto_leaves_every_section_as_it_was() {
    let rig = Rig::new("[input]\nqueue = 1\n");
    let log = Arc::<Mutex<Vec<&str>>>::default();
    let own = |name: &'static str, abort: &'static str| {
        let log = Arc::clone(&log);
        move |_old: Arc<Limits>, _new: Arc<Limits>| {
            let (commit, undone) = (Arc::clone(&log), Arc::clone(&log));
            async move {
                Ok(Prepared::new(move || commit.lock().unwrap().push(name))
                    .or_abort(move || undone.lock().unwrap().push(abort)))
            }
        }
    };
    let _a = rig.input.on_reload("a", own("+a", "-a"));
    let _b = rig.output.on_reload("b", own("+b", "-b"));
    let input = rig.input.clone();
    let veto = rig.output.on_reload("c", move |old, new| {
        // Nothing has been swapped when the owners are asked.
        let in_force = input.get().queue;
        async move {
            assert_eq!((old.queue, in_force), (0, 1));
            Err(format!("{} is too much", new.queue).into())
        }
    });
    let text = "[input]\nqueue = 2\n[output]\nqueue = 3\n";
    let record = rig.reload_with(text).await;
    assert_eq!(label(&record), "vetoed");
    let error = framework_core::Chain(record.error().unwrap()).to_string();
    assert!(error.starts_with("`c` refuses the change of `output`"), "{error}");
    assert!(error.contains("3 is too much"), "{error}");
    assert_eq!((rig.queues(), rig.generation()), ((1, 0), 1));
    assert_eq!(*log.lock().unwrap(), ["-b", "-a"]);

    drop(veto);
    log.lock().unwrap().clear();
    assert_eq!(label(&rig.handle.reload().await), "applied");
    assert_eq!((rig.queues(), rig.generation()), ((2, 3), 2));
    assert_eq!(*log.lock().unwrap(), ["+a", "+b"]);
}

#[tokio::test]
async fn an_owner_is_asked_only_for_its_own_section() {
    let rig = Rig::new("");
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let _owner = rig.input.on_reload("input", move |_, _| {
        count.fetch_add(1, Ordering::Relaxed);
        async { Ok(Prepared::nothing()) }
    });
    rig.reload_with("[output]\nqueue = 1\n").await;
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    rig.reload_with("[input]\nqueue = 1\n").await;
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_does_not_answer_in_time_is_a_veto() {
    let rig = Rig::new("");
    let _owner = rig.input.on_reload("stuck", |_, _| std::future::pending());
    let record = rig.reload_with("[input]\nqueue = 1\n").await;
    assert_eq!(record.error().unwrap().to_string(), "`stuck` took longer than 5s");
    assert_eq!(rig.queues(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn all_owners_together_have_fifteen_seconds() {
    let rig = Rig::new("");
    let slow = |_old: Arc<Limits>, _new: Arc<Limits>| async {
        tokio::time::sleep(Duration::from_secs(4)).await;
        Ok(Prepared::nothing())
    };
    let owners: Vec<_> =
        ["1", "2", "3", "4"].iter().map(|name| rig.input.on_reload(*name, slow)).collect();
    let record = rig.reload_with("[input]\nqueue = 1\n").await;
    assert_eq!(record.error().unwrap().to_string(), "`4` took longer than 3s");
    drop(owners);
}

#[tokio::test]
async fn a_panic_in_an_owner_is_a_veto_before_and_a_late_fault_after_the_swap() {
    let rig = Rig::new("");
    let owner = rig.input.on_reload("early", |_, _| async { panic!("no") });
    assert_eq!(label(&rig.reload_with("[input]\nqueue = 1\n").await), "vetoed");
    drop(owner);
    let _late = rig.input.on_reload("late", |_, _| async { Ok(Prepared::new(|| panic!("oh"))) });
    let record = rig.handle.reload().await;
    assert_eq!((label(&record), rig.queues()), ("applied", (1, 0)));
    assert_eq!(record.late, ["`late` panicked: oh"]);
}

#[tokio::test]
async fn what_was_prepared_comes_into_force_when_it_is_committed_and_no_other() {
    let rig = Rig::new("");
    let (done, undone) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let count = (Arc::clone(&done), Arc::clone(&undone));
    let _owner = rig.input.on_reload("input", move |_, _| {
        let (done, undone) = count.clone();
        let add = |to: Arc<AtomicUsize>| move || _ = to.fetch_add(1, Ordering::Relaxed);
        async move { Ok(Prepared::new(add(done)).or_abort(add(undone))) }
    });
    let counts = || (done.load(Ordering::Relaxed), undone.load(Ordering::Relaxed));
    rig.write("[input]\nqueue = 1\n");
    let given_up = rig.handle.prepare_reload(ReloadTrigger::Call).await.unwrap();
    assert_eq!((given_up.outlook().label(), given_up.changes().len()), ("acceptable", 1));
    drop(given_up);
    assert_eq!((rig.queues(), rig.generation(), counts()), ((0, 0), 1, (0, 1)));
    assert!(rig.handle.history().is_empty());

    let prepared = rig.handle.prepare_reload(ReloadTrigger::Call).await.unwrap();
    rig.write("[input]\nqueue = 2\n");
    let mut other = pin!(rig.handle.reload());
    assert!(other.as_mut().now_or_never().is_none(), "two reloads at a time");
    assert_eq!((rig.queues(), counts()), ((0, 0), (0, 1)));
    let record = prepared.commit();
    assert_eq!((label(&record), rig.queues(), counts()), ("applied", (1, 0), (1, 1)));
    assert_eq!(label(&other.await), "applied");
    assert_eq!((rig.queues(), rig.generation()), ((2, 0), 3));

    let same = rig.handle.prepare_reload(ReloadTrigger::Call).await.unwrap();
    assert_eq!(same.outlook().label(), "unchanged");
    assert_eq!(label(&same.commit()), "unchanged");
}

#[tokio::test]
async fn what_cannot_be_prepared_is_in_the_history() {
    let rig = Rig::new("");
    rig.write("[input]\nqueue = \"many\"\n");
    let refused = rig.handle.prepare_reload(ReloadTrigger::Signal).await.unwrap_err();
    assert_eq!((label(&refused), refused.trigger), ("invalid", ReloadTrigger::Signal));
    let history = rig.handle.history();
    assert_eq!(history.len(), 1);
    assert!(Arc::ptr_eq(&history[0], &refused));
}

#[tokio::test]
async fn two_that_have_read_the_same_files_say_so() {
    let rig = Rig::new("include = [\"conf.d/*.toml\"]\n");
    let files = async || {
        let prepared = rig.handle.prepare_reload(ReloadTrigger::Call).await.unwrap();
        let files = prepared.files().map(|(path, hash)| (path.to_owned(), hash));
        files.collect::<BTreeMap<_, _>>()
    };
    let before = files().await;
    assert_eq!(before[&rig.file()], files().await[&rig.file()]);
    assert_eq!(before[&rig.file().with_extension("yaml")], None);
    // Each of them is another configuration than before.
    let queue = rig.directory.path().join("queue");
    let reference = format!("${{file:{}}}", queue.display());
    let text = "include = [\"conf.d/*.toml\"]\n[input]\nqueue = ";
    rig.write(&format!("{text}\"{reference}\"\n"));
    fs::write(&queue, "1").unwrap();
    let changed = files().await;
    assert_ne!(changed[&rig.file()], before[&rig.file()]);
    assert_eq!(rig.handle.reload().await.outcome.label(), "applied");
    let referred = files().await;
    fs::write(&queue, "2").unwrap();
    assert_ne!(files().await[&queue], referred[&queue]);
    let pattern = rig.directory.path().join("conf.d/*.toml");
    let none = files().await[&pattern];
    fs::create_dir(rig.directory.path().join("conf.d")).unwrap();
    fs::write(rig.directory.path().join("conf.d/new.toml"), "").unwrap();
    let one = files().await;
    assert_ne!(one[&pattern], none);
    assert!(one[&rig.directory.path().join("conf.d/new.toml")].is_some());
}

#[tokio::test]
async fn a_dry_run_tells_and_changes_nothing() {
    let rig = Rig::new("");
    let undone = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&undone);
    let _owner = rig.input.on_reload("input", move |_, _| {
        let count = Arc::clone(&count);
        async move {
            Ok(Prepared::nothing().or_abort(move || {
                count.fetch_add(1, Ordering::Relaxed);
            }))
        }
    });
    rig.write("[input]\nqueue = 1\n");
    for (prepare, expected) in [(false, 0), (true, 1)] {
        let record = rig.handle.dry_run(prepare).await;
        assert!(matches!(record.outcome, ReloadOutcome::Acceptable), "{record:?}");
        assert_eq!((record.changes.len(), undone.load(Ordering::Relaxed)), (1, expected));
    }
    assert_eq!((rig.queues(), rig.generation()), ((0, 0), 1));
    assert!(rig.handle.history().is_empty());
}

#[tokio::test]
async fn the_last_twenty_reloads_are_kept() {
    let rig = Rig::new("");
    for queue in 1..=25 {
        rig.reload_with(&format!("[input]\nqueue = {queue}\n")).await;
    }
    let history = rig.handle.history();
    assert_eq!((history.len(), history[0].generation, history[19].generation), (20, 7, 26));
}

#[tokio::test]
async fn secrets_are_read_again_and_never_shown() {
    let rig = Rig::new("[db]\npassword = \"first-secret\"\n");
    let path = rig.directory.path().join("salt");
    fs::write(&path, "first-salt").unwrap();
    let text =
        format!("[db]\npassword = \"other-secret\"\nsalt = \"${{file:{}}}\"\n", path.display());
    let mut told = vec![rig.reload_with(&text).await];
    fs::write(&path, "other-salt").unwrap();
    told.push(rig.handle.reload().await);
    assert_eq!(label(&told[1]), "applied");
    assert_eq!(rig.db.get().salt.expose(), "other-salt");
    let keys: Vec<_> = told[1].changes.iter().map(|change| change.key.as_str()).collect();
    assert_eq!(keys, ["db.salt"]);
    for record in &told {
        let text = format!("{record:?} {}", record.to_json());
        for secret in ["secret\"", "other-s", "first-s"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
    fs::remove_file(&path).unwrap();
    assert_eq!(label(&rig.handle.reload().await), "invalid");
    assert_eq!(rig.db.get().salt.expose(), "other-salt");
}

#[tokio::test]
async fn a_key_that_its_type_does_not_show_is_seen_to_change() {
    let rig = Rig::new("[input]\nold_name = 1\n");
    let record = rig.reload_with("[input]\nold_name = 2\n").await;
    assert_eq!((label(&record), rig.input.get().hidden), ("applied", 2));
}

#[tokio::test]
async fn a_watcher_sees_its_own_section_and_takes_many_changes_for_one() {
    let rig = Rig::new("");
    let mut changes = rig.input.watch();
    rig.reload_with("[output]\nqueue = 1\n").await;
    let now = futures_util::future::FutureExt::now_or_never(changes.next());
    assert!(now.is_none(), "another section is none of its business");
    for queue in 1..=3 {
        rig.reload_with(&format!("[input]\nqueue = {queue}\n")).await;
    }
    let changed = changes.next().await;
    assert_eq!((changed.old.queue, changed.new.queue), (0, 3));
    assert!(changes.next().now_or_never().is_none());
}

#[tokio::test]
async fn all_that_was_asked_for_during_a_reload_is_served_by_one_more() {
    let rig = Rig::new("");
    let (started, release) =
        (Arc::new(tokio::sync::Notify::new()), Arc::new(AtomicBool::new(false)));
    let reloads = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&reloads);
    rig.handle.observe(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    let (notify, gate) = (Arc::clone(&started), Arc::clone(&release));
    let _owner = rig.input.on_reload("slow", move |_, _| {
        let (notify, gate) = (Arc::clone(&notify), Arc::clone(&gate));
        async move {
            notify.notify_one();
            while !gate.load(Ordering::Relaxed) {
                tokio::task::yield_now().await;
            }
            Ok(Prepared::nothing())
        }
    });
    rig.write("[input]\nqueue = 1\n");
    let mut tasks = JoinSet::new();
    let handle = rig.handle.clone();
    tasks.spawn(async move { handle.reload().await.generation });
    started.notified().await;
    rig.write("[input]\nqueue = 2\n");
    for _ in 0..1000 {
        let handle = rig.handle.clone();
        tasks.spawn(async move { handle.reload().await.generation });
    }
    tokio::task::yield_now().await;
    release.store(true, Ordering::Relaxed);
    let generations = tasks.join_all().await;
    assert_eq!(reloads.load(Ordering::Relaxed), 2);
    assert_eq!(generations.iter().filter(|generation| **generation == 3).count(), 1000);
    assert_eq!(rig.queues(), (2, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_see_exactly_one_generation_during_a_thousand_swaps() {
    let rig = Rig::new("");
    let done = Arc::new(AtomicBool::new(false));
    let mut readers = JoinSet::new();
    for _ in 0..64 {
        let (handle, done) = (rig.handle.clone(), Arc::clone(&done));
        let (input, output) = (rig.input.clone(), rig.output.clone());
        readers.spawn(async move {
            let mut seen = 0;
            while !done.load(Ordering::Relaxed) {
                let snapshot = handle.snapshot().unwrap();
                let (input, output) = (input.in_snapshot(&snapshot), output.in_snapshot(&snapshot));
                assert_eq!((input.queue, input.same), (output.queue, output.same));
                assert_eq!(u64::from(input.queue) + 1, snapshot.generation());
                assert!(input.queue >= seen, "never back");
                seen = input.queue;
                tokio::task::yield_now().await;
            }
        });
    }
    for n in 1..=1000 {
        let text = format!("[input]\nqueue = {n}\nsame = {n}\n[output]\nqueue = {n}\nsame = {n}\n");
        assert!(rig.reload_with(&text).await.is_applied());
    }
    done.store(true, Ordering::Relaxed);
    while let Some(reader) = readers.join_next().await {
        reader.unwrap();
    }
}

/// What a person or a broken tool may leave behind.
fn damaged(n: usize) -> Vec<u8> {
    let good = b"[input]\nqueue = 1\nsame = 2\n[db]\nurl = \"x\"\n";
    let mut bytes = good[..(n * 7) % good.len()].to_vec();
    match n % 8 {
        0 => bytes.extend(b"\n[input"),
        1 => bytes.extend([0xff, 0xfe, 0x00]),
        2 => bytes = b"[input]\nqueue = 99999999999999999999999\n".to_vec(),
        3 => bytes = b"[input]\nqueue = 1\nqueue = 2\n".to_vec(),
        4 => bytes = format!("x = {}1{}\n", "[".repeat(n), "]".repeat(n)).into_bytes(),
        5 => bytes = b"[input]\nqueue = \"many\"\n".to_vec(),
        6 => bytes.extend(b"\n\0= 1"),
        _ => bytes = format!("[input]\nqueu{n} = 1\n").into_bytes(),
    }
    bytes
}

#[tokio::test]
async fn ten_thousand_malformed_files_change_nothing_and_each_is_placed() {
    let rig = Rig::new("[input]\nqueue = 1\n");
    let hash = rig.handle.report().unwrap().hash();
    for n in 0..10_000 {
        fs::write(rig.file(), damaged(n)).unwrap();
        let record = rig.handle.reload().await;
        let Some(ReloadError::Invalid(error)) = record.error() else { panic!("{n}: {record:?}") };
        assert!(error.to_string().contains("app.toml"), "{n}: {error}");
    }
    assert_eq!(rig.handle.report().unwrap().hash(), hash);
    assert_eq!((rig.queues(), rig.generation()), ((1, 0), 1));
    assert!(rig.reload_with("[input]\nqueue = 7\n").await.is_applied());
}

#[tokio::test]
async fn a_reload_that_is_dropped_leaves_the_old_configuration_and_the_way_free() {
    let rig = Rig::new("");
    let owner = rig.input.on_reload("stuck", |_, _| std::future::pending());
    rig.write("[input]\nqueue = 1\n");
    let gone = tokio::time::timeout(Duration::from_millis(50), rig.handle.reload()).await;
    assert!(gone.is_err());
    assert_eq!(rig.queues(), (0, 0));
    drop(owner);
    assert!(rig.handle.reload().await.is_applied());
}

#[tokio::test]
async fn a_file_that_was_just_emptied_is_waited_for() {
    let rig = Rig::new("[input]\nqueue = 1\n");
    // As `fs::write` does, and with the reload in between.
    let file = fs::File::create(rig.file()).unwrap();
    let handle = rig.handle.clone();
    let rest = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        std::io::Write::write_all(&mut &file, b"[input]\nqueue = 2\n").unwrap();
    };
    let (record, ()) = tokio::join!(handle.reload(), rest);
    assert_eq!((label(&record), record.changes.len(), rig.queues()), ("applied", 1, (2, 0)));
    // One that stays empty is meant to be.
    rig.write("");
    assert_eq!((label(&rig.handle.reload().await), rig.queues()), ("applied", (0, 0)));
}

#[tokio::test]
async fn a_file_that_was_moved_away_for_another_is_waited_for() {
    let rig = Rig::new("[input]\nqueue = 1\n");
    let another = async {
        fs::rename(rig.file(), rig.directory.path().join("backup")).unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
        rig.write("[input]\nqueue = 2\n");
    };
    let ((), record) = tokio::join!(another, rig.handle.reload());
    assert_eq!((label(&record), record.changes.len(), rig.queues()), ("applied", 1, (2, 0)));
    fs::remove_file(rig.file()).unwrap();
    assert_eq!((label(&rig.handle.reload().await), rig.queues()), ("applied", (0, 0)));
}

#[tokio::test]
async fn files_that_do_not_stop_changing_are_not_read() {
    let rig = Rig::new("[input]\nqueue = 1\n");
    let path = rig.file();
    let record = {
        let mut reload = std::pin::pin!(rig.handle.reload());
        loop {
            // Emptied again and again, as by a writer that never gets to its end.
            fs::File::create(&path).unwrap();
            let tick = Duration::from_millis(10);
            if let Ok(record) = tokio::time::timeout(tick, &mut reload).await {
                break record;
            }
        }
    };
    assert!(matches!(record.error(), Some(ReloadError::Unsettled { .. })), "{record:?}");
    assert_eq!(rig.queues(), (1, 0));
}
