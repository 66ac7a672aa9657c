use std::fs;

use framework_admin::AdminModule;
use framework_app::App;
use framework_config::{ConfigModule, Sources};
use framework_observability::{AppIdentity, ObservabilityModule, Telemetry, TelemetrySettings};

use crate::rig::{Rig, settings};

#[tokio::test]
async fn reloads_are_shown_and_counted_and_the_level_of_the_log_follows() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("own.toml");
    fs::write(&file, "[telemetry.log]\nlevel = \"info\"\n").unwrap();
    let config = ConfigModule::from(Sources::none().file(&file).set("config.watch=false"));
    let handle = config.handle();
    let telemetry = Telemetry::new(&TelemetrySettings::default()).unwrap();
    let level = telemetry.level();
    let observability =
        ObservabilityModule::new(&AppIdentity::new("till")).log_level(level.clone());
    let admin = AdminModule::new().settings(settings());
    let rig = Rig {
        admin: admin.handle(),
        app: App::builder("till")
            .modules((config, observability, admin))
            .build()
            .unwrap()
            .start()
            .await
            .unwrap(),
    };
    let before = rig.json("/debug/config/history").await;
    assert_eq!((&before["generation"], &before["reloads"]), (&1.into(), &serde_json::json!([])));

    fs::write(&file, "[telemetry.log]\nlevel = \"warn\"\n").unwrap();
    assert!(handle.reload().await.is_applied());
    assert_eq!(*level.get().unwrap(), "warn");
    fs::write(&file, "[telemetry.log]\nlevel = \"debug\"\nformat = \"json\"\n").unwrap();
    assert!(handle.reload().await.error().is_some());
    assert_eq!(*level.get().unwrap(), "warn", "what is refused changes nothing");

    let after = rig.json("/debug/config/history").await;
    assert_eq!(after["generation"], 2);
    assert_ne!(after["hash"], before["hash"]);
    let outcomes: Vec<_> = after["reloads"].as_array().unwrap().iter().collect();
    assert_eq!(outcomes[0]["changes"][0]["key"], "telemetry.log.level");
    assert_eq!(outcomes[1]["outcome"], "needs_restart");
    assert!(outcomes[1]["error"].as_str().unwrap().contains("telemetry.log.format"));
    let metrics = rig.get("/metrics").await.body;
    for (outcome, count) in [("applied", 1), ("needs_restart", 1), ("vetoed", 0)] {
        let line = format!("framework_config_reloads_total{{outcome=\"{outcome}\"}} {count}\n");
        assert!(metrics.contains(&line), "{line} in {metrics}");
    }
    rig.stop().await;
}
