use std::fs;

use framework_app::{App, AppBuilder};
use framework_cli::{Console, Exit};

fn run(args: &[&str]) -> (Exit, String, String) {
    let app: AppBuilder = App::builder("shop");
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
