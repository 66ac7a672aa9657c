use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use feed_rs::parser::{Builder, ParseErrorKind, ParseFeedError};
use framework::{
    prelude::*,
    process::{Job, JobError},
};
use url::Url;

use super::{
    Document, Fault, ParseError, Place,
    normalize::normalize,
    scan::{json_error, scan_json, scan_xml},
    source::{Kind, Source},
};

/// How long one document may take, waiting included.
const LIMIT: Duration = Duration::from_secs(10);

/// Understands documents, on the worker pool.
#[derive(Clone, Debug)]
pub struct Parser {
    pool: Arc<WorkerPool>,
}

impl Parser {
    /// A parser that works on `pool`.
    #[must_use]
    pub fn new(pool: Arc<WorkerPool>) -> Self {
        Self { pool }
    }

    /// Understands `document`; relative links in it are read from `at`.
    ///
    /// # Errors
    ///
    /// Returns an error if it is no feed, or there is no time for it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use feeds::parsing::{Format, Parser};
    /// use framework::{prelude::WorkerPool, process::PoolSettings};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// let parser = Parser::new(Arc::new(WorkerPool::new(&PoolSettings::default())?));
    /// let rss = "<rss version='2.0'><channel><title>News</title></channel></rss>";
    /// let document = parser.parse(rss.into(), None).await?;
    /// assert_eq!(document.about.format, Format::Rss2);
    /// assert_eq!(document.about.title.as_deref(), Some("News"));
    ///
    /// let error = parser.parse("<rss>\n<chanel>".into(), None).await.unwrap_err();
    /// assert_eq!(error.to_string(), "line 1, column 1: `rss` does not say its version");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn parse(&self, document: Bytes, at: Option<Url>) -> Result<Document, ParseError> {
        let job = self.pool.job("parse").timeout(LIMIT);
        let parsed = job.run(move |job| parse(&document, at, job)).await;
        parsed.unwrap_or_else(|error| {
            Err(match error {
                JobError::TimedOut { .. } => ParseError::TooSlow,
                JobError::Panicked { .. } => ParseError::Panicked(error.into()),
                _ => ParseError::Busy,
            })
        })
    }
}

/// Understands a document on the thread that it is called on, which may take long: see
/// [`Parser::parse`].
///
/// # Errors
///
/// Returns an error if it is no feed, or nobody waits for it any more.
pub fn parse(document: &[u8], at: Option<Url>, job: &Job) -> Result<Document, ParseError> {
    let source = Source::read(document)?;
    match source.kind {
        Kind::Xml => scan_xml(&source.text, source.start, job)?,
        Kind::Json => scan_json(&source.text)?,
    }
    let parser = Builder::new()
        .base_uri(at.as_ref().map(Url::as_str))
        // Ours are the same each time.
        .id_generator(|_, _, _| String::new())
        .sanitize_content(false)
        .build();
    let text = &source.text[source.start..];
    let feed = parser.parse(text.as_bytes()).map_err(|error| explain(&source, error))?;
    job.check().map_err(|_| ParseError::TooSlow)?;
    normalize(feed, at, job)
}

/// What the parser says, with the place.
fn explain(source: &Source<'_>, error: ParseFeedError) -> ParseError {
    let text = &*source.text;
    let at = |position: u64| {
        let position = usize::try_from(position).unwrap_or_default();
        Place::at(text, source.start + position)
    };
    match error {
        ParseFeedError::JsonSerde(error) => json_error(text, &error, Fault::NotAFeed),
        ParseFeedError::JsonUnsupportedVersion(version) => {
            let place = Place::at(text, text.find("\"version\"").unwrap_or_default());
            let reason = format!("`{version}` is no version of JSON Feed that is known");
            ParseError::new(Fault::NotAFeed, place, reason)
        }
        ParseFeedError::ParseError(kind) => {
            let place = match &kind {
                ParseErrorKind::NoFeedRoot => at(0),
                ParseErrorKind::UnknownMimeType { position, .. }
                | ParseErrorKind::MissingContent { position, .. }
                | ParseErrorKind::UnknownEnumVariant { position, .. }
                | ParseErrorKind::IllegalState { position, .. } => at(*position),
            };
            let reason = match kind {
                ParseErrorKind::NoFeedRoot => "there is no `channel`".to_owned(),
                ParseErrorKind::UnknownMimeType { mime, .. } => {
                    format!("the media type `{mime}` is not known")
                }
                ParseErrorKind::MissingContent { reference, .. } => {
                    format!("`{reference}` is missing or empty")
                }
                ParseErrorKind::UnknownEnumVariant { reference, .. } => {
                    format!("`{reference}` is not one of the values that are known")
                }
                ParseErrorKind::IllegalState { reference, .. } => reference,
            };
            ParseError::new(Fault::Malformed, place, reason)
        }
        other => ParseError::new(Fault::Malformed, at(0), other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use framework::process::PoolSettings;

    use super::*;

    #[tokio::test]
    async fn documents_are_understood_on_the_pool() {
        let pool = Arc::new(WorkerPool::new(&PoolSettings::default()).unwrap());
        let parser = Parser::new(Arc::clone(&pool));
        parser.parse("<feed/>".into(), None).await.unwrap();
        assert_eq!(pool.stats().done, 1);
        // Where nobody works, nothing is understood.
        pool.drain(Duration::ZERO).await;
        let error = parser.parse("<feed/>".into(), None).await.unwrap_err();
        assert!(matches!(error, ParseError::Busy), "{error}");
    }
}
