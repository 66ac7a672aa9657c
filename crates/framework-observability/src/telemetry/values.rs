use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};

/// The values of one span or event. Most spans end without an event that would show them, so they
/// are kept as they came, in few pieces: the texts one after the other.
#[derive(Clone, Default)]
pub(super) struct Values {
    entries: Vec<(&'static str, Kept)>,
    text: String,
}

#[derive(Clone, Copy)]
enum Kept {
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    /// A string, which is quoted where quotes mark strings.
    Quoted {
        from: usize,
        to: usize,
    },
    /// What a value looks like.
    Shown {
        from: usize,
        to: usize,
    },
}

/// How much text a value is expected to be.
const TEXT: usize = 24;

impl Values {
    /// Room for `count` values.
    pub(super) fn with_capacity(count: usize) -> Self {
        Self { entries: Vec::with_capacity(count), text: String::with_capacity(count * TEXT) }
    }

    pub(super) fn text(pairs: &[(&'static str, &str)]) -> Self {
        let mut values = Self::with_capacity(pairs.len());
        for (name, text) in pairs {
            values.put_str(name, text);
        }
        values
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Takes a value out, as text.
    pub(super) fn take_text(&mut self, name: &str) -> Option<String> {
        let at = self.entries.iter().position(|(known, _)| *known == name)?;
        let (_, kept) = self.entries.remove(at);
        match self.value(kept) {
            Value::String(text) => Some(text),
            other => Some(other.to_string()),
        }
    }

    pub(super) fn json(&self) -> impl Iterator<Item = (&'static str, Value)> + '_ {
        self.entries.iter().map(|&(name, kept)| (name, self.value(kept)))
    }

    pub(super) fn to_map(&self) -> Map<String, Value> {
        self.json().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn value(&self, kept: Kept) -> Value {
        match kept {
            Kept::Bool(value) => value.into(),
            Kept::Signed(value) => value.into(),
            Kept::Unsigned(value) => value.into(),
            // JSON has no word for what is not a number.
            Kept::Float(value) if !value.is_finite() => value.to_string().into(),
            Kept::Float(value) => value.into(),
            Kept::Quoted { from, to } | Kept::Shown { from, to } => self.text[from..to].into(),
        }
    }

    fn put(&mut self, name: &'static str, value: Kept) {
        // A raw identifier's `r#` is Rust's business.
        let name = name.trim_start_matches("r#");
        match self.entries.iter_mut().find(|(known, _)| *known == name) {
            // Recorded again; what text there was stays where it is, unseen.
            Some((_, old)) => *old = value,
            None => self.entries.push((name, value)),
        }
    }

    fn put_str(&mut self, name: &'static str, value: &str) {
        let from = self.text.len();
        self.text.push_str(value);
        self.put(name, Kept::Quoted { from, to: self.text.len() });
    }

    fn put_shown(&mut self, name: &'static str, value: fmt::Arguments<'_>) {
        let from = self.text.len();
        // What fails in the middle is shown as far as it came.
        let _ = fmt::Write::write_fmt(&mut self.text, value);
        self.put(name, Kept::Shown { from, to: self.text.len() });
    }
}

/// `name=value`, with a space between two.
impl fmt::Display for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, &(name, kept)) in self.entries.iter().enumerate() {
            if at > 0 {
                f.write_str(" ")?;
            }
            match kept {
                Kept::Quoted { from, to } => write!(f, "{name}={:?}", &self.text[from..to])?,
                Kept::Shown { from, to } => write!(f, "{name}={}", &self.text[from..to])?,
                Kept::Bool(value) => write!(f, "{name}={value}")?,
                Kept::Signed(value) => write!(f, "{name}={value}")?,
                Kept::Unsigned(value) => write!(f, "{name}={value}")?,
                Kept::Float(value) => write!(f, "{name}={value}")?,
            }
        }
        Ok(())
    }
}

impl Visit for Values {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put_shown(field.name(), format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put_str(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), Kept::Bool(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), Kept::Signed(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), Kept::Unsigned(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field.name(), Kept::Float(value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let chain = std::iter::successors(Some(value), |error| error.source());
        let texts: Vec<_> = chain.map(ToString::to_string).collect();
        self.put_shown(field.name(), format_args!("{}", texts.join(": ")));
    }
}
