use framework_config::{Settings, Sources};
use framework_observability::{HealthSettings, LogFormat, MetricsSettings, TelemetrySettings};

/// What is wrong with a section of this configuration, a line each.
fn faults<T: Settings>(section: &str, toml: &str) -> String {
    let loaded = Sources::none().toml_text("app.toml", toml).load().unwrap();
    loaded.section::<T>(section).map(drop).unwrap_err().to_string()
}

#[test]
fn the_sections_have_the_keys_that_operators_rely_on() {
    let toml = r#"
        [telemetry.log]
        format = "json"
        level = "info,hyper=warn"
        file = "app.log"
        [metrics]
        enabled = false
        update_interval = "10s"
        [health]
        interval = "10s"
        timeout = "500ms"
        fail_after = 1
        pass_after = 1
    "#;
    let loaded = Sources::none().toml_text("app.toml", toml).load().unwrap();
    let telemetry: TelemetrySettings = loaded.section("telemetry").unwrap();
    assert_eq!(telemetry.log.format, LogFormat::Json);
    assert_eq!(telemetry.log.file.unwrap(), std::path::Path::new("app.log"));
    let metrics: MetricsSettings = loaded.section("metrics").unwrap();
    assert_eq!(metrics.update_interval.as_secs(), 10);
    let health: HealthSettings = loaded.section("health").unwrap();
    assert_eq!(health.timeout.as_millis(), 500);
}

#[test]
fn a_mistyped_log_level_is_a_fault_of_the_configuration() {
    let text = faults::<TelemetrySettings>("telemetry", "[telemetry]\nlog.level = \"inof\"");
    assert!(text.contains("telemetry.log.level = \"inof\""), "{text}");
    assert!(text.contains("app.toml:2:1"), "{text}");
    assert!(text.contains("did you mean `info`?"), "{text}");
}

#[test]
fn every_number_out_of_range_is_named() {
    let toml = "[health]\ninterval = \"1ms\"\ntimeout = \"0s\"\nfail_after = 0\npass_after = 0";
    let text = faults::<HealthSettings>("health", toml);
    for key in ["health.interval", "health.timeout", "health.fail_after", "health.pass_after"] {
        assert!(text.contains(key), "{text}");
    }
    let text = faults::<MetricsSettings>("metrics", "[metrics]\nupdate_interval = \"1ms\"");
    assert!(text.contains("metrics.update_interval"), "{text}");
}
