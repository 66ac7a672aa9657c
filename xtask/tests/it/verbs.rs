use std::process::{Command, Output};

pub(crate) fn xtask(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask")).args(args).output().expect("the tool was built")
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("the tool writes text")
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("the tool writes text")
}

#[test]
fn every_verb_is_in_the_help() {
    let output = xtask(&["--help"]);
    assert!(output.status.success());
    for verb in ["ci", "test", "bench", "dev", "layers", "tidy", "new"] {
        let named = stdout(&output).lines().any(|line| line.trim().starts_with(verb));
        assert!(named, "{verb} is not in:\n{}", stdout(&output));
    }
}

#[test]
fn a_pipe_gets_no_colours() {
    let output = xtask(&["tidy"]);
    assert!(!stdout(&output).contains('\u{1b}'), "{}", stdout(&output));
}

#[test]
fn a_step_that_does_not_exist_is_refused_and_the_steps_are_named() {
    let output = xtask(&["ci", "--only", "nonsense"]);
    assert!(!output.status.success());
    assert!(stderr(&output).contains("doc-tests"), "{}", stderr(&output));
}

#[test]
fn a_partial_run_says_what_it_left_out() {
    let output = xtask(&["ci", "--only", "tidy", "--embedded"]);
    let text = stdout(&output);
    assert!(text.contains("--embedded leaves out: schemathesis"), "{text}");
    assert!(text.contains("clippy        left out"), "{text}");
    assert!(text.contains("tests run: 0 (0 tests, 0 doc tests, 0 in the scaffold)"), "{text}");
}

#[test]
fn a_missing_tool_is_named_with_its_cure_before_the_first_step_runs() {
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["ci", "--only", "tidy,deny,features"])
        .env("PATH", "/no/such/directory")
        .env("CARGO_HOME", home.path())
        .output()
        .unwrap();
    assert!(!output.status.success());
    let error = stderr(&output);
    assert!(error.contains("`cargo install --locked cargo-deny cargo-hack`"), "{error}");
    assert!(!stdout(&output).contains("tidy"), "{}", stdout(&output));
}
