//! Files that include others.

use std::{fs, path::Path, time::Duration};

use framework_config::{Config, ConfigError, LiveConfig, Loaded, ReloadRecord, Sources};
use tokio::{sync::mpsc, task::JoinSet, time::timeout};

use crate::{reload::Limits, settings::DbSettings};

fn write(directory: &Path, name: &str, text: &str) {
    let path = directory.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn load(files: &[(&str, &str)]) -> (tempfile::TempDir, Result<Loaded, ConfigError>) {
    let directory = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, text)| write(directory.path(), name, text));
    let loaded = Sources::none().file(directory.path().join("app.toml")).load();
    (directory, loaded)
}

fn db(files: &[(&str, &str)]) -> DbSettings {
    let (_directory, loaded) = load(files);
    loaded.unwrap().section("db").unwrap()
}

#[test]
fn what_includes_wins_over_what_is_included_and_later_files_over_earlier_ones() {
    let db = db(&[
        ("app.toml", "include = [\"sub/one.yaml\", \"conf.d/*.toml\"]\n[db]\nlog = \"quiet\"\n"),
        ("sub/one.yaml", "include: two.json\ndb: {log: slow, url: one, replicas: [one]}\n"),
        ("sub/two.json", "{\"db\": {\"url\": \"two\", \"pool\": {\"max\": 2}}}"),
        ("conf.d/10.toml", "[db]\nreplicas = [\"ten\"]\n[db.pool]\nmin = 1\n"),
        ("conf.d/20.toml", "[db]\nreplicas = [\"twenty\"]\n"),
        ("conf.d/.hidden.toml", "[db]\nreplicas = [\"hidden\"]\n"),
        ("conf.d/30.toml.bak", "not even TOML"),
    ]);
    assert_eq!((db.url.as_str(), db.replicas), ("one", vec!["twenty".to_owned()]));
    assert_eq!((db.pool.min, db.pool.max), (1, 2));
    assert_eq!(format!("{:?}", db.log), "Quiet");
}

#[test]
fn an_origin_names_the_file_that_was_included() {
    let (directory, loaded) =
        load(&[("app.toml", "include = [\"other.toml\"]\n"), ("other.toml", "[db]\nurll = 1\n")]);
    let error = loaded.unwrap().section::<DbSettings>("db").unwrap_err();
    let other = directory.path().join("other.toml").display().to_string();
    assert_eq!(error.faults()[0].origin(), format!("{other}:2:1"));
}

fn fault(files: &[(&str, &str)]) -> String {
    let (directory, loaded) = load(files);
    let error = loaded.unwrap_err().to_string();
    error.replace(&format!("{}/", directory.path().display()), "")
}

#[test]
fn what_cannot_be_included_is_told_with_the_place_that_wants_it() {
    let gone = fault(&[("app.toml", "# x\ninclude = [\"gone.toml\"]\n")]);
    assert!(
        gone.contains("app.toml:2:12") && gone.contains("`gone.toml`: the file is not"),
        "{gone}"
    );
    let loops = fault(&[
        ("app.toml", "include = [\"b.toml\"]\n"),
        ("b.toml", "include = [\"c.toml\"]\n"),
        ("c.toml", "include = [\"./b.toml\"]\n"),
    ]);
    assert!(loops.contains("c.toml:1:12") && loops.contains("includes itself"), "{loops}");
    let own = fault(&[("app.toml", "include = \"app.toml\"\n")]);
    assert!(own.contains("app.toml:1:11") && own.contains("includes itself"), "{own}");
    let odd = fault(&[("app.toml", "include = [1]\n")]);
    assert!(odd.contains("app.toml:1:12") && odd.contains("must be a list of paths"), "{odd}");
    let wide = fault(&[("app.toml", "include = [\"*/a.toml\"]\n")]);
    assert!(wide.contains("only the name of the file may be a pattern"), "{wide}");
    let ini = fault(&[("app.toml", "include = [\"a.ini\"]\n"), ("a.ini", "")]);
    assert!(ini.contains("the format cannot be told"), "{ini}");
    let text = Sources::none().toml_text("app.toml", "include = [\"a.toml\"]").load().unwrap_err();
    assert!(text.to_string().contains("only a file can include others"), "{text}");
}

#[test]
fn all_that_cannot_be_included_is_told_at_once() {
    let all = fault(&[("app.toml", "include = [\"a.toml\", \"b.toml\", 3]\n")]);
    assert!(all.contains("3 sources"), "{all}");
}

#[test]
fn at_most_32_files_are_included() {
    let names: Vec<String> = (0..33).map(|n| format!("conf.d/{n:02}.toml")).collect();
    let mut files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
    files.push(("app.toml", "\ninclude = [\"conf.d/*.toml\"]"));
    let error = fault(&files);
    assert!(error.contains("app.toml:2:12   more than 32 files are included"), "{error}");
    files.remove(0);
    assert!(load(&files).1.is_ok());
}

#[test]
#[should_panic(expected = "`include` is what files begin with")]
fn a_section_cannot_have_the_name_of_the_key() {
    use framework_config::ConfigExt as _;

    let module = framework_core::module_fn("odd", |reg| drop(reg.config::<DbSettings>("include")));
    framework_core::Declarations::default()
        .register(framework_core::BoxModule::new(module))
        .unwrap();
}

struct Rig {
    limits: Config<Limits>,
    told: mpsc::UnboundedReceiver<&'static str>,
    _running: JoinSet<()>,
}

impl Rig {
    fn new(directory: &Path) -> Self {
        let sources = Sources::standard("shop").dir(directory).env([("A", "")]);
        let mut config = LiveConfig::new(sources);
        let limits = config.section::<Limits>("limits");
        let handle = config.load().unwrap();
        let (tell, told) = mpsc::unbounded_channel();
        handle.observe(move |record: &ReloadRecord| {
            let _ = tell.send(record.outcome.label());
        });
        let mut running = JoinSet::new();
        running.spawn(async move { handle.run_reloads(Some(Duration::from_millis(100))).await });
        Self { limits, told, _running: running }
    }

    async fn becomes(&mut self, queue: u32) {
        while self.limits.get().queue != queue {
            timeout(Duration::from_secs(20), self.told.recv()).await.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn files_that_are_included_are_followed_also_new_ones_and_those_that_were_missing() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str, text: &str| write(directory.path(), name, text);
    at("app.toml", "include = [\"other.toml\", \"conf.d/*.toml\"]\n");
    at("other.toml", "[limits]\nqueue = 1\n");
    at("conf.d/readme", "");
    let mut rig = Rig::new(directory.path());
    assert_eq!(rig.limits.get().queue, 1);
    at("other.toml", "[limits]\nqueue = 2\n");
    rig.becomes(2).await;
    at("conf.d/new.toml", "[limits]\nqueue = 3\n");
    rig.becomes(3).await;
    at("app.toml", "include = [\"conf.d/*.toml\", \"late.toml\"]\n");
    while timeout(Duration::from_secs(20), rig.told.recv()).await.unwrap() != Some("invalid") {}
    at("late.toml", "[limits]\nqueue = 4\n");
    rig.becomes(4).await;
}

#[test]
fn a_text_can_stand_in_for_a_file_that_is_not_written_yet() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.toml");
    let sources = Sources::none().file(&path).instead_of(&path, "[db]\nurl = \"new\"\n");
    let db: DbSettings = sources.load().unwrap().section("db").unwrap();
    assert_eq!(db.url, "new");
}
