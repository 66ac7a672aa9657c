use std::{fs, path::Path};

use framework_config::Sources;

use crate::settings::{DbSettings, HttpSettings};

/// A directory with a file for each of the formats, and one profile.
fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    write(
        "app.toml",
        "[db]\nurl = \"app\"\n[db.pool]\nmin = 2\nmax = 20\n[http]\ntimeout = \"1s\"\n",
    );
    write("prod.yaml", "db:\n  url: prod\n  pool: { min: 3 }\n");
    write("extra.json", "{ \"db\": { \"url\": \"extra\" } }");
    directory
}

fn standard(directory: &Path) -> Sources {
    Sources::standard("my-shop").dir(directory).env([("UNRELATED", "1")])
}

fn db(sources: &Sources) -> DbSettings {
    sources.load().unwrap().section("db").unwrap()
}

#[test]
fn a_stronger_source_wins_key_by_key() {
    let directory = directory();
    let base = standard(directory.path());
    assert_eq!(db(&base).url, "app");
    let prod = base.profile("prod");
    let settings = db(&prod);
    assert_eq!((settings.url.as_str(), settings.pool.min, settings.pool.max), ("prod", 3, 20));
    let extra = prod.file(directory.path().join("extra.json"));
    assert_eq!(db(&extra).url, "extra");
    let variable = extra.env([("MY_SHOP_DB__URL", "env"), ("MY_SHOP_DB__POOL__MAX", "30")]);
    let settings = db(&variable);
    assert_eq!((settings.url.as_str(), settings.pool.max), ("env", 30));
    assert_eq!(db(&variable.set("db.url=set")).url, "set");
}

#[test]
fn what_no_source_sets_has_its_default() {
    let settings: DbSettings = Sources::none().load().unwrap().section("db").unwrap();
    assert_eq!(settings, DbSettings::default());
}

#[test]
fn the_profile_is_named_by_the_caller_then_by_the_variable_then_local() {
    let directory = directory();
    let sources = standard(directory.path());
    let profile = |sources: &Sources| sources.load().unwrap().profile().to_owned();
    assert_eq!(profile(&sources), "local");
    let variable = sources.env([("MY_SHOP_PROFILE", "prod")]);
    assert_eq!(profile(&variable), "prod");
    assert_eq!(db(&variable).url, "prod");
    assert_eq!(profile(&variable.profile("test")), "test");
}

#[test]
fn the_sources_may_name_the_profile_themselves() {
    let directory = directory();
    let sources = standard(directory.path()).toml_text("more.toml", "[app]\nprofile = \"prod\"");
    assert_eq!(sources.load().unwrap().profile(), "prod");
    assert_eq!(db(&sources).url, "prod", "the profile's file is read");
    let named = |sources: Sources| sources.load().unwrap().profile().to_owned();
    assert_eq!(named(sources.clone().env([("MY_SHOP_APP__PROFILE", "test")])), "test");
    assert_eq!(named(sources.clone().set("app.profile=ci")), "ci");
    assert_eq!(named(sources.clone().set("app.profile=ci").profile("local")), "local");
    let wrong = sources.set("app.profile=../etc").load().unwrap_err().to_string();
    assert!(wrong.contains("\"../etc\" is not the name of a profile"), "{wrong}");
}

#[test]
fn the_files_that_were_read_are_known() {
    let directory = directory();
    let loaded = standard(directory.path()).profile("prod").load().unwrap();
    let names: Vec<_> = loaded.files().map(|it| it.rsplit('/').next().unwrap()).collect();
    assert_eq!(names, ["app.toml", "prod.yaml"]);
}

#[test]
fn a_port_alone_opens_to_all_interfaces_and_else_keeps_the_host() {
    let http =
        |sources: &Sources| -> HttpSettings { sources.load().unwrap().section("http").unwrap() };
    let port = Sources::standard("shop").dir("/nowhere").env([("PORT", "3000")]);
    assert_eq!(http(&port).addr.to_string(), "0.0.0.0:3000");
    let host = port.clone().toml_text("a.toml", "[http]\naddr = \"127.0.0.2:80\"");
    assert_eq!(http(&host).addr.to_string(), "127.0.0.2:3000");
    let own = port.clone().env([("PORT", "3000"), ("SHOP_HTTP__ADDR", "127.0.0.3:4000")]);
    assert_eq!(http(&own).addr.to_string(), "127.0.0.3:4000");
    assert_eq!(http(&port.set("http.addr=127.0.0.4:5000")).addr.to_string(), "127.0.0.4:5000");
}

#[test]
fn a_conventional_variable_is_no_mistake_where_nobody_has_its_key() {
    let env = [("PORT", "3000"), ("RUST_LOG", "debug")];
    let loaded = Sources::standard("shop").dir("/nowhere").env(env).load().unwrap();
    // `DbSettings` knows no `addr`.
    loaded.section::<DbSettings>("http").unwrap();
}

#[test]
fn references_are_resolved_in_every_source() {
    let directory = tempfile::tempdir().unwrap();
    let secret = directory.path().join("pw");
    fs::write(&secret, "hunter2\n").unwrap();
    let sources = Sources::standard("shop")
        .dir("/nowhere")
        .toml_text(
            "a.toml",
            "[db]\nurl = \"pg://${env:HOST:-local}\"\n[db.pool]\nmax = \"${env:MAX}\"",
        )
        .env([
            ("MAX", "12".to_owned()),
            ("SHOP_DB__PASSWORD", format!("${{file:{}}}", secret.display())),
        ]);
    let settings = db(&sources);
    assert_eq!(settings.url, "pg://local");
    assert_eq!(settings.pool.max, 12);
    assert_eq!(settings.password.unwrap().expose(), "hunter2");
}

#[test]
fn a_numeric_password_stays_text() {
    let sources = Sources::none().set("db.password=0123").set("db.url=1e3");
    let settings = db(&sources);
    assert_eq!(settings.password.unwrap().expose(), "0123");
    assert_eq!(settings.url, "1e3");
}

#[test]
fn lists_and_tables_can_be_set_in_one_line() {
    let sources = Sources::none().set("db.replicas=[a, b]").set("db.pool={ min = 2, max = 4 }");
    let settings = db(&sources);
    assert_eq!(settings.replicas, ["a", "b"]);
    assert_eq!((settings.pool.min, settings.pool.max), (2, 4));
}
