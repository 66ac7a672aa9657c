//! From the model of a parser to the one form that all feeds are brought into.

use std::{cmp::Reverse, collections::HashSet};

use chrono::{DateTime, Datelike as _, SecondsFormat, Utc};
use feed_rs::model::{Content, Entry, Feed, FeedType, Link, MediaObject, Person, Text};
use framework::process::Job;
use sha2::{Digest as _, Sha256};
use url::Url;

use super::{
    About, Attachment, Author, Document, Format, Item, ParseError,
    html::{Cleaner, escaped, one_line},
    links::Links,
};

/// The longest summary, in characters.
const MAX_SUMMARY: usize = 1000;

/// The media type of what does not say.
const UNKNOWN_TYPE: &str = "application/octet-stream";

/// What the parts of a document are brought into form with.
struct Form {
    links: Links,
    cleaner: Cleaner,
}

/// Brings a feed into form. Links are read from `at`, where it was found, or else from its page.
pub(super) fn normalize(feed: Feed, at: Option<Url>, job: &Job) -> Result<Document, ParseError> {
    let home = page(&feed.links);
    let base = at.or_else(|| home.and_then(|link| Url::parse(&link.href).ok()));
    let links = Links::new(base);
    let form = Form { cleaner: Cleaner::new(links.clone()), links };
    let about = form.about(&feed);
    let mut items = Vec::with_capacity(feed.entries.len());
    for entry in feed.entries {
        job.check().map_err(|_| ParseError::TooSlow)?;
        items.push(form.item(entry));
    }
    let mut document = Document { about, items: without_doubles(items) };
    // Those of the same moment stay in their order.
    document.items.sort_by_key(|item| Reverse(item.sort_at()));
    Ok(document)
}

/// Items with an id or a page and title that came before are the same item.
fn without_doubles(items: Vec<Item>) -> Vec<Item> {
    let (mut ids, mut pages) = (HashSet::new(), HashSet::new());
    let mut is_new = |item: &Item| {
        let page = item.url.clone().zip(item.title.clone());
        // Both are remembered, also where the first has told already.
        let (id, page) = (ids.insert(item.id.clone()), page.is_none_or(|page| pages.insert(page)));
        id && page
    };
    items.into_iter().filter(|item| is_new(item)).collect()
}

impl Form {
    fn about(&self, feed: &Feed) -> About {
        let icon = feed.icon.as_ref().or(feed.logo.as_ref());
        About {
            format: format(&feed.feed_type),
            title: self.line(feed.title.as_ref()),
            description: self.line(feed.description.as_ref()),
            home_page_url: page(&feed.links).and_then(|link| self.links.absolute(&link.href)),
            icon: icon.and_then(|image| self.links.absolute(&image.uri)),
            language: feed.language.clone(),
            date_modified: feed.updated.or(feed.published).and_then(date),
            authors: self.authors(&feed.authors),
        }
    }

    fn item(&self, entry: Entry) -> Item {
        let content = entry.content.as_ref().and_then(|content| self.content(content));
        let short = entry.summary.as_ref();
        let summary = short.filter(|_| content.is_some()).and_then(|text| self.line(Some(text)));
        let mut item = Item {
            id: one_line(&entry.id),
            url: page(&entry.links).and_then(|link| self.links.absolute(&link.href)),
            title: self.line(entry.title.as_ref()),
            content_html: content.or_else(|| short.and_then(|text| self.html(text))),
            summary: summary.map(|text| text.chars().take(MAX_SUMMARY).collect()),
            image: self.image(&entry.media),
            date_published: entry.published.and_then(date),
            date_modified: entry.updated.and_then(date),
            authors: self.authors(&entry.authors),
            tags: tags(&entry),
            attachments: self.attachments(&entry),
        };
        if item.id.is_empty() {
            item.id = id_of(&item);
        }
        item
    }

    /// Text without markup, in one line.
    fn line(&self, text: Option<&Text>) -> Option<String> {
        let text = text?;
        let line = if is_html(text.content_type.as_str()) {
            self.cleaner.text(&text.content)
        } else {
            one_line(&text.content)
        };
        Some(line).filter(|line| !line.is_empty())
    }

    fn html(&self, text: &Text) -> Option<String> {
        self.markup(text.content_type.as_str(), &text.content)
    }

    fn content(&self, content: &Content) -> Option<String> {
        self.markup(content.content_type.as_str(), content.body.as_deref()?)
    }

