//! Which source wins, over all of them, against a model of four lines.

use std::{collections::BTreeMap, fs};

use framework_config::{Origin, Settings, Sources};
use proptest::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Any keys.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
struct Any {
    /// Values by name.
    a: BTreeMap<String, u32>,
    /// More of them.
    b: BTreeMap<String, u32>,
    /// One alone.
    c: Option<u32>,
}

impl Settings for Any {}

/// What one source says: dotted keys and values.
type Said = BTreeMap<String, u32>;

fn said() -> impl Strategy<Value = Said> {
    let key = prop_oneof!["a\\.[xyz]", "b\\.[xyz]", Just("c".to_owned())];
    prop::collection::btree_map(key, any::<u32>(), 0..5)
}

fn toml(said: &Said) -> String {
    let line = |(key, value): (&String, &u32)| format!("any.{key} = {value}\n");
    said.iter().map(line).collect()
}

fn json(said: &Said) -> String {
    let mut any = serde_json::json!({});
    for (key, value) in said {
        match key.split_once('.') {
            Some((table, key)) => any[table][key] = (*value).into(),
            None => any[key.as_str()] = (*value).into(),
        }
    }
    serde_json::json!({ "any": any }).to_string()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_all_sources_say_together_is_what_the_strongest_says_of_each_key(
        all in prop::collection::vec(said(), 10),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        // Weakest first, as they are documented.
        let [pattern, included, base, of_profile, text, one, in_two, two, environment, flags] =
            &all[..] else { unreachable!() };
        fs::create_dir(at("conf.d")).unwrap();
        fs::write(at("conf.d/x.toml"), toml(pattern)).unwrap();
        fs::write(at("included.json"), json(included)).unwrap();
        let head = "include = [\"conf.d/*.toml\", \"included.json\"]\n";
        fs::write(at("app.toml"), format!("{head}{}", toml(base))).unwrap();
        fs::write(at("test.yaml"), json(of_profile)).unwrap();
        fs::write(at("one.json"), json(one)).unwrap();
        fs::write(at("in-two.yaml"), json(in_two)).unwrap();
        fs::write(at("two.toml"), format!("include = \"in-two.yaml\"\n{}", toml(two))).unwrap();
        let variable = |key: &String| format!("SHOP_ANY__{}", key.to_uppercase().replace('.', "__"));
        let sources = Sources::standard("shop")
            .dir(directory.path())
            .profile("test")
            .env(environment.iter().map(|(key, value)| (variable(key), value.to_string())))
            .toml_text("text", toml(text))
            .file(at("one.json"))
            .file(at("two.toml"));
        let assign = |sources: Sources, (key, value): (&String, &u32)| sources.set(format!("any.{key}={value}"));
        let sources = flags.iter().fold(sources, assign);
        let found: Any = sources.load().unwrap().section("any").unwrap();

        let mut model = Said::new();
        all.iter().for_each(|said| model.extend(said.clone()));
        let mut expected = Any::default();
        for (key, value) in model {
            match key.split_once('.') {
                Some(("a", key)) => drop(expected.a.insert(key.to_owned(), value)),
                Some((_, key)) => drop(expected.b.insert(key.to_owned(), value)),
                None => expected.c = Some(value),
            }
        }
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn the_origin_of_each_value_is_the_source_that_won() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.toml");
    fs::write(&path, "[any]\nc = 1\n[any.a]\nx = 1\ny = 1\n").unwrap();
    let sources = Sources::standard("shop").dir(directory.path()).env([("SHOP_ANY__A__X", "2")]);
    let mut config = framework_config::LiveConfig::new(sources.set("any.c=3"));
    let _ = config.section::<Any>("any");
    let report = config.load().unwrap().report().unwrap();
    let origin = |key: &str| report.explain(key).unwrap().entry.origin;
    assert_eq!(origin("any.c"), Origin::Argument);
    assert_eq!(origin("any.a.x"), Origin::Variable("SHOP_ANY__A__X".into()));
    assert!(matches!(origin("any.a.y"), Origin::File { line: 5, .. }));
}
