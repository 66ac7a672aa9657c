use std::io::Write as _;

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::parsing::{Attachment, Author, Document, Item};

/// What JSON Feed 1.1 calls itself.
const VERSION: &str = "https://jsonfeed.org/version/1.1";

/// A feed as it is published.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rendered {
    /// The feed as JSON Feed 1.1.
    pub json: Bytes,
    /// The same, packed, where that saves at least a tenth.
    pub gzip: Option<Bytes>,
    /// The tag of what is in it: the same content has the same tag.
    pub etag: String,
}

#[derive(Serialize)]
struct JsonFeed<'d> {
    version: &'static str,
    title: &'d str,
    #[serde(skip_serializing_if = "Option::is_none")]
    home_page_url: Option<&'d str>,
    feed_url: &'d str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'d str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icon: Option<&'d str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'d str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    authors: &'d [Author],
    items: Vec<JsonItem<'d>>,
}

#[derive(Serialize)]
struct JsonItem<'d> {
    id: &'d str,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'d str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'d str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_html: Option<&'d str>,
    /// One of the two has to be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    content_text: Option<&'d str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<&'d str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<&'d str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    date_published: Option<&'d str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    date_modified: Option<&'d str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    authors: &'d [Author],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    tags: &'d [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    attachments: &'d [Attachment],
}

/// Writes the feed that was found at `feed_url`.
///
/// # Errors
///
/// Returns an error if it cannot be written as JSON, which texts and numbers always can.
pub fn render(document: &Document, feed_url: &str) -> Result<Rendered, serde_json::Error> {
    let json = serde_json::to_vec(&json_feed(document, feed_url))?;
    let gzip = gzip(&json).filter(|packed| packed.len() < json.len() / 10 * 9);
    let etag = etag(&json);
    Ok(Rendered { json: json.into(), gzip: gzip.map(Bytes::from), etag })
}

/// The tag of some content, as `ETag` has it.
pub(super) fn etag(content: &[u8]) -> String {
    let hash: String =
        Sha256::digest(content)[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hash}\"")
}

fn gzip(json: &[u8]) -> Option<Vec<u8>> {
    // Without a date in its header, so that the same content is the same file.
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(json).ok()?;
    encoder.finish().ok()
}

fn json_feed<'d>(document: &'d Document, feed_url: &'d str) -> JsonFeed<'d> {
    let about = &document.about;
    JsonFeed {
        version: VERSION,
        title: about.title.as_deref().unwrap_or(feed_url),
        home_page_url: about.home_page_url.as_deref(),
        feed_url,
        description: about.description.as_deref(),
        icon: about.icon.as_deref(),
        language: about.language.as_deref(),
        authors: &about.authors,
        items: document.items.iter().map(json_item).collect(),
    }
}

fn json_item(item: &Item) -> JsonItem<'_> {
    let text = item.summary.as_deref().or(item.title.as_deref()).unwrap_or_default();
    JsonItem {
        id: &item.id,
        url: item.url.as_deref(),
        title: item.title.as_deref(),
        content_html: item.content_html.as_deref(),
        content_text: item.content_html.is_none().then_some(text),
        summary: item.summary.as_deref(),
        image: item.image.as_deref(),
        date_published: item.date_published.as_deref(),
        date_modified: item.date_modified.as_deref(),
        authors: &item.authors,
        tags: &item.tags,
        attachments: &item.attachments,
    }
}
