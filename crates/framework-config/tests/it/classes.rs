//! Keys that cannot change while the application runs.

use std::fs;

use framework_config::{
    Config, ConfigHandle, ConfigSettings, LiveConfig, ReloadClass, ReloadError, Settings, Sources,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A pool of workers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
struct Pool {
    /// How many there are.
    size: u32,
    /// How long one may take.
    patience: u32,
    /// Where they listen.
    place: Place,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
struct Place {
    /// The address.
    addr: String,
}

impl Settings for Pool {
    fn module_keys() -> &'static [&'static str] {
        &["size"]
    }

    fn restart_keys() -> &'static [&'static str] {
        &["place"]
    }
}

struct Rig {
    directory: tempfile::TempDir,
    handle: ConfigHandle,
    pool: Config<Pool>,
}

impl Rig {
    fn new(policy: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let sources = Sources::none()
            .file(directory.path().join("app.toml"))
            .set(format!("config.on_restart_keys={policy}"));
        fs::write(directory.path().join("app.toml"), "[pool]\nsize = 1\npatience = 1\n").unwrap();
        let mut config = LiveConfig::new(sources);
        let pool = config.section("pool");
        let _ = config.section::<ConfigSettings>("config");
        Self { handle: config.load().unwrap(), directory, pool }
    }

    async fn reload_with(&self, text: &str) -> std::sync::Arc<framework_config::ReloadRecord> {
        fs::write(self.directory.path().join("app.toml"), text).unwrap();
        self.handle.reload().await
    }
}

#[tokio::test]
async fn a_key_of_a_module_is_refused_by_name_and_says_what_it_takes() {
    let rig = Rig::new("refuse");
    let record =
        rig.reload_with("[pool]\nsize = 2\npatience = 2\nplace = { addr = \"x\" }\n").await;
    let Some(ReloadError::NeedsRestart { keys, module_keys }) = record.error() else {
        panic!("{record:?}")
    };
    assert_eq!(
        (&keys[..], &module_keys[..]),
        (&["pool.place.addr".to_owned()][..], &["pool.size".to_owned()][..])
    );
    assert_eq!(
        record.error().unwrap().to_string(),
        "cannot change while the application runs: pool.place.addr, pool.size (read when the \
         module starts; today that takes a restart of the application)"
    );
    assert_eq!(rig.pool.get().patience, 1);
}

#[tokio::test]
async fn where_it_is_so_wanted_the_other_keys_change_and_these_wait() {
    let rig = Rig::new("report");
    let text = "[pool]\nsize = 2\npatience = 2\nplace = { addr = \"x\" }\n";
    let record = rig.reload_with(text).await;
    assert!(record.is_applied(), "{record:?}");
    let waiting: Vec<_> = record.pending.iter().map(|change| change.key.as_str()).collect();
    assert_eq!(waiting, ["pool.place.addr", "pool.size"]);
    let pool = rig.pool.get();
    assert_eq!((pool.size, pool.patience, pool.place.addr.as_str()), (1, 2, ""));

    let report = rig.handle.report().unwrap();
    assert_eq!(report.pending().len(), 2);
    assert_eq!(report.to_json()["pending_restart"][1]["key"], "pool.size");
    let explained = report.explain("pool.size").unwrap();
    assert!(explained.to_string().contains("waits for a start: 2"), "{explained}");
    assert_eq!(explained.entry.value, 1);

    // The same once more is no news; another value that waits is; and back is back.
    assert_eq!(rig.handle.reload().await.outcome.label(), "unchanged");
    let record = rig.reload_with(&text.replace("size = 2", "size = 3")).await;
    assert_eq!((record.outcome.label(), record.generation), ("pending_restart", 2));
    let record = rig.reload_with("[pool]\nsize = 1\npatience = 2\n").await;
    assert_eq!(rig.handle.report().unwrap().pending().len(), 0, "{record:?}");
}

#[test]
fn the_class_of_a_key_is_shown_wherever_keys_are() {
    let rig = Rig::new("refuse");
    let report = rig.handle.report().unwrap();
    let class = |key: &str| report.explain(key).unwrap().class;
    assert_eq!(class("pool.size"), ReloadClass::Module);
    assert_eq!(class("pool.patience"), ReloadClass::Hot);
    assert_eq!(class("pool.place.addr"), ReloadClass::Restart);
    let schema = report.schema();
    let pool = &schema["$defs"]["Pool"]["properties"];
    assert_eq!(pool["size"]["x-reload"], "module", "{schema:#}");
    assert_eq!(pool["patience"]["x-reload"], serde_json::Value::Null);
    assert_eq!(schema["$defs"]["Place"]["properties"]["addr"]["x-reload"], "restart");
    let reference = report.reference_markdown();
    assert!(reference.contains("| `pool.size` | integer | `0` | module |"), "{reference}");
    assert!(report.reference_toml().contains("# Takes effect: module.\nsize = 0"));
}
