use std::collections::BTreeSet;

use proptest::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::*;
use crate::parse::{self, Format};

#[derive(Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Outer {
    number: u8,
    flag: bool,
    list: Vec<u8>,
    inner: Inner,
    maybe: Option<i8>,
    pair: (u8, u8),
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Inner {
    text: String,
    number: u16,
}

impl Settings for Outer {}

#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
struct Strict {
    one: u8,
    two: u8,
}

impl Settings for Strict {}

fn bind_json<T: Settings>(value: &Value) -> Bound<T> {
    let node = parse::parse(Format::Json, "f", &value.to_string()).unwrap();
    bind("s", &node, &SectionSchema::of::<T>())
}

fn keys<T>(bound: &Bound<T>) -> BTreeSet<String> {
    bound.faults.iter().map(Fault::key).collect()
}

fn any_value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        any::<i16>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        "[a-z]{0,3}".prop_map(Value::from),
    ];
    scalar.prop_recursive(2, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("number|flag|list|inner|text|maybe|other", inner, 0..4)
                .prop_map(|table| Value::Object(table.into_iter().collect())),
        ]
    })
}

fn any_section() -> impl Strategy<Value = Value> {
    prop::collection::btree_map("number|flag|list|inner|maybe|other", any_value(), 0..6)
        .prop_map(|table| Value::Object(table.into_iter().collect()))
        // serde_json reads a struct from a list too, which no configuration should.
        .prop_filter("a struct as a list", |section| !section["inner"].is_array())
}

proptest! {
    #[test]
    fn faults_are_found_exactly_where_there_are_any(section in any_section()) {
        let bound = bind_json::<Outer>(&section);
        match serde_json::from_value::<Outer>(section) {
            Ok(expected) => {
                prop_assert_eq!(&bound.faults, &[]);
                prop_assert_eq!(bound.value, Some(expected));
            }
            Err(_) => prop_assert!(!bound.faults.is_empty()),
        }
    }

    #[test]
    fn every_broken_leaf_is_told_and_no_other(broken in prop::sample::subsequence(
        vec!["number", "flag", "list", "inner.text", "inner.number", "maybe", "inner.other", "other"], 0..8,
    )) {
        let wrong = |key: &str, right: Value| if broken.contains(&key) { json!({}) } else { right };
        let mut section = json!({
            "number": wrong("number", json!(1)),
            "flag": wrong("flag", json!(true)),
            "list": wrong("list", json!([1])),
            "maybe": wrong("maybe", json!(1)),
            "inner": { "text": wrong("inner.text", json!("a")), "number": wrong("inner.number", json!(1)) },
        });
        if broken.contains(&"other") {
            section["other"] = json!(1);
        }
        if broken.contains(&"inner.other") {
            section["inner"]["other"] = json!(1);
        }
        let expected: BTreeSet<_> = broken.iter().map(|key| format!("s.{key}")).collect();
        let bound = bind_json::<Outer>(&section);
        prop_assert_eq!(bound.faults.len(), expected.len());
        prop_assert_eq!(keys(&bound), expected);
    }
}

#[test]
fn several_items_of_one_list_are_told_with_their_places() {
    let bound = bind_json::<Outer>(&json!({ "list": [1, "a", 2, 300] }));
    assert_eq!(keys(&bound), ["s.list[1]".to_owned(), "s.list[3]".to_owned()].into());
}

#[test]
fn a_list_that_is_short_of_its_faulty_item_is_not_faulty_itself() {
    let bound = bind_json::<Outer>(&json!({ "pair": [1, "a"] }));
    assert_eq!(keys(&bound), ["s.pair[1]".to_owned()].into());
}

#[test]
fn every_key_without_a_default_that_is_missing_is_told() {
    let bound = bind_json::<Strict>(&json!({}));
    let told: Vec<_> = bound.faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        ["s.one   is missing   f:1:1   set `one`", "s.two   is missing   f:1:1   set `two`"]
    );
}

#[test]
fn a_faulty_key_without_a_default_is_not_missing_too() {
    let bound = bind_json::<Strict>(&json!({ "one": "a" }));
    assert_eq!(keys(&bound), ["s.one".to_owned(), "s.two".to_owned()].into());
    assert_eq!(bound.faults.len(), 2);
    assert!(bound.value.is_none());
}

#[test]
fn a_section_that_is_nothing_but_faults_is_not_looked_through_to_the_end() {
    let bound = bind_json::<Outer>(&json!({ "list": vec!["a"; 10_000] }));
    assert_eq!(bound.faults.len(), MAX_FAULTS + 1);
    assert!(bound.value.is_none());
}
