use serde_json::Value;

use crate::process::{Place, run};

#[test]
fn a_check_of_a_sound_application_says_so() {
    let ended = run(&["check"]);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    let (text, hash) = ended.out.trim_end().split_once("plan hash ").unwrap();
    assert_eq!(text, "ok: 8 modules, ");
    assert!(hash.len() == 16 && hash.chars().all(|c| c.is_ascii_hexdigit()), "{hash}");
    assert_eq!(run(&["check"]).out, ended.out, "the same modules give the same plan");
}

#[test]
fn a_wrong_key_is_told_with_its_place_and_its_cure() {
    let place = Place::new().file("config/app.toml", "[http]\nadr = \"127.0.0.1:80\"\n");
    let message = "\
error[E0402]: 1 problem in the configuration

    http.adr   unknown key   config/app.toml:2:1   did you mean `http.addr`?

  x http.adr: unknown key
   ,-[config/app.toml:2:1]
 1 | [http]
 2 | adr = ***
   : ^|^
   :  `-- here
   `----
  help: did you mean `http.addr`?

1 problem
for more about one of them: hello explain E0402
";
    let checked = place.run(&["check"]);
    assert_eq!((checked.code, checked.out.as_str()), (Some(78), message));
    let served = place.run(&["serve"]);
    assert_eq!((served.code, served.err.as_str()), (Some(78), message));
}

#[test]
fn a_check_can_be_read_by_programs() {
    let ended = run(&["check", "--json", "--set", "http.adr=1", "--set", "admin.addr=0.0.0.0:1"]);
    assert_eq!(ended.code, Some(78));
    let checked: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(checked["ok"], false);
    assert_eq!(checked["problems"][0]["code"], "E0402");

    let ended = run(&["check", "--json", "--set", "admin.addr=0.0.0.0:1"]);
    let checked: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(checked["problems"][0]["code"], "E0701");
    assert!(checked["problems"][0]["help"][0].as_str().unwrap().contains("admin.token"));
}

#[test]
fn the_graph_can_be_had_in_every_form() {
    let graph = |format: &str| {
        let ended = run(&["graph", "--format", format]);
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        ended.out
    };
    assert_eq!(run(&["graph"]).out, graph("text"));
    assert!(graph("text").contains("\ngreeting\n"));
    assert!(graph("mermaid").starts_with("flowchart"), "{}", graph("mermaid"));
    assert!(graph("dot").starts_with("digraph"), "{}", graph("dot"));
    let json: Value = serde_json::from_str(&graph("json")).unwrap();
    assert_eq!(json["modules"].as_array().unwrap().len(), 8);
    assert!(graph("svg").starts_with("<svg"));
    assert_eq!(run(&["graph", "--format", "png"]).code, Some(64));
}

#[test]
fn the_configuration_shows_what_set_each_value() {
    let place = Place::new()
        .file("config/app.toml", "[http]\nrequest_timeout = \"7s\"\n")
        .file("config/prod.yaml", "shutdown:\n  timeout: 20s\n")
        .file("extra.json", "{\"health\": {\"interval\": \"3s\"}}");
    let sources = ["--profile", "prod", "--config", "extra.json", "--set", "admin.token=s3cret"];
    let shown = place.run(&[&["config", "show", "--origin"][..], &sources].concat());
    assert_eq!(shown.code, Some(0), "{}", shown.err);
    let line = |key: &str| {
        let line = shown.out.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line("request_timeout"), "request_timeout = \"7s\" # config/app.toml:2:19");
    assert_eq!(line("timeout = \"20s\""), "timeout = \"20s\" # config/prod.yaml:2:12");
    assert_eq!(line("interval"), "interval = \"3s\" # extra.json:1:25");
    assert_eq!(line("token"), "token = \"***\" # --set");
    assert_eq!(line("keep_alive"), "keep_alive = \"5s\" # default");
    assert!(shown.out.contains("# env HELLO_HTTP__ADDR"), "{}", shown.out);
    assert!(!shown.out.contains("s3cret"));

    let plain = place.run(&["config", "show"]).out;
    assert!(!plain.contains("# config/app.toml"), "{plain}");
    let json: Value = serde_json::from_str(&place.run(&["config", "show", "--json"]).out).unwrap();
    assert!(json["values"].as_array().unwrap().len() > 10);
}

