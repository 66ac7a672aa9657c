//! Links: absolute, and without what only follows readers.

use url::Url;

/// Parameters that tell a site how a reader came to it.
const TRACKING: &[&str] = &[
    "_hsenc",
    "_hsmi",
    "dclid",
    "fbclid",
    "gbraid",
    "gclid",
    "gclsrc",
    "igshid",
    "li_fat_id",
    "mc_cid",
    "mc_eid",
    "mkt_tok",
    "msclkid",
    "oly_anon_id",
    "oly_enc_id",
    "rb_clickid",
    "s_cid",
    "ttclid",
    "twclid",
    "vero_id",
    "wbraid",
    "wickedid",
    "yclid",
];

/// Whether a parameter of a query follows readers.
fn is_tracking(parameter: &str) -> bool {
    let name = parameter.split('=').next().unwrap_or_default().to_ascii_lowercase();
    name.starts_with("utm_") || TRACKING.binary_search(&name.as_str()).is_ok()
}

/// Takes out of an address what only follows readers: `utm_source`, `fbclid` and their kind. What
/// is left stays as it was written, and in its order.
///
/// # Examples
///
/// ```
/// use feeds::parsing::without_tracking;
///
/// let url = "https://example.com/a?id=7&utm_source=rss&fbclid=x".parse()?;
/// assert_eq!(without_tracking(url).as_str(), "https://example.com/a?id=7");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn without_tracking(mut url: Url) -> Url {
    if let Some(query) = url.query() {
        let left: Vec<_> = query.split('&').filter(|parameter| !is_tracking(parameter)).collect();
        let left = left.join("&");
        url.set_query(Some(left.as_str()).filter(|left| !left.is_empty()));
    }
    if url.fragment().is_some_and(|fragment| fragment.split('&').all(is_tracking)) {
        url.set_fragment(None);
    }
    url
}

/// Makes links absolute.
#[derive(Clone, Debug, Default)]
pub(super) struct Links {
    base: Option<Url>,
}

impl Links {
    pub(super) fn new(base: Option<Url>) -> Self {
        Self { base }
    }

    /// The address of something on the web, as far as it can be told.
    pub(super) fn absolute(&self, link: &str) -> Option<String> {
        let link = link.trim();
        if link.is_empty() {
            return None;
        }
        let url = match (Url::parse(link), &self.base) {
            (Ok(url), _) => url,
            (Err(url::ParseError::RelativeUrlWithoutBase), Some(base)) => base.join(link).ok()?,
            _ => return None,
        };
        matches!(url.scheme(), "http" | "https").then(|| without_tracking(url).into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn clean(text: &str) -> String {
        without_tracking(text.parse().unwrap()).into()
    }

    #[test]
    fn the_list_is_in_order() {
        assert!(TRACKING.is_sorted());
    }

    #[test]
    fn only_what_follows_readers_is_taken_out() {
        for (from, to) in [
            ("https://a/?utm_source=x&UTM_Medium=y", "https://a/"),
            ("https://a/?b=1&gclid=2&c=%20", "https://a/?b=1&c=%20"),
            ("https://a/?utm=1&mutm_x=2", "https://a/?utm=1&mutm_x=2"),
            ("https://a/#utm_source=x", "https://a/"),
            ("https://a/?b#part", "https://a/?b#part"),
        ] {
            assert_eq!(clean(from), to);
        }
    }

    #[test]
    fn links_are_read_from_their_base() {
        let links = Links::new(Some("https://a/b/feed.xml".parse().unwrap()));
        let absolute = |link: &str| links.absolute(link).unwrap_or_default();
        assert_eq!(absolute("c?utm_id=1"), "https://a/b/c");
        assert_eq!(absolute("//d/e"), "https://d/e");
        for link in ["", " ", "javascript:alert(1)", "data:text/html,x", "file:///etc/passwd"] {
            assert_eq!(absolute(link), "", "{link}");
        }
        assert_eq!(Links::default().absolute("c"), None, "without a base there is no telling");
    }

    proptest! {
        #[test]
        fn cleaning_twice_changes_nothing_more(query in "[a-z_=&%0-9]{0,40}") {
            let once = clean(&format!("https://a/?{query}"));
            prop_assert_eq!(clean(&once), once);
        }
    }
}
