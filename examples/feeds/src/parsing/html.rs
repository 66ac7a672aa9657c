//! HTML that others wrote: made harmless, or made text.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use ammonia::{Builder, UrlRelative, UrlRelativeEvaluate};

use super::links::{Links, without_tracking};

/// Elements that never hold others.
const VOID: &[&str] =
    &["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"];

/// Elements that the next of their kind ends.
const SELF_ENDING: &[&str] =
    &["dd", "dt", "li", "option", "p", "tbody", "td", "tfoot", "th", "thead", "tr"];

/// Elements that begin on a line of their own.
const BLOCKS: &[&str] =
    &["br", "dd", "div", "dt", "h1", "h2", "h3", "h4", "li", "p", "table", "td", "tr", "ul"];

/// How deep markup may be nested.
const MAX_DEPTH: usize = 256;

/// How many tags there may be, times how deep they are nested: elements that are left open are
/// opened again in every paragraph.
const MAX_WEIGHT: usize = 500_000;

/// Cleans the HTML of one document.
pub(super) struct Cleaner {
    html: Builder<'static>,
    text: Builder<'static>,
}

impl Cleaner {
    /// Makes links absolute with `links`; those that it cannot make so are left out.
    pub(super) fn new(links: Links) -> Self {
        let mut html = Builder::default();
        html.url_schemes(HashSet::from(["http", "https", "mailto"]))
            .url_relative(UrlRelative::Custom(Box::new(Absolute(links))))
            .attribute_filter(|_: &str, attribute: &str, value: &str| filter(attribute, value));
        let mut text = Builder::empty();
        text.clean_content_tags(HashSet::from(["script", "style"]));
        Self { html, text }
    }

    /// HTML that can do no harm; markup that is too much to look through becomes text.
    pub(super) fn harmless(&self, html: &str) -> String {
        if is_too_heavy(html) {
            return escape(&without_tags(html));
        }
        self.html.clean(html).to_string().trim().to_owned()
    }

    /// The text of HTML, in one line.
    pub(super) fn text(&self, html: &str) -> String {
        let text = if is_too_heavy(html) {
            without_tags(html)
        } else {
            unescaped(&self.text.clean(&apart(html)).to_string())
        };
        one_line(&text)
    }
}

/// Relative links as ammonia asks about them.
struct Absolute(Links);

impl UrlRelativeEvaluate<'static> for Absolute {
    fn evaluate<'url>(&self, url: &'url str) -> Option<Cow<'url, str>> {
        self.0.absolute(url).map(Cow::Owned)
    }
}

/// Text as HTML.
pub(super) fn escaped(text: &str) -> String {
    escape(text.trim())
}

/// Text without line breaks and the like.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// With a space where a new line or block begins, so that its words stay apart.
fn apart(html: &str) -> String {
    let mut pieces = html.split('<');
    let mut apart = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let name = piece.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        let block = BLOCKS.iter().any(|block| name.eq_ignore_ascii_case(block));
        apart.push_str(if block { " <" } else { "<" });
        apart.push_str(piece);
    }
    apart
}

/// What the serializer of HTML escapes in text, and nothing else.
fn unescaped(html: &str) -> String {
    html.replace("&lt;", "<").replace("&gt;", ">").replace("&nbsp;", "\u{a0}").replace("&amp;", "&")
}

fn filter<'v>(attribute: &str, value: &'v str) -> Option<Cow<'v, str>> {
    if !matches!(attribute, "href" | "src" | "cite") {
        return Some(Cow::Borrowed(value));
    }
    // Relative links have been made absolute by someone else, and cleaned.
    let url = value.trim().parse().map(without_tracking);
    Some(url.map_or(Cow::Borrowed(value), |url| Cow::Owned(url.into())))
}

/// Whether looking through it would take more time or memory than it is worth. It is measured on
/// the text, since that is what building the tree would be measured by.
fn is_too_heavy(html: &str) -> bool {
    let (mut open, mut depth, mut deepest, mut tags) = (HashMap::new(), 0_usize, 0, 0_usize);
    for tag in html.split('<').skip(1) {
        let (closes, rest) = tag.strip_prefix('/').map_or((false, tag), |rest| (true, rest));
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let name = rest[..end].to_ascii_lowercase();
        if name.is_empty() {
            continue;
        }
        tags += 1;
        if VOID.contains(&name.as_str()) || SELF_ENDING.contains(&name.as_str()) {
            continue;
        }
        // By name, so that an end of something else closes nothing.
        let count: &mut usize = open.entry(name).or_default();
        if !closes {
            *count += 1;
            depth += 1;
            deepest = deepest.max(depth);
        } else if *count > 0 {
            *count -= 1;
            depth -= 1;
        }
    }
    deepest > MAX_DEPTH || tags.saturating_mul(deepest) > MAX_WEIGHT
}

fn without_tags(html: &str) -> String {
    let mut pieces = html.split('<');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        text.push_str(piece.split_once('>').map_or("", |(_, text)| text));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaner() -> Cleaner {
        Cleaner::new(Links::new(Some("https://a/b/".parse().unwrap())))
    }

    #[test]
    fn what_could_do_harm_is_left_out() {
        for (from, to) in [
            ("<p onclick='x()'>a<script>b</script></p>", "<p>a</p>"),
            ("<a href='javascript:x()'>a</a>", "<a rel=\"noopener noreferrer\">a</a>"),
            ("<iframe src='https://a'></iframe>b", "b"),
            ("<img src=x onerror=alert(1)>", "<img src=\"https://a/b/x\">"),
            ("<svg><style><img src=x onerror=y></style></svg>c", "<img src=\"https://a/b/x\">c"),
            ("<form action=/x><input name=a></form>d", "d"),
        ] {
            assert_eq!(cleaner().harmless(from), to);
        }
    }

    #[test]
    fn links_are_absolute_and_follow_nobody() {
        let html = "<a href='c?utm_source=x'>1</a><a href='https://d/?fbclid=1&e=2'>2</a>";
        let rel = "rel=\"noopener noreferrer\"";
        let expected =
            format!("<a href=\"https://a/b/c\" {rel}>1</a><a href=\"https://d/?e=2\" {rel}>2</a>");
        assert_eq!(cleaner().harmless(html), expected);
    }

    #[test]
    fn text_has_no_markup_and_no_entities() {
        let html = "<b>a</b> &amp; b\n <script>x</script>&lt;c&gt; &eacute;";
        assert_eq!(cleaner().text(html), "a & b <c> é");
    }

    #[test]
    fn markup_that_is_too_much_becomes_text() {
        let deep = format!("{}deep", "<div>".repeat(100_000));
        assert_eq!(cleaner().harmless(&deep), "deep");
        // Each paragraph would open all of these again.
        let mut again = "<p>".to_owned();
        for n in 0..200 {
            again += &format!("<b id={n}></z>");
        }
        again += &"</p><p>x".repeat(100_000);
        assert!(is_too_heavy(&again));
        assert_eq!(cleaner().text("<p>a".repeat(200_000).as_str()).len(), 399_999);
    }
}
