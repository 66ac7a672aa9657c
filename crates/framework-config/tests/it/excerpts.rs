//! What is wrong is shown in its file, and no secret is shown with it.

use std::sync::Arc;

use framework_config::{ConfigError, ConfigModule, Excerpt, Sources};
use proptest::prelude::*;

use crate::module::{claims, plan};

const CANARY: &str = "c4n4ry-hunter2";

/// The excerpts of all that is wrong with a file, as an application tells them.
fn excerpts(name: &str, text: &str) -> Vec<Excerpt> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::write(&path, text).unwrap();
    let (issues, handle, _) = plan(ConfigModule::from(Sources::none().file(&path)), claims());
    assert!(!issues.is_empty(), "nothing is wrong with {text}");
    let error = handle.error().unwrap();
    error.faults().iter().filter_map(|fault| fault.excerpt()).cloned().collect()
}

fn culprit(excerpt: &Excerpt) -> String {
    let (start, length) = excerpt.span();
    excerpt.text()[start..start + length].to_owned()
}

#[test]
fn each_fault_is_shown_at_its_place_in_every_format() {
    for (name, text) in [
        ("a.toml", "# first\n[http]\nprot = 1\naddr = \"localhost\"\n"),
        ("a.yaml", "# first\nhttp:\n  prot: 1\n  addr: \"localhost\"\n"),
        ("a.json", "{\n\"http\": {\n \"prot\": 1,\n \"addr\": \"localhost\"\n}}\n"),
    ] {
        let all = excerpts(name, text);
        let shown: Vec<_> = all.iter().map(|it| (it.line(), culprit(it))).collect();
        let prot = if name == "a.json" { "\"prot\"" } else { "prot" };
        let expected = [(4, "\"localhost\"".to_owned()), (3, prot.to_owned())];
        assert_eq!(shown, expected, "{name}");
        assert_eq!(all[0].first_line(), 3, "{name}");
    }
}

#[test]
fn a_mistake_in_the_syntax_is_shown_as_it_stands_where_no_secret_is_near() {
    let all = excerpts("a.toml", "[http]\naddr = 127.0.0.1:8080\n");
    assert_eq!(all[0].text(), "[http]\naddr = 127.0.0.1:8080\n");
    assert_eq!((all[0].line(), all[0].column()), (2, 13));
}

#[test]
fn a_value_that_may_be_a_secret_is_in_no_excerpt() {
    for (name, text) in [
        // Understood, with something wrong in the same line, before it and after it.
        ("a.toml", format!("[db]\npassword = \"{CANARY}\"\nurll = 1\n")),
        ("a.toml", format!("[db]\nurll = 1\npassword = \"{CANARY}\"\n")),
        ("a.toml", format!("db = {{ urll = 1, password = \"{CANARY}\", log = \"x\" }}\n")),
        ("a.toml", format!("[db]\npassword = \"\"\"\n{CANARY}\n{CANARY}\"\"\"\nurll = 1\n")),
        ("a.toml", format!("[db]\npassword = {{ a = \"{CANARY}\" }}\n")),
        ("a.toml", format!("[db]\nurl = [\"pg://u:{CANARY}@db\"]\n")),
        ("a.toml", format!("[db]\nlog = \"pg://u:{CANARY}@db\"\n")),
        // Under a key that nobody knows, which may be that of a secret.
        ("a.toml", format!("[db]\npasword = \"{CANARY}\"\n")),
        ("a.toml", format!("[db.tls]\nkey = \"{CANARY}\"\n")),
        ("a.toml", format!("[dbb]\npassword = \"{CANARY}\"\n")),
        ("a.toml", format!("[db]\n# password = \"{CANARY}\"\nurll = 1\n")),
        ("a.yaml", format!("db:\n  urll: 1\n  password: {CANARY}\n")),
        ("a.yaml", format!("db:\n  password: |\n    {CANARY}\n    {CANARY}\n  urll: 1\n")),
        ("a.yaml", format!("x-a: &a {CANARY}\ndb: {{ urll: 1, password: *a }}\n")),
        ("a.json", format!("{{\"db\": {{\"urll\": 1, \"password\": \"{CANARY}\"}}}}")),
        ("a.json", format!("{{\"db\": {{\"password\": \"{CANARY}\",\n\"urll\": 1}}}}")),
        // Not understood.
        ("a.toml", format!("[db]\npassword = \"{CANARY}\n")),
        ("a.toml", format!("[db]\npassword = {CANARY}\n")),
        ("a.toml", format!("[db]\npassword = \"\"\"\n{CANARY}\n")),
        ("a.toml", format!("[db]\npassword = \"{CANARY}\"\nurl = 1 2\n")),
        ("a.toml", format!("[db]\nurl = 1 2\npassword = \"{CANARY}\"\n")),
        ("a.toml", format!("[db]\npasword = \"{CANARY}\nurl = 1\n")),
        ("a.toml", format!("[http]\ntls.key = \"{CANARY}\n")),
        ("a.toml", format!("db = {{ log = \"slow\", password = \"{CANARY}\n")),
        (
            "a.toml",
            format!("[http]\naddr = 1 2 # {CANARY}\n[http.tls]\nkey = \"{CANARY}\"\n")
                .replace(&format!(" # {CANARY}"), ""),
        ),
        ("a.toml", format!("[db]\npassword =\n\"{CANARY}\"\n")),
        ("a.toml", format!("[db]\npassword\n\"{CANARY}\"\n")),
        ("a.toml", format!("[db]\nlog = 'npassword = \"{CANARY}\"\n")),
        ("a.yaml", format!("db:\n  password: [{CANARY}\n")),
        ("a.yaml", format!("db:\n  password: \"{CANARY}\n  url: 1\n")),
        ("a.yaml", format!("db: {{password: {CANARY}\n")),
        ("a.json", format!("{{\"db\": {{\"password\": \"{CANARY}\"")),
        ("a.json", format!("{{\"db\": {{\"log\": \"slow\", \"password\": \"{CANARY}\" \"x\"")),
        ("a.json", format!("{{\"db\": {{\n\"password\"\n: \"{CANARY}\" 1\n")),
    ] {
        let all = excerpts(name, &text);
        assert!(!all.is_empty(), "{text}");
        for excerpt in all {
            assert!(!excerpt.text().contains("hunter2"), "{text}\n=>\n{}", excerpt.text());
            assert!(!format!("{excerpt:?}").contains("hunter2"), "{text}");
        }
    }
}

fn error_of(text: &str) -> Option<Arc<ConfigError>> {
    let (_, handle, _) =
        plan(ConfigModule::from(Sources::none().toml_text("a.toml", text)), claims());
    handle.error()
}

proptest! {
    #[test]
    fn whatever_is_done_to_a_file_its_secret_is_not_shown(
        at in 0..120_usize, what in "[\\[\\]{}\"'=#\n a]{0,3}", gone in 0..4_usize,
    ) {
        let good = format!("[http]\naddr = \"x\"\n[db]\nlog = 'no'\npassword = \"{CANARY}\"\nurl = 1\npool = {{ min = 'a' }}\n");
        let at = at.min(good.len());
        let mut text = good.clone();
        text.replace_range(at..(at + gone).min(good.len()), &what);
        // What was broken itself is no secret any more.
        let broken = !text.contains(CANARY);
        if let Some(error) = error_of(&text).filter(|_| !broken) {
            for fault in error.faults() {
                let shown = fault.excerpt().map(Excerpt::text).unwrap_or_default();
                prop_assert!(!shown.contains(CANARY), "{text}\n=>\n{shown}");
            }
        }
    }
}
