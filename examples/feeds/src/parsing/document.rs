use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The format in which a feed was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Atom 1.0 or 0.3.
    Atom,
    /// JSON Feed.
    JsonFeed,
    /// RSS 0.91 or 0.92.
    Rss0,
    /// RSS 1.0.
    Rss1,
    /// RSS 2.0.
    Rss2,
}

/// What a feed says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
pub struct About {
    /// The format in which it was written.
    pub format: Format,
    /// Its title, without markup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What it is about, without markup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The page that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub home_page_url: Option<String>,
    /// A picture of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icon: Option<String>,
    /// Its language, as the feed calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// When it was changed last, as RFC 3339 writes dates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date_modified: Option<String>,
    /// Who writes it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authors: Vec<Author>,
}

/// A feed in the one form that all are brought into.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
pub struct Document {
    /// What it says of itself.
    #[serde(flatten)]
    pub about: About,
    /// Its items: each once, newest first, those without a date last.
    pub items: Vec<Item>,
}

/// One item of a feed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
pub struct Item {
    /// Its id: the feed's own, or else one made of what is in the item.
    pub id: String,
    /// Its page, without parameters that only follow readers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Its title, without markup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What it says, as HTML that can do no harm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_html: Option<String>,
    /// What it says in short, without markup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// A picture for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// When it was published, as RFC 3339 writes dates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date_published: Option<String>,
    /// When it was changed last, as RFC 3339 writes dates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date_modified: Option<String>,
    /// Who wrote it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authors: Vec<Author>,
    /// What it is about, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Files that belong to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
}

/// Somebody who writes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
pub struct Author {
    /// The name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A page about the author.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// A file that belongs to an item, such as a recording.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
pub struct Attachment {
    /// Where it is.
    pub url: String,
    /// Its media type.
    pub mime_type: String,
    /// Its size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_in_bytes: Option<u64>,
    /// How long it plays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_in_seconds: Option<u64>,
}

impl Item {
    /// The date by which it is sorted, in milliseconds since 1970; 0 without one.
    #[must_use]
    pub fn sort_at(&self) -> i64 {
        let date = self.date_published.as_ref().or(self.date_modified.as_ref());
        let date = date.and_then(|text| chrono::DateTime::parse_from_rfc3339(text).ok());
        date.map_or(0, |date| date.timestamp_millis())
    }
}
