use schemars::JsonSchema;
use serde_json::{Value, json};

use super::rules::{Rules, rules_of};

#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is looked at")]
struct Everything {
    small: i8,
    big: u64,
    ratio: f32,
    #[schemars(range(min = 0.5))]
    at_least: f64,
    #[schemars(extend("multipleOf" = 5))]
    fives: Option<i64>,
    #[schemars(extend("exclusiveMaximum" = 10))]
    less: Option<i64>,
    pair: Option<(u8, String)>,
    set: Option<std::collections::BTreeSet<String>>,
    tree: Option<Tree>,
}

#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is looked at")]
struct Tree {
    children: Vec<Self>,
}

/// The faults of a thing that is right but for these fields.
fn faults(change: Value) -> Vec<String> {
    let mut whole = json!({ "small": 1, "big": 1, "ratio": 1, "at_least": 1 });
    for (name, value) in change.as_object().unwrap() {
        whole[name] = value.clone();
    }
    let faults = rules_of::<Everything>().unwrap().check(&whole);
    faults.iter().map(|fault| format!("{} {}", fault.pointer(), fault.detail)).collect()
}

#[test]
fn numbers_are_held_to_what_their_type_can_hold() {
    assert_eq!(faults(json!({})), [""; 0]);
    assert_eq!(faults(json!({ "small": 128 })), ["/small must be from -128 to 127"]);
    assert_eq!(faults(json!({ "big": u64::MAX })), [""; 0]);
    assert_eq!(faults(json!({ "ratio": 0.1, "at_least": 0.5 })), [""; 0]);
    assert_eq!(faults(json!({ "at_least": 0.4 })), ["/at_least must be at least 0.5"]);
    assert_eq!(faults(json!({ "fives": 15, "less": 9 })), [""; 0]);
    assert_eq!(faults(json!({ "fives": 16 })), ["/fives must be a multiple of 5"]);
    assert_eq!(faults(json!({ "less": 10 })), ["/less must be less than 10"]);
    assert_eq!(faults(json!({ "big": -1 })).len(), 1);
}

#[test]
fn tuples_sets_and_trees_are_looked_into() {
    assert_eq!(faults(json!({ "pair": [1, "a"], "set": ["a", "b"] })), [""; 0]);
    assert_eq!(
        faults(json!({ "pair": [256, 1] })),
        ["/pair/0 must be from 0 to 255", "/pair/1 must be text"]
    );
    assert_eq!(faults(json!({ "pair": [1] })), ["/pair must have at least 2 entries"]);
    assert_eq!(faults(json!({ "set": ["a", "a"] })), ["/set/1 is there already"]);
    let deep = json!({ "children": [{ "children": [{ "children": 7 }] }] });
    assert_eq!(
        faults(json!({ "tree": deep })),
        ["/tree/children/0/children/0/children must be a list"]
    );
}

#[test]
fn a_pattern_that_is_none_is_told_and_not_passed_over() {
    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Bad {
        #[schemars(regex(pattern = "("))]
        text: String,
    }
    let error = Rules::of::<Bad>().unwrap_err().to_string();
    assert_eq!(error, "`(` in the schema of a request is no pattern");
}

#[test]
fn every_pointer_leads_to_what_is_wrong() {
    let names = json!({ "a~b/c": 1 });
    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Named {
        #[schemars(rename = "a~b/c")]
        field: String,
    }
    let faults = rules_of::<Named>().unwrap().check(&names);
    assert_eq!(names.pointer(&faults[0].pointer()), Some(&json!(1)));
}

#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is looked at")]
enum Untagged {
    Left { inner: Box<Self> },
    Right { inner: Box<Self> },
    End(u8),
}

#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is looked at")]
enum External {
    /// A documented variant.
    Unit,
    /// Another one.
    Other,
    /// One with fields.
    Struct { size: u8 },
}

#[test]
fn a_value_of_many_forms_in_many_depths_is_given_up_in_time() {
    let nested = |end: Value| (0..100).fold(end, |inner, _| json!({ "inner": inner }));
    let check = |value: &Value| rules_of::<Untagged>().unwrap().check(value);
    assert!(check(&nested(json!(7))).is_empty());
    let faults = check(&nested(json!("no end")));
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].detail, "is too involved to be checked");
}

#[test]
fn a_variant_is_known_by_its_name() {
    let check = |value: Value| {
        let faults = rules_of::<External>().unwrap().check(&value);
        let line = |fault: &super::Fault| format!("{} {}", fault.pointer(), fault.detail);
        faults.iter().map(line).collect::<Vec<_>>()
    };
    assert_eq!(check(json!("unit")), [""; 0]);
    assert_eq!(check(json!({ "struct": { "size": 1 } })), [""; 0]);
    assert_eq!(check(json!({ "struct": { "size": 300 } })), ["/struct/size must be from 0 to 255"]);
    assert_eq!(check(json!("nothing")), [" has none of the forms that it can have"]);
}
