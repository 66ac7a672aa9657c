/// The candidate that `given` is most likely a slip of, if any is near enough.
///
/// One slip in three letters is near: `prot` for `port`, not `cat` for `dog`. Of two that are
/// equally near, the first in the alphabet.
pub(crate) fn nearest<'c>(
    given: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    let near = |candidate: &'c str| {
        let distance = strsim::damerau_levenshtein(given, candidate);
        let allowed = (given.chars().count().max(candidate.chars().count()) / 3).max(1);
        (distance <= allowed).then_some((distance, candidate))
    };
    candidates.into_iter().filter_map(near).min().map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_near_and_another_word_is_not() {
        assert_eq!(nearest("prot", ["port", "host"]), Some("port"));
        assert_eq!(nearest("pagesize", ["page_size", "ttl"]), Some("page_size"));
        assert_eq!(nearest("cat", ["dog"]), None);
        assert_eq!(nearest("ab", ["b", "a"]), Some("a"));
    }
}
