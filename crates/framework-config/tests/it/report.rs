use std::sync::Arc;

use framework_config::{ConfigModule, ConfigReport, Origin, Sources};

use crate::module::{claims, plan};

fn report(sources: Sources) -> Arc<ConfigReport> {
    let (issues, handle, _) = plan(ConfigModule::from(sources), claims());
    assert_eq!(issues, [] as [String; 0]);
    handle.report().unwrap()
}

fn shop() -> Sources {
    Sources::standard("shop")
        .dir("/nowhere")
        .toml_text("config/app.toml", "[db]\nreplicas = [\"a\", \"b\"]\n\n[db.pool]\nmax = 20\n")
        .env([("SHOP_HTTP__TIMEOUT", "90s")])
        .set("db.aliases={ \"a.b\" = \"c\" }")
}

#[test]
fn every_value_is_shown_with_what_set_it() {
    insta::assert_snapshot!(report(shop()).show(true), @r#"
    [config]
    boot = "files"                # default
    confirm = "10s"               # default
    on_restart_keys = "refuse"    # default
    poll_interval = "5s"          # default
    # state_dir is not set
    watch = true                  # default

    [db]
    log = "slow"                  # default
    # password is not set
    replicas = ["a", "b"]         # config/app.toml:2:12
    salt = "***"                  # default
    url = "sqlite://data/app.db"  # default

    [db.aliases]
    "a.b" = "c"                   # --set

    [db.pool]
    max = 20                      # config/app.toml:5:7
    min = 1                       # default

    [http]
    addr = "127.0.0.1:8080"       # default
    body_limit = "2MiB"           # default
    timeout = "1m 30s"            # env SHOP_HTTP__TIMEOUT
    # tls is not set
    "#);
}

#[test]
fn what_is_shown_is_toml_that_means_the_same() {
    let first = report(shop());
    let again = Sources::none().toml_text("shown.toml", first.show(false));
    assert_eq!(report(again).show(false), first.show(false));
}

#[test]
fn entries_name_key_value_and_origin() {
    let report = report(shop());
    let entry = report.entries().find(|entry| entry.key == "http.timeout").unwrap();
    assert_eq!(entry.value, "1m 30s");
    assert_eq!(entry.origin, Origin::Variable("SHOP_HTTP__TIMEOUT".into()));
    let json = report.to_json();
    let row =
        json["values"].as_array().unwrap().iter().find(|row| row["key"] == "http.timeout").unwrap();
    assert_eq!(row["origin"], "env SHOP_HTTP__TIMEOUT");
    assert_eq!((report.profile(), report.files().count()), ("local", 1));
}

#[test]
fn the_reference_file_shows_each_key_under_its_comment() {
    insta::assert_snapshot!(report(Sources::standard("shop").dir("/nowhere").env([("A", "")])).reference_toml(), @r#"
    # Every key of shop, with its default.

    # How the configuration itself is treated: section `config`.
    [config]
    # What the application starts with when the files cannot be used.
    # Takes effect: restart.
    boot = "files"
    # How long a configuration is on probation after it has come into force: if a module that it
    # changes something for makes the application unready in that time, the one before comes back.
    # `0s`: never.
    # Takes effect: restart.
    confirm = "10s"
    # What becomes of a change of keys that cannot change while the application runs.
    # Takes effect: restart.
    on_restart_keys = "refuse"
    # How often the files are looked at, beside the events about them, which not every file
    # system sends.
    # Takes effect: restart.
    poll_interval = "5s"
    # Where the files that were good last are kept. Absent: `STATE_DIRECTORY`, as systemd sets it,
    # or the application's directory in `XDG_STATE_HOME`, or in `.state`.
    # Takes effect: restart.
    # state_dir =
    # Whether the files are watched, and read again when they change.
    # Takes effect: restart.
    watch = true

    # Where products are kept.
    [db]
    # Names that stand for others.
    aliases = {}
    # How much is written to the log.
    log = "slow"
    # What the database knows us by.
    # password = "${file:/run/secrets/db_password}"
    # Whom to ask first.
    replicas = []
    # What cursors are signed with.
    # salt = "${file:/run/secrets/db_salt}"
    # The URL, with a password in it as often as not.
    url = "sqlite://data/app.db"

    # How many connections there are.
    [db.pool]
    # The most.
    max = 10
    # The fewest.
    min = 1

    # What the app listens on.
    [http]
    # The address and port.
    addr = "127.0.0.1:8080"
    # The largest body that is read.
    body_limit = "2MiB"
    # How long a request may take.
    timeout = "30s"

    # Certificate and key, for TLS.
    # [http.tls]
    # The file with the certificate.
    # cert =
    # The key itself.
    # key = "${file:/run/secrets/http_key}"
    "#);
}

#[test]
fn the_reference_file_is_valid_and_changes_nothing() {
    let plain = report(Sources::none());
    let with_reference = Sources::none().toml_text("reference.toml", plain.reference_toml());
    assert_eq!(report(with_reference).show(false), plain.show(false));
}

#[test]
fn the_reference_in_markdown_has_a_row_for_each_key() {
    let text =
        report(Sources::standard("shop").dir("/nowhere").env([("A", "")])).reference_markdown();
    insta::assert_snapshot!(text, @r#"
    # Configuration of shop

    ## `config`

    How the configuration itself is treated: section `config`.

    | key | type | default | takes effect | meaning |
    |---|---|---|---|---|
    | `config.boot`<br>`SHOP_CONFIG__BOOT` | one of "files", "last_good" | `"files"` | restart | What the application starts with when the files cannot be used. |
    | `config.confirm`<br>`SHOP_CONFIG__CONFIRM` | string | `"10s"` | restart | How long a configuration is on probation after it has come into force: if a module that it changes something for makes the application unready in that time, the one before comes back. `0s`: never. |
    | `config.on_restart_keys`<br>`SHOP_CONFIG__ON_RESTART_KEYS` | one of "refuse", "report" | `"refuse"` | restart | What becomes of a change of keys that cannot change while the application runs. |
    | `config.poll_interval`<br>`SHOP_CONFIG__POLL_INTERVAL` | string | `"5s"` | restart | How often the files are looked at, beside the events about them, which not every file system sends. |
    | `config.state_dir`<br>`SHOP_CONFIG__STATE_DIR` | string |  | restart | Where the files that were good last are kept. Absent: `STATE_DIRECTORY`, as systemd sets it, or the application's directory in `XDG_STATE_HOME`, or in `.state`. |
    | `config.watch`<br>`SHOP_CONFIG__WATCH` | boolean | `true` | restart | Whether the files are watched, and read again when they change. |

    ## `db`

    Where products are kept.

    | key | type | default | takes effect | meaning |
    |---|---|---|---|---|
    | `db.aliases`<br>`SHOP_DB__ALIASES` | object | `{}` | hot | Names that stand for others. |
    | `db.log`<br>`SHOP_DB__LOG` | one of "quiet", "slow", "everything" | `"slow"` | hot | How much is written to the log. |
    | `db.password`<br>`SHOP_DB__PASSWORD` | string |  | hot | What the database knows us by. |
    | `db.replicas`<br>`SHOP_DB__REPLICAS` | array | `[]` | hot | Whom to ask first. |
    | `db.salt`<br>`SHOP_DB__SALT` | string |  | hot | What cursors are signed with. |
    | `db.url`<br>`SHOP_DB__URL` | string | `"sqlite://data/app.db"` | hot | The URL, with a password in it as often as not. |
    | `db.pool.max`<br>`SHOP_DB__POOL__MAX` | integer | `10` | hot | The most. |
    | `db.pool.min`<br>`SHOP_DB__POOL__MIN` | integer | `1` | hot | The fewest. |

    ## `http`

    What the app listens on.

    | key | type | default | takes effect | meaning |
    |---|---|---|---|---|
    | `http.addr`<br>`SHOP_HTTP__ADDR` | string | `"127.0.0.1:8080"` | hot | The address and port. |
    | `http.body_limit`<br>`SHOP_HTTP__BODY_LIMIT` | string | `"2MiB"` | hot | The largest body that is read. |
    | `http.timeout`<br>`SHOP_HTTP__TIMEOUT` | string | `"30s"` | hot | How long a request may take. |
    | `http.tls.cert`<br>`SHOP_HTTP__TLS__CERT` | string |  | hot | The file with the certificate. |
    | `http.tls.key`<br>`SHOP_HTTP__TLS__KEY` | string |  | hot | The key itself. |
    "#);
}

#[test]
fn the_schema_covers_all_sections_and_marks_secrets() {
    let schema = report(Sources::none()).schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["additionalProperties"], false);
    assert!(!schema.to_string().contains("***"), "a redacted secret is no default: {schema:#}");
    let target = schema["properties"]["db"]["$ref"].as_str().unwrap();
    let db = schema.pointer(target.strip_prefix('#').unwrap()).unwrap();
    assert_eq!(db["description"], "Where products are kept.");
    assert_eq!(db["properties"]["replicas"]["items"]["type"], "string");
    assert_eq!(
        db["properties"]["password"]["writeOnly"], true,
        "{:#}",
        db["properties"]["password"]
    );
}

#[test]
fn a_key_is_explained_with_all_that_it_took_the_place_of() {
    let sources = shop().set("db.pool.max=30").set("db.password=other-secret");
    let report = report(sources);
    let text = report.explain("db.pool.max").unwrap().to_string();
    insta::assert_snapshot!(text, @r#"
    db.pool.max = 30

        set by       --set
        instead of   20   config/app.toml:5:7
                     10   default
        read by      data
        takes effect while the application runs (hot)

        The most.
    "#);
    let secret = report.explain("db.password").unwrap().to_json().to_string();
    assert!(!secret.contains("other-secret"), "{secret}");
    assert!(report.explain("db.pool.maxx").is_none());
    assert_eq!(report.nearest_key("db.pool.maxx"), Some("db.pool.max"));
}
