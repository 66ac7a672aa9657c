use proptest::prelude::*;

use super::{names::key_before, *};

fn outlined(line: &str) -> String {
    outline(line)
}

#[test]
fn the_outline_of_a_line_has_its_key_and_the_form_of_its_value() {
    for (line, expected) in [
        ("addr = 127.0.0.1:8080", "addr = ··············"),
        ("token = \"hunter2", "token = \"·······"),
        ("\"token\": \"hunter2\",", "\"token\": \"·······\","),
        ("  token: [a, b", "  token: [·, ·"),
        ("hunter2\"\"\"", "·······\"\"\""),
        ("a = \"x\", b = 1", "a = \"·\", · · ·"),
        ("{\"a\" \"hunter2\": 1", "{\"·\" \"·······\"· ·"),
    ] {
        assert_eq!(outlined(line), expected, "{line}");
    }
}

#[test]
fn keys_are_found_where_they_stand_and_values_are_none() {
    for (text, expected) in [
        ("addr ", Some("addr")),
        ("  \"addr\"", Some("addr")),
        ("tls.key ", Some("key")),
        ("{ a = 1, key ", Some("key")),
        ("- key", Some("key")),
        ("addr = 127.0.0.1", None),
        ("addr = \"[", None),
    ] {
        assert_eq!(key_before(text), expected, "{text}");
    }
}

proptest! {
    #[test]
    fn an_excerpt_can_be_cut_anywhere_in_any_text(
        text in "(\\PC|\n|\t){0,80}", line in 1..9_usize, column in 1..99_usize,
    ) {
        let source = SourceText::new(Zeroizing::new(text));
        let place = FilePlace { path: "f".into(), line, column };
        let marks = [Mark { line: 1, column: 3, shown: false }, Mark { line: 2, column: 1, shown: true }];
        for excerpt in [
            Excerpt::of_unparsed(&place, &source),
            Excerpt::of(&place, &source, |number, line| masked(number, line, &marks, &place)),
        ] {
            let (start, length) = excerpt.span();
            let text = excerpt.text();
            prop_assert!(text.is_char_boundary(start) && text.is_char_boundary(start + length));
        }
    }
}
