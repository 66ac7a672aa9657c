use framework_config::{ConfigError, Loaded, Sources};

use crate::settings::{DbSettings, HttpSettings};

fn toml(text: &str) -> Loaded {
    Sources::none().toml_text("prod.toml", text).load().unwrap()
}

fn http_error(text: &str) -> ConfigError {
    toml(text).section::<HttpSettings>("http").unwrap_err()
}

#[test]
fn all_faults_of_a_section_are_told_at_once() {
    let sources = Sources::standard("app")
        .dir("/nowhere")
        .env([("APP_HTTP__TIMEOUT", "10"), ("APP_HTTP__BODY_LIMIT", "many")])
        .toml_text(
            "config/prod.toml",
            "[http]\nprot = 1\naddr = \"localhost\"\n\n[http.tls]\ncert = 5\nciphers = []\n",
        );
    let error = sources.load().unwrap().section::<HttpSettings>("http").unwrap_err();
    insta::assert_snapshot!(error.to_string(), @r#"
    error[E0402]: 6 problems in the configuration

        http.addr = "localhost"    invalid socket address syntax   config/prod.toml:3:8
        http.body_limit = "many"   not a size                      env APP_HTTP__BODY_LIMIT   write it like "512MiB"
        http.prot                  unknown key                     config/prod.toml:2:1
        http.timeout = "10"        missing unit                    env APP_HTTP__TIMEOUT      write "10s"
        http.tls.cert = 5          must be text                    config/prod.toml:6:8       write "5"
        http.tls.ciphers           unknown key                     config/prod.toml:7:1
    "#);
}

#[test]
fn a_fault_names_what_it_is_compared_with() {
    let sources = Sources::none()
        .toml_text("config/default.toml", "[db.pool]\nmin = 8\n")
        .toml_text("config/prod.toml", "\n[db.pool]\nmax = 5\n");
    let error = sources.load().unwrap().section::<DbSettings>("db").unwrap_err();
    insta::assert_snapshot!(error.to_string(), @r#"
    error[E0402]: 1 problem in the configuration

        db.pool.max = 5   must be >= db.pool.min   config/prod.toml:3:7, config/default.toml:2:7
    "#);
}

#[test]
fn a_value_of_the_wrong_type_is_told_what_it_must_be() {
    let error = toml(
        "[db]\nurl = 5\nlog = \"slwo\"\npool = { min = \"2\", max = -1 }\nreplicas = \"a\"\n\
         aliases = { a = 1, b = true }\n",
    )
    .section::<DbSettings>("db")
    .unwrap_err();
    insta::assert_snapshot!(error.to_string(), @r#"
    error[E0402]: 7 problems in the configuration

        db.aliases.a = 1      must be text                                   prod.toml:6:17   write "1"
        db.aliases.b = true   must be text                                   prod.toml:6:24   write "true"
        db.log = "slwo"       must be one of "quiet", "slow", "everything"   prod.toml:3:7    did you mean "slow"?
        db.pool.max = -1      must be a whole number from 0 to 4294967295    prod.toml:4:27
        db.pool.min = "2"     must be a whole number from 0 to 4294967295    prod.toml:4:16   write 2
        db.replicas = "a"     must be a list                                 prod.toml:5:12   write ["a"]
        db.url = 5            must be text                                   prod.toml:2:7    write "5"
    "#);
}

#[test]
fn a_check_of_the_section_is_told_with_the_place_of_its_key() {
    let error = http_error("[http]\ntimeout = \"0s\"\n");
    insta::assert_snapshot!(error.to_string(), @r#"
    error[E0402]: 1 problem in the configuration

        http.timeout = "0s"   must be longer than nothing   prod.toml:2:11   write "30s"
    "#);
}

#[test]
fn a_key_that_belongs_elsewhere_in_the_section_is_told_where() {
    let error = toml("[db]\nmax = 5\n").section::<DbSettings>("db").unwrap_err();
    insta::assert_snapshot!(error.to_string(), @r#"
    error[E0402]: 1 problem in the configuration

        db.max   unknown key   prod.toml:2:1   did you mean `db.pool.max`?
    "#);
}

#[test]
fn a_default_that_stands_in_for_a_faulty_value_is_not_blamed() {
    // `max` is faulty, so its default of 10 is compared with `min`: nobody wrote that.
    let error =
        toml("[db.pool]\nmin = 50\nmax = \"many\"\n").section::<DbSettings>("db").unwrap_err();
    assert_eq!(error.faults().len(), 1, "{error}");
}

#[test]
fn a_reference_that_cannot_be_followed_is_told_with_the_cure() {
    let error = toml("[db]\nurl = \"${env:DATABASE_URL}\"\npassword = \"${file:/nowhere/pw}\"\n")
        .section::<DbSettings>("db")
        .unwrap_err();
    insta::assert_snapshot!(error.to_string(), @r#"
    error[E0402]: 2 problems in the configuration

        db.password = "${file:/nowhere/pw}"   /nowhere/pw: the file is not there     prod.toml:3:12   mount the file, or correct the path
        db.url = "${env:DATABASE_URL}"        the variable DATABASE_URL is not set   prod.toml:2:7    set it, or write ${env:DATABASE_URL:-default}
    "#);
}

#[test]
fn keys_for_notes_are_never_looked_at() {
    let loaded = toml("[http]\nx-note = \"${env:GONE}\"\n[http.tls]\nx-a = { b = 1 }\n");
    loaded.section::<HttpSettings>("http").unwrap();
}

#[test]
fn a_key_that_starts_like_a_note_is_a_key_where_any_key_is_allowed() {
    let db: DbSettings = toml("[db.aliases]\nx-request-id = \"id\"\n").section("db").unwrap();
    assert_eq!(db.aliases["x-request-id"], "id");
}

#[test]
fn every_source_that_cannot_be_read_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("app.toml"), "[http]\n").unwrap();
    std::fs::write(path("app.json"), "{}").unwrap();
    std::fs::write(path("bad.yaml"), "http: [\n").unwrap();
    std::fs::write(path("big.toml"), " ".repeat((1 << 20) + 1)).unwrap();
    std::fs::write(path("bytes.toml"), [0xff, 0xfe]).unwrap();
    let sources = Sources::standard("app")
        .dir(directory.path())
        .env([("APP_PROFILE", "test")])
        .file(path("bad.yaml"))
        .file(path("gone.toml"))
        .file(path("big.toml"))
        .file(path("bytes.toml"))
        .file(path("odd.ini"))
        .set("http.addr");
    let error = sources.load().unwrap_err();
    let text = error.to_string().replace(directory.path().to_str().unwrap(), "config");
    insta::assert_snapshot!(text, @r#"
    error[E0401]: 7 sources of the configuration cannot be read

        config/app.toml, config/app.json   the same file in several formats          keep one of them
        config/bad.yaml:1:7                         unclosed bracket '['
        config/gone.toml                            the file is not there
        config/big.toml                             larger than 1 MiB
        config/bytes.toml:1:1                       the file is not UTF-8 text
        config/odd.ini                              the format cannot be told from the name   name the file .toml, .yaml or .json
        --set                                                not of the form KEY=VALUE                 write http.addr=0.0.0.0:80
    "#);
}

#[test]
fn a_profile_is_a_name_and_not_a_path() {
    let error = Sources::standard("shop").env([("SHOP_PROFILE", "../etc")]).load().unwrap_err();
    insta::assert_snapshot!(error.to_string(), @r#"
    error[E0401]: a source of the configuration cannot be read

        env SHOP_PROFILE   "../etc" is not the name of a profile   use letters, digits, `-` and `_`
    "#);
}

#[test]
fn a_key_with_too_many_levels_is_refused() {
    let levels = |count: usize, between: &str| vec!["a"; count].join(between);
    let deep = format!("SHOP_{}", levels(65, "__").to_uppercase());
    let sources = Sources::standard("shop").dir("/nowhere").env([(deep, "1")]);
    let error = sources.set(format!("{}=1", levels(65, "."))).load().unwrap_err();
    assert_eq!(error.faults().len(), 2, "{error}");
    let limit = Sources::none().set(format!("{}=1", levels(64, ".")));
    limit.load().unwrap();
}

#[test]
#[cfg(unix)]
fn a_variable_that_is_not_text_is_refused_if_it_is_the_apps() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};

    let bytes = OsStr::from_bytes(&[0xff]);
    let sources = Sources::standard("shop").dir("/nowhere");
    sources.clone().env([("OTHER_A__B", bytes)]).load().unwrap();
    let error = sources.env([("SHOP_A__B", bytes)]).load().unwrap_err();
    assert_eq!(error.faults()[0].to_string(), "env SHOP_A__B   the value is not UTF-8 text");
}
