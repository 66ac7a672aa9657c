use std::{fmt, sync::Arc};

use arc_swap::ArcSwap;
use tracing_subscriber::filter::Directive;

use super::filter::{LogFilter, Rules};

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Shows how much a running process logs, and changes it. Clones speak of the same process.
///
/// # Examples
///
/// ```
/// use framework_observability::LogLevel;
///
/// let level = LogLevel::detached();
/// assert_eq!(level.set("inof").unwrap_err().to_string(),
///     "`inof` is not a log level: did you mean `info`?");
/// ```
#[derive(Clone)]
pub struct LogLevel {
    inner: Arc<Inner>,
}

struct Inner {
    text: ArcSwap<String>,
    // Without one, somebody else decides what is logged.
    filter: Option<LogFilter>,
}

/// Why the log level stays as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogLevelError {
    /// Nothing was given.
    #[error("a log level is missing: one of off, error, warn, info, debug, trace")]
    Empty,
    /// It is one word, and not a level.
    #[error("`{given}` is not a log level: {cure}")]
    Unknown {
        /// What was given.
        given: String,
        /// What to write instead.
        cure: String,
    },
    /// A part of it cannot be understood.
    #[error("cannot read `{directive}` as `target=level`: {reason}")]
    Directive {
        /// The part between two commas.
        directive: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The process logs through a subscriber that is not the framework's.
    #[error(
        "this process logs through a subscriber of its own, whose level cannot be changed here"
    )]
    Detached,
}

// ===== impl LogLevel =====

impl LogLevel {
    pub(super) fn of(text: &str, filter: LogFilter) -> Self {
        let text = ArcSwap::from_pointee(text.to_owned());
        Self { inner: Arc::new(Inner { text, filter: Some(filter) }) }
    }

    /// A handle for a process that logs through a subscriber of its own: [`set`](Self::set) checks
    /// what it is given, and then refuses.
    #[must_use]
    pub fn detached() -> Self {
        Self { inner: Arc::new(Inner { text: ArcSwap::default(), filter: None }) }
    }

    /// The filter in force, as it was given; `None` when somebody else decides.
    #[must_use]
    pub fn get(&self) -> Option<Arc<String>> {
        self.inner.filter.as_ref().map(|_| self.inner.text.load_full())
    }

    /// Puts another filter in force at once, for every thread.
    ///
    /// # Errors
    ///
    /// When `filter` cannot be understood, or the process logs through a subscriber of its own.
    /// What was in force stays.
    pub fn set(&self, filter: &str) -> Result<(), LogLevelError> {
        let parsed = parse(filter)?;
        self.inner.filter.as_ref().ok_or(LogLevelError::Detached)?.set(parsed);
        self.inner.text.store(Arc::new(filter.trim().to_owned()));
        Ok(())
    }
}

impl fmt::Debug for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LogLevel").field(&self.get()).finish()
    }
}

/// Reads a filter, and says which part of it is wrong.
pub(super) fn parse(text: &str) -> Result<Rules, LogLevelError> {
    let parts: Vec<&str> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        [] => return Err(LogLevelError::Empty),
        // As a rule a lone word is a crate of that name, and everything else falls silent:
        // never what a mistyped level is meant to do.
        [word] if is_unknown_word(word) => return Err(unknown(word)),
        _ => {}
    }
    let directives = parts.iter().map(|part| parse_part(part)).collect::<Result<_, _>>()?;
    Ok(Rules::of(&parts, directives))
}

fn parse_part(part: &str) -> Result<Directive, LogLevelError> {
    part.parse().map_err(|error| LogLevelError::Directive {
        directive: part.to_owned(),
        reason: reason(part).unwrap_or_else(|| format!("{error}")),
    })
}

fn is_unknown_word(word: &str) -> bool {
    let word_like = word.chars().all(|c| c.is_ascii_alphabetic());
    word_like && !LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word))
}

fn unknown(word: &str) -> LogLevelError {
    let cure = match nearest(word) {
        Some(level) => format!("did you mean `{level}`?"),
        None => format!("for one part of the program, write `{word}=debug`"),
    };
    LogLevelError::Unknown { given: word.to_owned(), cure }
}

fn reason(part: &str) -> Option<String> {
    let (_, level) = part.rsplit_once('=')?;
    Some(match nearest(level) {
        Some(near) => format!("`{level}` is not a level, did you mean `{near}`?"),
        None => format!("`{level}` is not one of {}", LEVELS.join(", ")),
    })
}

fn nearest(word: &str) -> Option<&'static str> {
    let word = word.to_ascii_lowercase();
    let distance = |level: &&str| strsim::damerau_levenshtein(level, &word);
    LEVELS.into_iter().min_by_key(distance).filter(|level| distance(level) <= 2)
}