    /// What can be shown as HTML: HTML and plain text.
    fn markup(&self, kind: &str, text: &str) -> Option<String> {
        let html = if is_html(kind) {
            self.cleaner.harmless(text)
        } else if kind.starts_with("text/plain") {
            escaped(text)
        } else {
            return None;
        };
        Some(html).filter(|html| !html.is_empty())
    }

    fn authors(&self, people: &[Person]) -> Vec<Author> {
        let author = |person: &Person| Author {
            name: person.name.as_deref().map(one_line).filter(|name| !name.is_empty()),
            url: person.uri.as_ref().and_then(|uri| self.links.absolute(uri)),
        };
        let mut authors: Vec<Author> = Vec::new();
        for author in people.iter().map(author) {
            let says_something = author.name.is_some() || author.url.is_some();
            if says_something && !authors.contains(&author) {
                authors.push(author);
            }
        }
        authors
    }

    fn image(&self, media: &[MediaObject]) -> Option<String> {
        let mut thumbnails = media.iter().flat_map(|media| &media.thumbnails);
        thumbnails.find_map(|thumbnail| self.links.absolute(&thumbnail.image.uri))
    }

    fn attachments(&self, entry: &Entry) -> Vec<Attachment> {
        let media = entry.media.iter().flat_map(|media| {
            let whole = media.duration;
            media.content.iter().filter_map(move |content| {
                let mime_type = content.content_type.as_ref().map(|kind| kind.as_str().to_owned());
                Some(Attachment {
                    url: self.links.absolute(content.url.as_ref()?.as_str())?,
                    mime_type: mime_type.unwrap_or_else(|| UNKNOWN_TYPE.to_owned()),
                    size_in_bytes: content.size,
                    duration_in_seconds: content.duration.or(whole).map(|it| it.as_secs()),
                })
            })
        });
        let linked = entry.links.iter().filter(|link| is_attachment(link)).filter_map(|link| {
            Some(Attachment {
                url: self.links.absolute(&link.href)?,
                mime_type: link.media_type.clone().unwrap_or_else(|| UNKNOWN_TYPE.to_owned()),
                size_in_bytes: link.length,
                duration_in_seconds: None,
            })
        });
        let mut urls = HashSet::new();
        media.chain(linked).filter(|attachment| urls.insert(attachment.url.clone())).collect()
    }
}

/// The link to a page, of several the one that says so.
fn page(links: &[Link]) -> Option<&Link> {
    let pages = || {
        links.iter().filter(|link| {
            matches!(link.rel.as_deref(), None | Some("alternate")) && !is_attachment(link)
        })
    };
    let html = |link: &&Link| link.media_type.as_deref().is_none_or(is_html);
    pages().find(html).or_else(|| pages().next())
}

/// JSON Feed has no relations: whatever has a type and is no page is attached.
fn is_attachment(link: &Link) -> bool {
    match link.rel.as_deref() {
        Some(rel) => rel == "enclosure",
        None => link.media_type.as_deref().is_some_and(|kind| !is_html(kind)),
    }
}

fn is_html(kind: &str) -> bool {
    kind.starts_with("text/html") || kind.starts_with("application/xhtml+xml")
}

fn tags(entry: &Entry) -> Vec<String> {
    let mut tags = Vec::new();
    for category in &entry.categories {
        let tag = one_line(category.label.as_ref().unwrap_or(&category.term));
        if !tag.is_empty() && !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    tags
}

/// An id for an item that has none, the same each time.
fn id_of(item: &Item) -> String {
    let mut hash = Sha256::new();
    let parts = match (&item.url, &item.title) {
        (None, None) => [item.content_html.as_deref(), item.date_published.as_deref()],
        (url, title) => [url.as_deref(), title.as_deref()],
    };
    for part in parts {
        hash.update(part.unwrap_or_default());
        hash.update([0]);
    }
    hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// As RFC 3339 writes dates, which has four digits for the year.
fn date(date: DateTime<Utc>) -> Option<String> {
    let writable = (0..=9999).contains(&date.year());
    writable.then(|| date.to_rfc3339_opts(SecondsFormat::Secs, true))
}

fn format(kind: &FeedType) -> Format {
    match kind {
        FeedType::Atom => Format::Atom,
        FeedType::JSON => Format::JsonFeed,
        FeedType::RSS0 => Format::Rss0,
        FeedType::RSS1 => Format::Rss1,
        FeedType::RSS2 => Format::Rss2,
    }
}
