/// Whether two paths that are written differently match some requests alike in a way that the
/// router refuses: it could not tell them apart by their literal parts.
///
/// A literal segment wins over a parameter and both win over a wildcard only where the router says
/// so: next to a parameter a literal may stand, a wildcard may not.
pub(super) fn collide(a: &str, b: &str) -> bool {
    let (mut a, mut b) = (a.split('/'), b.split('/'));
    loop {
        let (left, right) = match (a.next(), b.next()) {
            (None, None) => return true,
            (Some(left), Some(right)) => (Segment::of(left), Segment::of(right)),
            _ => return false,
        };
        match (left, right) {
            (Segment::Literal(left), Segment::Literal(right)) if left == right => {}
            (Segment::Parameter(left), Segment::Parameter(right)) => {
                match (left.0 == right.0, left.1 == right.1) {
                    (true, true) => {}
                    // The router takes one suffix after a parameter.
                    (true, false) => return true,
                    (false, _) => return false,
                }
            }
            (Segment::Wildcard(prefix), other) | (other, Segment::Wildcard(prefix)) => {
                return other.prefix_of_parameter() == Some(prefix);
            }
            _ => return false,
        }
    }
}

/// One part of a path between two slashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Segment<'p> {
    Literal(&'p str),
    /// `{name}`, with what stands before and after it.
    Parameter((&'p str, &'p str)),
    /// `{*name}`, with what stands before it.
    Wildcard(&'p str),
}

impl<'p> Segment<'p> {
    fn of(text: &'p str) -> Self {
        let Some(open) = find_single(text, '{') else { return Self::Literal(text) };
        let prefix = &text[..open];
        if text[open..].starts_with("{*") {
            return Self::Wildcard(prefix);
        }
        let suffix = text[open..].split_once('}').map_or("", |(_, suffix)| suffix);
        Self::Parameter((prefix, suffix))
    }

    fn prefix_of_parameter(self) -> Option<&'p str> {
        match self {
            Self::Literal(_) => None,
            Self::Parameter((prefix, _)) | Self::Wildcard(prefix) => Some(prefix),
        }
    }
}

/// Finds `brace` where it is not doubled: doubled ones stand for themselves.
fn find_single(text: &str, brace: char) -> Option<usize> {
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c == brace && chars.next_if(|&(_, next)| next == brace).is_none() {
            return Some(at);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::panic;

    use axum::{Router, routing::get};
    use proptest::prelude::*;

    use super::*;

    /// What the router says of the two paths.
    fn axum_refuses(a: &str, b: &str) -> bool {
        let route = |path: &str| Router::<()>::new().route(path, get(async || ()));
        panic::catch_unwind(|| route(a).merge(route(b))).is_err()
    }

    #[test]
    fn paths_collide_where_only_names_differ_or_a_wildcard_stands_beside_a_parameter() {
        for (a, b, expected) in [
            ("/a/{x}", "/a/{y}", true),
            ("/a/{x}/p", "/a/{y}/p", true),
            ("/a/{x}/p", "/a/{y}/q", false),
            ("/a/{x}", "/a/{*rest}", true),
            ("/a/{*x}", "/a/{*y}", true),
            ("/a/{x}/b", "/a/{*rest}", true),
            ("/a/{x}", "/a/b", false),
            ("/a/b", "/a/{*rest}", false),
            ("/a", "/a/", false),
            ("/a/{x}", "/a/{x}.png", true),
            ("/a/p{x}", "/a/p{y}", true),
            ("/a/p{x}", "/a/{y}", false),
            ("/{*x}", "/", false),
            ("/{*x}", "/{a}/{b}", true),
            ("/{{a}}", "/{b}", false),
        ] {
            assert_eq!((collide(a, b), collide(b, a)), (expected, expected), "{a} and {b}");
            assert_eq!(axum_refuses(a, b), expected, "{a} and {b}, as axum sees them");
        }
    }

    fn path() -> impl Strategy<Value = String> {
        let segment = prop_oneof![Just("a"), Just("b"), Just("{x}"), Just("{y}")];
        let last = prop_oneof![Just(""), Just("/{*w}"), Just("/{*v}")];
        (proptest::collection::vec(segment, 1..4), last)
            .prop_map(|(segments, last)| format!("/{}{last}", segments.join("/")))
            .prop_filter("a name may stand in a path once", |path| {
                path.matches("{x}").count() < 2 && path.matches("{y}").count() < 2
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn the_router_refuses_what_collides_and_nothing_else(a in path(), b in path()) {
            prop_assume!(a != b);
            prop_assert_eq!(collide(&a, &b), axum_refuses(&a, &b), "{} and {}", a, b);
        }
    }
}
