//! Names of applications and modules, and what they are called in Rust.

use super::error::NewError;

const MAX_BYTES: usize = 64;

/// Names that Rust or cargo keep for themselves, or that a generated application has already.
const RESERVED: &[&str] = &[
    "abstract",
    "alloc",
    "app",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "config",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "framework",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "lib",
    "loop",
    "macro",
    "main",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "pub",
    "ref",
    "return",
    "schemars",
    "self",
    "serde",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "tests",
    "tokio",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "union",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
];

/// A valid name: `order-book`, which is `order_book` and `OrderBook` in Rust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name(String);

/// Why something is not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NameError {
    #[error("it is empty")]
    Empty,
    #[error("it is longer than {MAX_BYTES} bytes")]
    Long,
    #[error("it must be kebab-case: words of a-z and 0-9 with single dashes, a letter first")]
    Case,
    #[error("Rust, cargo or the framework has taken it")]
    Reserved,
}

// ===== impl Name =====

impl Name {
    /// # Errors
    ///
    /// Returns an error if the text is not kebab-case, too long, or taken.
    pub(super) fn parse(text: &str) -> Result<Self, NewError> {
        match fault(text) {
            None => Ok(Self(text.to_owned())),
            Some(source) => Err(NewError::Name { name: text.to_owned(), source }),
        }
    }

    pub(super) fn kebab(&self) -> &str {
        &self.0
    }

    /// As modules and crates are called.
    pub(super) fn snake(&self) -> String {
        self.0.replace('-', "_")
    }

    /// As types are called.
    pub(super) fn pascal(&self) -> String {
        self.words().map(|(first, rest)| format!("{}{rest}", first.to_ascii_uppercase())).collect()
    }

    /// As the environment's variables begin.
    pub(super) fn shouted(&self) -> String {
        self.snake().to_ascii_uppercase()
    }

    fn words(&self) -> impl Iterator<Item = (char, &str)> {
        self.0.split('-').filter_map(|word| Some((word.chars().next()?, word.get(1..)?)))
    }
}

fn fault(text: &str) -> Option<NameError> {
    let word = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    if text.is_empty() {
        Some(NameError::Empty)
    } else if text.len() > MAX_BYTES {
        Some(NameError::Long)
    } else if !text.starts_with(|c: char| c.is_ascii_lowercase()) || !text.split('-').all(word) {
        Some(NameError::Case)
    } else if RESERVED.contains(&text) {
        Some(NameError::Reserved)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_has_a_form_for_each_place_in_rust() {
        let name = Name::parse("order-book-2").unwrap();
        assert_eq!(name.kebab(), "order-book-2");
        assert_eq!(name.snake(), "order_book_2");
        assert_eq!(name.pascal(), "OrderBook2");
        assert_eq!(name.shouted(), "ORDER_BOOK_2");
    }

    #[test]
    fn what_is_not_kebab_case_is_refused() {
        assert_eq!(fault(""), Some(NameError::Empty));
        assert_eq!(fault(&"a".repeat(65)), Some(NameError::Long));
        for text in
            ["Shop", "my_shop", "2shop", "-shop", "shop-", "a--b", "shöp", "a/b", "..", "a b"]
        {
            assert_eq!(fault(text), Some(NameError::Case), "{text}");
        }
    }

    #[test]
    fn keywords_and_taken_names_are_refused() {
        for text in ["async", "self", "gen", "std", "main", "framework"] {
            assert_eq!(fault(text), Some(NameError::Reserved), "{text}");
        }
    }

    #[test]
    fn the_list_of_taken_names_is_sorted_and_has_only_names_that_would_pass_otherwise() {
        assert!(RESERVED.is_sorted());
        for name in RESERVED {
            assert_eq!(fault(name), Some(NameError::Reserved), "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_name_never_leaves_its_directory_and_is_always_an_identifier(text in ".{0,80}") {
            if let Ok(name) = Name::parse(&text) {
                prop_assert!(name.snake().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
                prop_assert!(name.pascal().starts_with(|c: char| c.is_ascii_uppercase()));
            }
        }

        #[test]
        fn every_kebab_case_word_pair_is_a_name(text in "[a-z][a-z0-9]{0,9}-[a-z0-9]{1,9}") {
            prop_assume!(text != "proc-macro");
            prop_assert_eq!(fault(&text), None);
        }
    }
}