#[test]
fn a_profile_can_be_named_in_every_way() {
    let place = Place::new()
        .file("config/app.toml", "[app]\nprofile = \"prod\"\n")
        .file("config/prod.toml", "[health]\ninterval = \"3s\"\n")
        .file("config/test.toml", "[health]\ninterval = \"4s\"\n");
    let interval = |args: &[&str]| {
        let shown = place.run(&[&["config", "show"], args].concat()).out;
        shown.lines().find(|line| line.starts_with("interval")).unwrap().to_owned()
    };
    assert_eq!(interval(&[]), "interval = \"3s\"");
    assert_eq!(interval(&["--set", "app.profile=test"]), "interval = \"4s\"");
    assert_eq!(interval(&["--profile", "test"]), "interval = \"4s\"");
    assert_eq!(interval(&["--profile", "local"]), "interval = \"30s\"");
}

#[test]
fn what_may_be_configured_is_known_even_if_what_is_configured_is_wrong() {
    let place = Place::new().file("config/app.toml", "[http\n");
    let schema = place.run(&["config", "schema"]);
    assert_eq!(schema.code, Some(0), "{}", schema.err);
    let schema: Value = serde_json::from_str(&schema.out).unwrap();
    for section in ["admin", "app", "health", "http", "metrics", "shutdown", "telemetry"] {
        assert!(schema["properties"][section].is_object(), "{section}");
    }
    let markdown = place.run(&["config", "reference"]).out;
    assert!(markdown.contains("| `http.addr`"), "{markdown}");
    let shown = place.run(&["config", "show"]);
    assert_eq!(shown.code, Some(78));
    assert!(shown.err.starts_with("error[E0401]"), "{}", shown.err);
}

#[test]
fn the_reference_is_a_file_that_changes_nothing() {
    let reference = run(&["config", "reference", "--format", "toml"]).out;
    let place = Place::new().file("reference.toml", &reference);
    assert_eq!(
        place.run(&["config", "show", "--config", "reference.toml"]).out,
        run(&["config", "show"]).out
    );
}

#[test]
fn every_error_has_a_page_of_its_own() {
    let all = run(&["explain"]).out;
    let ids: Vec<_> = all.lines().map(|line| line.split(' ').next().unwrap()).collect();
    let mut once = ids.clone();
    once.dedup();
    assert_eq!(ids, once, "two errors have one code");
    for id in ["E0103", "E0207", "E0402", "E0501", "E0601", "E0701", "E0801"] {
        assert!(ids.contains(&id), "{id} is missing: {all}");
    }
    for id in ids {
        let page = run(&["explain", id]);
        assert_eq!(page.code, Some(0), "{id}");
        let (title, text) = page.out.split_once("\n\n").unwrap();
        assert!(title.starts_with(&format!("{id}: ")), "{title}");
        assert!(text.len() > 80, "{id} explains nothing: {text}");
    }
}

#[test]
fn an_unknown_code_is_a_mistake_in_the_arguments() {
    let ended = run(&["explain", "E0104x"]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(64), ""));
    assert!(ended.err.starts_with("error: `E0104x` is not the code of an error"), "{}", ended.err);
    assert_eq!(run(&["explain", "e103"]).code, Some(0));
}

#[test]
fn mistakes_in_the_arguments_are_exit_code_64_and_help_is_none() {
    for args in [&["nope"][..], &["--nope"], &["graph", "--format"], &["--debug", "check"]] {
        let ended = run(args);
        assert_eq!(ended.code, Some(64), "{args:?}");
        assert!(ended.err.starts_with("error: "), "{}", ended.err);
    }
    for args in [&["--help"][..], &["serve", "--help"], &["help"], &["--version"]] {
        let ended = run(args);
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{args:?}");
    }
    assert_eq!(run(&["--version"]).out, "hello 0.1.0\n");
}

#[test]
fn completions_are_there_for_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ended = run(&["completions", shell]);
        assert_eq!(ended.code, Some(0), "{shell}");
        assert!(ended.out.contains("hello"), "{shell}");
    }
}

#[test]
fn whoever_closes_the_pipe_early_has_seen_enough() {
    let place = Place::new();
    let mut child = place.command(&["explain"]).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
