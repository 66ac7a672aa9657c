//! Nothing that is shown, and nothing that is logged, ever holds a secret.

use framework_config::{ConfigModule, Sources};

use crate::{
    module::{claims, plan},
    settings::{DbSettings, HttpSettings},
};

const CANARY: &str = "c4n4ry-hunter2";

fn assert_silent(what: &str, text: &str) {
    assert!(!text.contains(CANARY), "{what} gives the secret away:\n{text}");
}

fn sources() -> Sources {
    Sources::standard("shop").dir("/nowhere").env([("TOKEN", CANARY), ("OTHER", "x")]).toml_text(
        "app.toml",
        format!(
            "[http.tls]\nkey = \"{CANARY}\"\n[db]\nurl = \"pg://u:${{env:TOKEN}}@db\"\n\
             password = \"${{env:TOKEN}}\"\nreplicas = [\"a\", \"${{env:TOKEN}}\"]\n\
             aliases = {{ a = \"${{env:TOKEN}}\" }}\n"
        ),
    )
}

#[test]
fn a_secret_is_in_no_view_of_a_good_configuration() {
    let loaded = sources().load().unwrap();
    assert_silent("Sources", &format!("{:#?}", loaded.sources()));
    assert_silent("Loaded", &format!("{loaded:#?}"));
    let (issues, handle, _) = plan(ConfigModule::new(Ok(loaded)), claims());
    assert_eq!(issues, [] as [String; 0]);
    let report = handle.report().unwrap();
    assert_silent("ConfigReport", &format!("{report:?}"));
    for (what, text) in [
        ("show", report.show(false)),
        ("show with origins", report.show(true)),
        ("JSON", report.to_json().to_string()),
        ("schema", report.schema().to_string()),
        ("reference", report.reference_toml()),
        ("Markdown", report.reference_markdown()),
    ] {
        assert_silent(what, &text);
    }
    let shown = report.show(false);
    assert!(shown.contains("url = \"pg://u:${env:TOKEN}@db\""), "{shown}");
    assert!(shown.contains("key = \"***\""), "{shown}");
    assert!(shown.contains("replicas = [\"a\", \"${env:TOKEN}\"]"), "{shown}");
}

#[test]
fn a_secret_is_in_no_error() {
    for (key, value) in [
        ("http.addr", "${env:TOKEN}"),
        ("http.timeout", "${env:TOKEN}"),
        ("http.body_limit", "${env:TOKEN}"),
        ("http.tls", CANARY),
        ("http.tls.key", "[c4n4ry-hunter2]"),
        ("db.log", "${env:TOKEN}"),
        ("db.pool", "${env:TOKEN}"),
        ("db.pool.max", "${env:TOKEN}"),
        ("db.password", "{ a = \"c4n4ry-hunter2\" }"),
        ("db.replicas", "${env:TOKEN}"),
    ] {
        let loaded = sources().set(format!("{key}={value}")).load().unwrap();
        let (issues, ..) = plan(ConfigModule::new(Ok(loaded)), claims());
        assert_silent(key, &issues.join("\n"));
    }
    let error = Sources::none().set(CANARY).load().unwrap_err();
    assert_silent("--set without a key", &format!("{error} {error:?}"));
}

#[test]
fn a_resolved_value_is_silent_under_whatever_key_its_type_keeps_it() {
    use framework_config::Settings;
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    #[derive(Default, Serialize, Deserialize, JsonSchema)]
    #[serde(default)]
    struct Renaming {
        #[serde(alias = "dsn")]
        url: String,
    }
    impl Settings for Renaming {}

    let loaded =
        Sources::none().env([("TOKEN", CANARY)]).set("db.dsn=pg://${env:TOKEN}").load().unwrap();
    let claim = framework_core::module_fn("renaming", |reg| {
        framework_config::ConfigExt::config::<Renaming>(reg, "db");
    });
    let (issues, handle, _) = plan(ConfigModule::new(Ok(loaded)), claim);
    assert_eq!(issues, [] as [String; 0]);
    assert_silent("show", &handle.report().unwrap().show(true));
}

#[test]
fn typed_settings_with_a_secret_can_be_printed() {
    let loaded = sources().load().unwrap();
    let http: HttpSettings = loaded.section("http").unwrap();
    assert_silent("HttpSettings", &format!("{http:?}"));
    let db: DbSettings = loaded.section("db").unwrap();
    assert_silent("the password", &format!("{:?}", db.password));
}

#[test]
fn the_password_in_an_address_is_in_no_view_and_no_fault() {
    let address = format!("pg://u:{CANARY}@db");
    let good = Sources::none().toml_text("app.toml", format!("[db]\nurl = \"{address}\""));
    let (issues, handle, _) = plan(ConfigModule::from(good), claims());
    assert_eq!(issues, [] as [String; 0]);
    let report = handle.report().unwrap();
    assert_silent("show", &report.show(true));
    assert_silent("JSON", &report.to_json().to_string());
    assert!(report.show(false).contains("url = \"pg://u:***@db\""), "{}", report.show(false));

    // Where a number belongs.
    let bad = Sources::none().set(format!("http.body_limit={address}"));
    let (issues, ..) = plan(ConfigModule::from(bad), claims());
    assert_silent("a fault", &issues.join("\n"));
    assert!(issues.join("\n").contains("pg://u:***@db"), "{issues:?}");
}
