//! What was good last is kept for a start on which the files are broken.

use std::{fs, path::Path, time::Duration};

use framework_config::{ConfigHandle, ConfigModule, ConfigSettings, LiveConfig, Settings, Sources};
use tokio::time::sleep;

use crate::{
    module::plan,
    settings::{DbSettings, HttpSettings},
};

const GOOD: &str = "include = [\"other.toml\"]\n[db]\npassword = \"${env:TOKEN}\"\n";
const OTHER: &str = "# kept as it is\n[db]\nurl = \"first\"\n";

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.write("app.toml", GOOD);
        place.write("other.toml", OTHER);
        place
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).unwrap();
    }

    fn sources(&self) -> Sources {
        let state = self.0.path().join("state");
        Sources::standard("shop")
            .dir(self.0.path())
            .env([("TOKEN", "c4n4ry")])
            .set(format!("config.state_dir={}", state.display()))
            .set("config.confirm=1s")
    }

    fn kept(&self) -> std::path::PathBuf {
        self.0.path().join("state/last-good-local.json")
    }

    /// Runs until a change has held.
    async fn run(&self) {
        let mut config = LiveConfig::new(self.sources().last_good(false));
        let _ = (config.section::<DbSettings>("db"), config.section::<HttpSettings>("http"));
        let _ = config.section::<ConfigSettings>("config");
        let handle = config.load().unwrap();
        self.write(
            "other.toml",
            &format!("{}pool = {{ max = 7 }}\n", OTHER.replace("first", "second")),
        );
        let changed = async {
            assert!(handle.reload().await.is_applied());
            sleep(Duration::from_secs(5)).await;
        };
        tokio::select! {
            () = changed => {}
            () = handle.run_reloads(None) => {}
        }
    }

    fn plan(&self, sources: Sources) -> (Vec<String>, ConfigHandle) {
        let (issues, handle, _) = plan(ConfigModule::from(sources), claims());
        (issues, handle)
    }
}

fn claims() -> impl framework_core::Modules {
    crate::module::claims()
}

fn url(handle: &ConfigHandle) -> String {
    let report = handle.report().unwrap();
    let entry = report.entries().find(|entry| entry.key == "db.url").unwrap();
    format!("{} {}", entry.value, entry.origin)
}

#[tokio::test(start_paused = true)]
async fn what_has_held_is_kept_with_its_references_and_for_its_owner_only() {
    let place = Place::new();
    place.run().await;
    let kept = fs::read_to_string(place.kept()).unwrap();
    assert!(kept.contains("${env:TOKEN}") && kept.contains("second"), "{kept}");
    assert!(!kept.contains("c4n4ry"), "{kept}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&place.kept()), mode(place.kept().parent().unwrap())), (0o600, 0o700));
    }
}

#[tokio::test(start_paused = true)]
async fn broken_files_are_refused_with_the_way_out_and_pass_where_that_is_wanted() {
    let place = Place::new();
    place.run().await;
    for broken in ["[db\n", "[db]\nurll = 1\n", "include = [\"gone.toml\"]"] {
        place.write("app.toml", broken);
        let (issues, handle) = place.plan(place.sources());
        assert_eq!(issues.len(), 1, "{issues:?}");
        assert!(
            issues[0].contains("start with it by `--last-good`, or SHOP_CONFIG__BOOT=last_good"),
            "{}",
            issues[0]
        );
        assert!(handle.snapshot().is_none());

        for sources in
            [place.sources().last_good(true), place.sources().set("config.boot=last_good")]
        {
            let (issues, handle) = place.plan(sources);
            assert_eq!(issues, [] as [String; 0]);
            let file = place.0.path().join("other.toml");
            assert_eq!(url(&handle), format!("\"second\" last good {}:3:7", file.display()));
            let last_good = handle.last_good().unwrap();
            assert!(!last_good.reason.faults().is_empty());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn files_that_are_mended_take_the_place_of_what_was_good_last() {
    let place = Place::new();
    place.run().await;
    place.write("app.toml", "[db\n");
    let (issues, handle) = place.plan(place.sources().last_good(true));
    assert_eq!(issues, [] as [String; 0]);
    assert_eq!(handle.reload().await.outcome.label(), "invalid");
    assert!(handle.last_good().is_some());
    place.write("app.toml", "[db]\nurl = \"mended\"\n");
    assert!(handle.reload().await.is_applied());
    assert!(handle.last_good().is_none());
    assert!(url(&handle).contains("mended"));
}

#[tokio::test(start_paused = true)]
async fn files_that_are_good_are_used_whatever_is_kept() {
    let place = Place::new();
    place.run().await;
    place.write("other.toml", "[db]\nurl = \"third\"\n");
    let (issues, handle) = place.plan(place.sources().last_good(true));
    assert_eq!(issues, [] as [String; 0]);
    assert!(url(&handle).contains("third") && handle.last_good().is_none());
}

#[tokio::test(start_paused = true)]
async fn files_with_secrets_in_them_are_not_copied() {
    for secret in [
        "password = \"in the clear\"",
        "url = \"pg://u:hunter2@db\"",
        "password = \"${env:X:-hunter2}\"",
    ] {
        let place = Place::new();
        place.write("app.toml", &format!("include = [\"other.toml\"]\n[db]\n{secret}\n"));
        place.run().await;
        assert!(!place.kept().exists(), "{secret}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_kept_of_another_application_state_is_not_believed() {
    let place = Place::new();
    place.run().await;
    place.write("app.toml", "[db\n");
    for text in ["", "{", "{\"form\": 2}", "\0"] {
        fs::write(place.kept(), text).unwrap();
        let (issues, _) = place.plan(place.sources().last_good(true));
        assert!(
            issues[0].starts_with("error[E0401]") && !issues[0].contains("--last-good"),
            "{}",
            issues[0]
        );
    }
}

/// A section that has changed since.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default)]
struct Other {
    other: u32,
}

impl Settings for Other {}

#[tokio::test(start_paused = true)]
async fn what_was_good_for_another_version_is_refused_with_what_is_wrong_in_it() {
    let place = Place::new();
    place.run().await;
    place.write("app.toml", "[db\n");
    let claim = framework_core::module_fn("data", |reg| {
        framework_config::ConfigExt::config::<Other>(reg, "db");
    });
    let sources = place.sources().last_good(true);
    let (issues, ..) = plan(ConfigModule::from(sources), claim);
    assert!(issues[0].contains("last good: db.url   unknown key"), "{}", issues[0]);
}
