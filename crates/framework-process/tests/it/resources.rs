//! The resource monitor as a part of an application.

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use framework_app::{App, AppBuilder};
use framework_config::{ConfigHandle, ConfigModule, Sources};
use framework_core::{LoadControl, Need, Priority, ShutdownReason, module_fn};
use framework_process::{
    PressureAction, PressureLevel, ResourceExt, ResourceModule, ResourceMonitor, ResourceReader,
};
use tempfile::TempDir;
use tokio::{sync::mpsc, time::timeout};

/// Longer than anything here takes.
const DEADLINE: Duration = Duration::from_secs(20);

/// A process that says of itself how much memory it has.
struct Process {
    root: TempDir,
}

impl Process {
    fn new(mib: u64) -> Self {
        let process = Self { root: tempfile::tempdir().unwrap() };
        process.hold(mib);
        process
    }

    fn hold(&self, mib: u64) {
        put(self.root.path(), "proc/self/status", &format!("VmRSS:\t{} kB\n", mib * 1024));
    }

    fn module(&self) -> ResourceModule {
        ResourceModule::new().reader(ResourceReader::at(self.root.path()))
    }
}

/// Writes a file so that nobody sees half of it.
fn put(root: &Path, path: &str, text: &str) {
    let (path, new) = (root.join(path), root.join("new"));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&new, text).unwrap();
    fs::rename(&new, &path).unwrap();
}

fn app(set: &[&str], module: ResourceModule) -> AppBuilder {
    let sources = set.iter().fold(Sources::none(), |sources, set| sources.set(*set));
    App::builder("test").modules((ConfigModule::new(sources.load()), module))
}

async fn until(monitor: &ResourceMonitor, level: PressureLevel) {
    let mut changes = monitor.watch();
    let reached = changes.wait_for(|pressure| pressure.memory == level);
    timeout(DEADLINE, reached).await.expect("it gets there in time").unwrap();
}

fn done() -> ShutdownReason {
    ShutdownReason::Requested("done".to_owned())
}

#[tokio::test]
async fn the_configured_limit_counts_and_servers_are_told() {
    let process = Process::new(50);
    let app = app(&["resources.memory_limit=100MiB"], process.module());
    let running = app.build().unwrap().start().await.unwrap();
    let monitor = running.get::<ResourceMonitor>().unwrap();
    let load = running.get::<LoadControl>().unwrap();
    process.hold(96);
    until(&monitor, PressureLevel::Critical).await;
    assert!(load.refuses(Priority::Low) && !load.refuses(Priority::Normal));
    process.hold(100);
    until(&monitor, PressureLevel::Exhausted).await;
    assert!(load.refuses(Priority::Normal));
    running.stop(done()).await.unwrap();
    assert!(!load.refuses(Priority::Low), "what does not watch limits nothing");
}

#[tokio::test]
async fn a_limit_that_is_changed_holds_without_a_restart() {
    let process = Process::new(50);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("app.toml");
    let write =
        |limit| fs::write(&file, format!("resources.memory_limit = \"{limit}\"\n")).unwrap();
    write("100MiB");
    let sources = || Sources::none().file(&file);
    let config = ConfigModule::new(sources().load()).loaded_from(sources());
    let app = App::builder("test").modules((config, process.module()));
    let running = app.build().unwrap().start().await.unwrap();
    let monitor = running.get::<ResourceMonitor>().unwrap();
    timeout(DEADLINE, monitor.next_sample()).await.unwrap();
    assert_eq!(monitor.pressure().level(), PressureLevel::Normal);
    write("60MiB");
    let _ = running.get::<ConfigHandle>().unwrap().reload().await;
    until(&monitor, PressureLevel::Elevated).await;
    running.stop(done()).await.unwrap();
}

