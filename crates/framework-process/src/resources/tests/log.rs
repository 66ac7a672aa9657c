use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use framework_config::Config;
use tokio::time::{sleep, timeout};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use super::trees::{PROCESS, put, tree};
use crate::{PressureLevel, ResourceMonitor, ResourceSettings, resources::module::tell};

/// Keeps the levels and messages of what is logged.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<(Level, String)>>>);

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().contains("resources")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        self.0.lock().unwrap().push((*event.metadata().level(), message.0));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[tokio::test(start_paused = true)]
async fn the_log_tells_of_each_change_and_once_an_interval_while_there_is_pressure() {
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(lines.clone());
    let (root, reader) = tree(&[PROCESS]);
    let hold = |mib: u64| {
        let status = format!("VmRSS:\t{} kB\n", mib * 1024);
        put(root.path(), "proc/self/status", status.as_bytes());
    };
    let settings = ResourceSettings {
        memory_limit: Some(framework_config::ByteSize::mib(100)),
        log_interval: Duration::from_secs(30),
        ..ResourceSettings::default()
    };
    let (monitor, limits) = (ResourceMonitor::new(), settings.limits());
    let settings = Config::fixed(settings);
    let until = async |level| {
        let mut changes = monitor.watch();
        let reached = changes.wait_for(|pressure| pressure.memory == level);
        timeout(Duration::from_secs(60), reached).await.unwrap().unwrap();
    };
    let story = async {
        hold(50);
        sleep(Duration::from_secs(100)).await;
        assert_eq!(lines.0.lock().unwrap().len(), 0, "there is nothing to tell");
        hold(82);
        until(PressureLevel::Elevated).await;
        sleep(Duration::from_secs(100)).await;
        hold(50);
        until(PressureLevel::Normal).await;
        sleep(Duration::from_secs(100)).await;
    };
    tokio::select! {
        () = monitor.run(reader, || limits) => {}
        () = tell(&monitor, &settings) => {}
        () = story => {}
    }
    let told = lines.0.lock().unwrap().clone();
    let still = (Level::WARN, "the process is still short".to_owned());
    let expected = [
        (Level::WARN, "the process runs short".to_owned()),
        still.clone(),
        still.clone(),
        still,
        (Level::INFO, "there is enough of everything again".to_owned()),
    ];
    assert_eq!(told, expected);
}
