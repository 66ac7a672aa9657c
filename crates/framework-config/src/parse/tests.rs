use proptest::prelude::*;

use super::*;
use crate::key_path::KeyPath;

const TOML: &str = "\
# a comment
[http]
addr = \"[::]:80\"
tls = { port = 443, names = [\"a\", \"ü\"] }

[[http.routes]]
path = '/x'
";

const YAML: &str = "\
# a comment
http:
  addr: \"[::]:80\"
  tls:
    port: 443
    names: [a, ü]
  routes:
    - path: /x
";

const JSON: &str = r#"{
  "http": {
    "addr": "[::]:80",
    "tls": { "port": 443, "names": ["a", "ü"] },
    "routes": [ { "path": "/x" } ]
  }
}"#;

fn place(format: Format, text: &str, key: &str) -> (String, String) {
    let root = parse(format, "f", text).unwrap();
    let node = root.at(&KeyPath::dotted(key)).unwrap();
    (node.place().to_string(), node.origin.to_string())
}

#[test]
fn keys_and_values_know_their_line_and_column() {
    let at = |key: &str, value: &str| (format!("f:{key}"), format!("f:{value}"));
    for (format, text, addr, port) in [
        (Format::Toml, TOML, at("3:1", "3:8"), at("4:9", "4:16")),
        (Format::Yaml, YAML, at("3:3", "3:9"), at("5:5", "5:11")),
        (Format::Json, JSON, at("3:5", "3:13"), at("4:14", "4:22")),
    ] {
        assert_eq!(place(format, text, "http.addr"), addr, "{format:?}");
        assert_eq!(place(format, text, "http.tls.port"), port, "{format:?}");
    }
}

#[test]
fn columns_count_characters_and_not_bytes() {
    let (_, value) = place(Format::Toml, "a = { \"ü\" = \"ü\", b = 1 }", "a.b");
    assert_eq!(value, "f:1:22");
}

#[test]
fn the_three_formats_say_the_same() {
    let [toml, yaml, json] = [(Format::Toml, TOML), (Format::Yaml, YAML), (Format::Json, JSON)]
        .map(|(format, text)| plain(&parse(format, "f", text).unwrap()));
    assert_eq!(toml, yaml);
    assert_eq!(toml, json);
}

fn plain(node: &Node) -> serde_json::Value {
    match &node.content {
        Content::Bool(flag) => (*flag).into(),
        Content::Int(number) => serde_json::Value::from(i64::try_from(*number).unwrap()),
        Content::Float(number) => (*number).into(),
        Content::Text(text) => text.as_str().into(),
        Content::List(items) => items.iter().map(plain).collect(),
        Content::Table(table) => {
            table.iter().map(|(key, value)| (key.clone(), plain(value))).collect()
        }
        _ => serde_json::Value::Null,
    }
}

fn fault(format: Format, text: &str) -> String {
    parse(format, "f", text).unwrap_err().to_string()
}

#[test]
fn a_mistake_in_the_syntax_is_found_at_its_place() {
    assert_eq!(fault(Format::Toml, "[http]\naddr = 127.0.0.1:8080\n"), "f:2:13   invalid float",);
    assert_eq!(fault(Format::Json, "{\n  \"a\": 1,\n}"), "f:3:1   key must be a string");
    assert_eq!(fault(Format::Json, "{ \"a\": "), "f:1:7   the file ends too early");
    assert_eq!(fault(Format::Yaml, "a: 1\nb: [1\n"), "f:2:4   unclosed bracket '['");
    assert_eq!(
        fault(Format::Yaml, "a: 1\n\tb: [1]\n"),
        "f:1:4   while scanning a plain scalar, found a tab"
    );
    assert_eq!(fault(Format::Yaml, "a: 1\na: 2\n"), "f:2:1   duplicate mapping key: a");
}

#[test]
fn a_key_that_comes_twice_is_refused_in_every_format() {
    for (format, text) in [
        (Format::Toml, "a = 1\na = 2\n"),
        (Format::Yaml, "a: 1\na: 2\n"),
        (Format::Json, "{\"a\": 1, \"a\": 2}"),
    ] {
        assert!(parse(format, "f", text).is_err(), "{format:?}");
    }
}

#[test]
fn a_file_without_values_is_an_empty_table() {
    for (format, text) in [(Format::Toml, ""), (Format::Yaml, "# nothing\n"), (Format::Json, "{}")]
    {
        assert!(parse(format, "f", text).unwrap().table().unwrap().is_empty(), "{format:?}");
    }
}

#[test]
fn what_is_nested_too_deep_is_refused_in_every_format() {
    let deep = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    for (format, prefix, suffix) in
        [(Format::Toml, "a = ", ""), (Format::Yaml, "a: ", ""), (Format::Json, "{\"a\": ", "}")]
    {
        let text = |levels| format!("{prefix}{}{suffix}", deep(levels));
        assert!(parse(format, "f", &text(MAX_DEPTH - 1)).is_ok(), "{format:?}");
        assert!(fault(format, &text(MAX_DEPTH)).contains("nested deeper"), "{format:?}");
        assert!(fault(format, &text(10_000)).contains("nested deeper"), "{format:?}");
    }
}

#[test]
fn a_file_must_hold_sections() {
    assert!(fault(Format::Json, "[1]").contains("must hold a table of sections"));
    assert!(fault(Format::Yaml, "just words").contains("must hold a table of sections"));
}

proptest! {
    #[test]
    fn no_text_makes_the_parsers_panic(text in "[\\[\\]{}:,\"'a1 \n\t=#&*-]{0,60}") {
        for format in [Format::Toml, Format::Yaml, Format::Json] {
            let _ = parse(format, "f", &text);
        }
    }
}
