use std::fs;

use framework_app::{App, AppBuilder};
use framework_cli::{Console, Exit};
use framework_config::{ConfigExt as _, Secret, Settings};
use framework_core::module_fn;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the money is.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
struct BankSettings {
    /// What it knows us by.
    token: Secret<String>,
    /// Where it is.
    url: String,
}

impl Settings for BankSettings {}

fn run(args: &[&str]) -> (Exit, String, String) {
    let app: AppBuilder = App::builder("shop").module(module_fn("bank", |reg| {
        reg.config::<BankSettings>("bank");
    }));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let args = [&["shop", "config"], args].concat();
    let exit = framework_cli::run(app, args, &mut Console::to(&mut out, &mut err));
    (exit, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

#[test]
fn the_value_of_a_key_is_printed_as_it_is() {
    let (exit, out, _) = run(&["get", "shutdown.timeout", "--set", "shutdown.timeout=9s"]);
    assert_eq!((exit, out.as_str()), (Exit::Clean, "9s\n"));
}

#[test]
fn a_key_is_explained() {
    let (exit, out, _) = run(&["explain", "shutdown.timeout", "--set", "shutdown.timeout=9s"]);
    assert_eq!(exit, Exit::Clean);
    for part in
        ["instead of   \"25s\"   default", "read by      app", "when the application starts"]
    {
        assert!(out.contains(part), "{out}");
    }
}

#[test]
fn a_key_that_is_not_there_is_told_which_one_may_be_meant() {
    let (exit, _, err) = run(&["explain", "shutdown.timeuot"]);
    assert_eq!(exit, Exit::Usage);
    assert!(err.contains("did you mean `shutdown.timeout`?"), "{err}");
}

#[test]
fn a_value_is_written_beside_the_comments_if_it_is_right() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("own.toml");
    let text = "[shutdown]\ntimeout = \"9s\" # why\n";
    fs::write(&path, text).unwrap();
    let file = path.to_str().unwrap();
    let (exit, out, _) = run(&["set", "shutdown.timeout=0s", "--config", file]);
    assert_eq!((exit, fs::read_to_string(&path).unwrap().as_str()), (Exit::Invalid, text), "{out}");
    let (exit, out, err) = run(&["set", "shutdown.timeout=1m 30s", "--config", file]);
    assert_eq!(exit, Exit::Clean, "{err}");
    assert_eq!(out, format!("{file}: shutdown.timeout = \"1m 30s\"\n"));
    assert_eq!(fs::read_to_string(&path).unwrap(), text.replace("9s", "1m 30s"));
}

#[test]
fn what_is_no_default_is_saved_beside_the_comments_and_without_secrets() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("own.toml");
    fs::write(&path, "# ours\n[shutdown]\ntimeout = \"9s\" # why\n").unwrap();
    let file = path.to_str().unwrap();
    let (exit, out, err) = run(&[
        "save",
        "--to",
        file,
        "--config",
        file,
        "--set",
        "shutdown.force_after=3s",
        "--set",
        "bank.token=hunter2",
        "--set",
        "bank.url=pg://u:hunter2@db",
    ]);
    assert_eq!(exit, Exit::Clean, "{err}");
    assert_eq!(
        out,
        format!(
            "{file}: shutdown.force_after = \"3s\"\n\
             left out, because they are secrets: bank.token, bank.url\n"
        )
    );
    let saved = fs::read_to_string(&path).unwrap();
    assert_eq!(saved, "# ours\n[shutdown]\ntimeout = \"9s\" # why\nforce_after = \"3s\"\n");
    let (_, out, _) = run(&["save", "--to", file, "--config", file]);
    assert_eq!(out, format!("{file}: there is nothing to save\n"));
}

#[test]
fn a_file_that_the_application_would_not_start_with_is_not_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("own.toml");
    let file = path.to_str().unwrap();
    for text in ["[shutdown]\ntimeuot = \"9s\"\n", "[shutdown]\nlame_duck = \"1m\"\n"] {
        fs::write(&path, text).unwrap();
        for args in [
            &["save", "--to", file, "--set", "shutdown.force_after=3s"][..],
            &["set", "shutdown.force_after=3s", "--file", file],
        ] {
            let (exit, out, err) = run(args);
            assert_eq!((exit, out.as_str()), (Exit::Invalid, ""), "{err}");
            assert!(err.contains("is what it was") && err.contains("own.toml:2:"), "{err}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}

#[test]
fn what_is_wrong_is_drawn_in_its_file_without_colour_in_a_pipe() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("own.toml");
    fs::write(&path, "[bank]\ntoken = \"hunter2\"\nulr = \"x\"\n").unwrap();
    let (exit, _, err) = run(&["show", "--config", path.to_str().unwrap()]);
    assert_eq!(exit, Exit::Invalid);
    for part in ["3 | ulr = ***", "here", "help: did you mean `bank.url`?", "2 | token = ***"] {
        assert!(err.contains(part), "{part} in {err}");
    }
    assert!(!err.contains("hunter2") && !err.contains('\u{1b}'), "{err}");
}