#[tokio::test]
async fn actions_run_once_when_their_level_is_reached_and_once_afterwards_if_they_ask() {
    let process = Process::new(50);
    let (tell, mut told) = mpsc::unbounded_channel();
    let user = module_fn("user", move |reg| {
        let note = move |name: &'static str, tell: &mpsc::UnboundedSender<_>| {
            let tell = tell.clone();
            PressureAction::on_memory(name, PressureLevel::Elevated, move |cx, change| {
                let _ = tell.send((name, cx.module(), change.reached));
                async { Ok(()) }
            })
        };
        // What these do is nobody else's concern.
        reg.on_memory_pressure("panic", PressureLevel::Elevated, |_cx, _change| async {
            panic!("no cache")
        });
        reg.on_memory_pressure("panic at once", PressureLevel::Elevated, |_cx, _change| {
            if true {
                panic!("no cache at all");
            }
            async { Ok(()) }
        });
        let never = |_cx, _change| std::future::pending();
        let stuck = PressureAction::on_memory("stuck", PressureLevel::Elevated, never);
        reg.contribute(stuck.timeout(Duration::from_millis(50)));
        reg.contribute(note("shrink", &tell));
        reg.contribute(note("shrink and grow", &tell).also_afterwards());
        reg.on_memory_pressure("not yet", PressureLevel::Exhausted, move |_cx, change| {
            let _ = tell.send(("not yet", "", change.reached));
            async { Ok(()) }
        });
    });
    let app = app(&["resources.memory_limit=100MiB"], process.module()).modules(user);
    let running = app.build().unwrap().start().await.unwrap();
    let monitor = running.get::<ResourceMonitor>().unwrap();
    let mut heard = async |many: usize| {
        let mut heard = Vec::new();
        for _ in 0..many {
            heard.push(timeout(DEADLINE, told.recv()).await.expect("it is done in time").unwrap());
        }
        assert!(told.try_recv().is_err(), "and nothing else");
        heard.sort_unstable();
        heard
    };
    process.hold(82);
    until(&monitor, PressureLevel::Elevated).await;
    let first = [("shrink", "user", true), ("shrink and grow", "user", true)];
    assert_eq!(heard(2).await, first);
    process.hold(93);
    until(&monitor, PressureLevel::Severe).await;
    process.hold(10);
    until(&monitor, PressureLevel::Normal).await;
    assert_eq!(heard(1).await, [("shrink and grow", "user", false)]);
    process.hold(90);
    until(&monitor, PressureLevel::High).await;
    assert_eq!(heard(2).await, first, "it is reached anew, past those who failed");
    running.stop(done()).await.unwrap();
}

#[tokio::test]
async fn an_action_has_what_its_module_needs() {
    let process = Process::new(99);
    let cache = Arc::new(Mutex::new(vec![1, 2, 3]));
    let shrunk = Arc::clone(&cache);
    let (tell, mut told) = mpsc::unbounded_channel();
    let user = module_fn("user", move |reg| {
        let cache: Need<Mutex<Vec<i32>>> = reg.provide_value(cache);
        reg.on_memory_pressure("shrink", PressureLevel::Elevated, move |cx, _change| {
            let (cache, tell) = (cx.try_get(&cache), tell.clone());
            async move {
                cache.ok_or("not started")?.lock().map_err(|_| "broken")?.clear();
                tell.send(())?;
                Ok(())
            }
        });
    });
    let app = app(&["resources.memory_limit=100MiB"], process.module()).modules(user);
    let running = app.build().unwrap().start().await.unwrap();
    timeout(DEADLINE, told.recv()).await.expect("it is done in time").unwrap();
    assert!(shrunk.lock().unwrap().is_empty());
    running.stop(done()).await.unwrap();
}

#[test]
fn what_makes_no_sense_is_refused_in_the_plan() {
    for (set, key) in [
        ("resources.memory_limit=0B", "resources.memory_limit"),
        ("resources.memory_limit=512", "resources.memory_limit"),
        ("resources.cpu_limit=0", "resources.cpu_limit"),
        ("resources.cpu_limit=1.5", "resources.cpu_limit"),
        ("resources.cpu_limit=120 %", "resources.cpu_limit"),
        ("resources.cpu_limit=most", "resources.cpu_limit"),
        ("resources.sample_interval=0s", "resources.sample_interval"),
        ("resources.log_interval=1ms", "resources.log_interval"),
    ] {
        let error = app(&[set], ResourceModule::new()).plan().unwrap_err().to_string();
        assert!(error.contains(key), "{set}: {error}");
    }
}

#[test]
fn a_share_is_a_number_or_a_percentage() {
    for set in ["0.9", "90 %", "90%", "1"] {
        let set = format!("resources.cpu_limit={set}");
        assert!(app(&[&set], ResourceModule::new()).plan().is_ok(), "{set}");
    }
}
