use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
};

use proptest::prelude::*;
use serde::{Deserialize, de::DeserializeOwned};

use super::*;
use crate::{origin::Origin, parse};

fn loose<T: DeserializeOwned>(text: &str) -> Result<T, Cause> {
    let node = Node::loose(text, Origin::Argument);
    T::deserialize(NodeDeserializer::new(&node)).map_err(|error| error.cause)
}

fn typed<T: DeserializeOwned>(toml: &str) -> Result<T, BindError> {
    let node = parse::toml_value(toml, &Origin::Argument).unwrap();
    T::deserialize(NodeDeserializer::new(&node))
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    Pretty,
    Json,
    Custom { width: u8 },
    Level(u8),
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Tls {
    cert: String,
    port: u16,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Either {
    Flag(bool),
    Number(i64),
    Real(f64),
    Text(String),
}

#[test]
fn text_becomes_what_is_wanted() {
    assert_eq!(loose::<u16>("8080"), Ok(8080));
    assert_eq!(loose::<String>("8080"), Ok("8080".to_owned()));
    assert_eq!(loose::<String>("true"), Ok("true".to_owned()));
    assert_eq!(loose::<i8>("-5"), Ok(-5));
    assert_eq!(loose::<u64>("18446744073709551615"), Ok(u64::MAX));
    assert_eq!(loose::<f64>("0.25"), Ok(0.25));
    assert_eq!(loose::<f64>("1"), Ok(1.0));
    assert_eq!(loose::<bool>("true"), Ok(true));
    assert_eq!(loose::<char>("x"), Ok('x'));
    assert_eq!(loose::<SocketAddr>("[::1]:80"), Ok("[::1]:80".parse().unwrap()));
    assert_eq!(loose::<Format>("json"), Ok(Format::Json));
}

#[test]
fn text_that_does_not_fit_is_refused() {
    assert!(loose::<u16>("70000").is_err());
    assert!(loose::<u16>("1.5").is_err());
    assert!(loose::<u16>("many").is_err());
    assert!(loose::<bool>("yes").is_err());
    assert!(loose::<Vec<u8>>("1, 2").is_err());
    assert!(loose::<Tls>("cert").is_err());
}

#[test]
fn lists_and_tables_fit_into_one_line_of_text() {
    assert_eq!(loose::<Vec<u16>>("[1, 2]"), Ok(vec![1, 2]));
    assert_eq!(
        loose::<Vec<String>>("[a, \"b, c\", '']"),
        Ok(vec!["a".into(), "b, c".into(), String::new()])
    );
    assert_eq!(loose::<Vec<Vec<u8>>>("[[1], [], [2, 3]]"), Ok(vec![vec![1], vec![], vec![2, 3]]));
    assert_eq!(loose::<Vec<u8>>("[]"), Ok(vec![]));
    assert_eq!(loose::<(String, u8)>("[a, 1]"), Ok(("a".to_owned(), 1)));
    let tls = Tls { cert: "x".to_owned(), port: 1 };
    assert_eq!(loose::<Tls>("{ cert = \"x\", port = 1 }"), Ok(tls));
    assert_eq!(loose::<Format>("{ custom = { width = 3 } }"), Ok(Format::Custom { width: 3 }));
}

#[test]
fn an_empty_text_takes_an_optional_value_away() {
    assert_eq!(loose::<Option<u16>>(""), Ok(None));
    assert_eq!(loose::<Option<u16>>("1"), Ok(Some(1)));
    assert_eq!(loose::<String>(""), Ok(String::new()));
}

#[test]
fn a_type_that_takes_anything_gets_what_the_text_looks_like() {
    assert_eq!(loose::<Either>("true"), Ok(Either::Flag(true)));
    assert_eq!(loose::<Either>("7"), Ok(Either::Number(7)));
    assert_eq!(loose::<Either>("7.5"), Ok(Either::Real(7.5)));
    assert_eq!(loose::<Either>("seven"), Ok(Either::Text("seven".to_owned())));
    assert_eq!(loose::<serde_json::Value>("[1, a]"), Ok(serde_json::json!([1, "a"])));
}

#[test]
fn a_value_with_a_type_keeps_it() {
    assert_eq!(
        typed::<u16>("\"8080\"").unwrap_err().cause,
        Cause::Mismatch { wanted: "u16".into() }
    );
    assert_eq!(
        typed::<String>("5").unwrap_err().cause,
        Cause::Mismatch { wanted: "a string".into() }
    );
    assert_eq!(typed::<u8>("300").unwrap_err().cause, Cause::Mismatch { wanted: "u8".into() });
    assert_eq!(typed::<Format>("{ level = 3 }").unwrap(), Format::Level(3));
    assert_eq!(typed::<Format>("\"pretty\"").unwrap(), Format::Pretty);
}

#[test]
fn keys_become_numbers_and_choices_where_the_map_wants_them() {
    assert_eq!(typed::<BTreeMap<u16, u8>>("{ 80 = 1 }").unwrap(), [(80, 1)].into());
    assert_eq!(typed::<HashMap<Plain, u8>>("{ b = 1 }").unwrap(), [(Plain::B, 1)].into());
}

#[derive(Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Plain {
    A,
    B,
}

#[test]
fn an_error_knows_the_way_to_its_value() {
    let error = typed::<BTreeMap<String, Vec<Tls>>>(
        r#"{ a = [{ cert = "x", port = 1 }, { cert = "y", port = -1 }] }"#,
    )
    .unwrap_err();
    assert_eq!(error.path.to_string(), "a[1].port");
    let error =
        typed::<BTreeMap<String, Format>>("{ f = { custom = { width = 300 } } }").unwrap_err();
    assert_eq!(error.path.to_string(), "f.custom.width");
}

#[test]
fn a_key_that_nobody_reads_is_an_error_without_deny_unknown_fields() {
    let error = typed::<Tls>("{ cert = \"x\", port = 1, prot = 2 }").unwrap_err();
    assert_eq!(error.cause, Cause::UnknownKey { key: "prot".into(), known: &[] });
    assert_eq!(error.path.to_string(), "");
}

#[test]
fn a_list_that_is_too_long_is_refused() {
    assert!(typed::<(u8, u8)>("[1, 2, 3]").is_err());
    assert!(typed::<(u8, u8)>("[1]").is_err());
}

#[test]
fn text_that_is_nested_too_deep_is_only_text() {
    let text = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(loose::<serde_json::Value>(&text(20)).unwrap().is_array());
    assert!(loose::<serde_json::Value>(&text(100_000)).unwrap().is_string());
}

proptest! {
    #[test]
    fn no_text_makes_reading_it_panic(text in "[\\[\\]{}=,\"'a1.\\- ]{0,40}") {
        let _ = loose::<serde_json::Value>(&text);
        let _ = loose::<Vec<String>>(&text);
        let _ = loose::<BTreeMap<String, u8>>(&text);
    }

    #[test]
    fn a_list_of_words_reads_back_the_same(words in prop::collection::vec("[a-z ,]{0,5}", 0..5)) {
        let quoted: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
        prop_assert_eq!(loose::<Vec<String>>(&format!("[{}]", quoted.join(", "))), Ok(words));
    }
}
