use std::fmt;

use crate::{
    excerpt::{Excerpt, FilePlace, KeyNames, SourceText},
    key_path::KeyPath,
    origin::Origin,
};

/// One thing that is wrong with the configuration: the key, what is wrong, where the value comes
/// from, and what to do.
///
/// A fault of a section's own check is made by [`Faults::add`]; all others are found while a
/// configuration is loaded and bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub(crate) key: KeyPath,
    // The key with the value that it has; empty where the value must not be shown.
    subject: Box<str>,
    pub(crate) what: Box<str>,
    pub(crate) origin: Box<str>,
    pub(crate) cure: Option<Box<str>>,
    others: Box<[KeyPath]>,
    kind: FaultKind,
    spot: Option<Box<Spot>>,
}

/// What a fault is about in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Spot {
    place: FilePlace,
    excerpt: Option<Excerpt>,
    // The file that could not be understood, until it is known what in it is a secret.
    text: Option<SourceText>,
}

/// Whether a source cannot be read, or what it says is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultKind {
    File,
    Value,
}

/// What a section's own check finds: see [`Settings::validate`](crate::Settings::validate).
///
/// # Examples
///
/// ```
/// use framework_config::Faults;
///
/// let mut faults = Faults::new();
/// faults.add("page_size", "must be at least 1").cure("write 20");
/// assert_eq!(faults.len(), 1);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    found: Vec<Fault>,
}

// ===== impl Fault =====

impl Fault {
    /// A source that cannot be read; `place` is a file, perhaps with line and column.
    pub(crate) fn file(place: impl Into<Box<str>>, what: impl Into<Box<str>>) -> Self {
        Self { kind: FaultKind::File, ..Self::new(KeyPath::default(), what.into(), place.into()) }
    }

    /// A source that cannot be read on from `origin`.
    pub(crate) fn file_at(origin: &Origin, what: impl Into<Box<str>>) -> Self {
        Self::file(origin.to_string(), what).at(origin)
    }

    /// A wrong value, or a wrong key.
    pub(crate) fn value(key: KeyPath, what: impl Into<Box<str>>, origin: &Origin) -> Self {
        Self::new(key, what.into(), origin.to_string().into()).at(origin)
    }

    /// Says at which place of a file the fault is, if `origin` is one.
    pub(crate) fn at(mut self, origin: &Origin) -> Self {
        let spot = |place| Box::new(Spot { place, excerpt: None, text: None });
        self.spot = FilePlace::of(origin).map(spot);
        self
    }

    fn new(key: KeyPath, what: Box<str>, origin: Box<str>) -> Self {
        let subject = key.to_string().into();
        Self {
            key,
            subject,
            what,
            origin,
            cure: None,
            others: Box::default(),
            kind: FaultKind::Value,
            spot: None,
        }
    }

    /// Shows the value beside the key.
    pub(crate) fn showing(mut self, value: Option<String>) -> Self {
        if let Some(value) = value {
            self.subject = format!("{} = {value}", self.key).into();
        }
        self
    }

    pub(crate) fn cured_by(mut self, cure: Option<String>) -> Self {
        self.cure = cure.map(Into::into);
        self
    }

    /// What a person reads, in this order: of a value first its key, of a file first its place.
    fn cells(&self) -> [&str; 4] {
        let cure = self.cure.as_deref().unwrap_or_default();
        match self.kind {
            FaultKind::Value => [&self.subject, &self.what, &self.origin, cure],
            FaultKind::File => [&self.origin, &self.what, "", cure],
        }
    }

    pub(crate) fn kind(&self) -> FaultKind {
        self.kind
    }

    pub(crate) fn others(&self) -> &[KeyPath] {
        &self.others
    }

    pub(crate) fn place(&self) -> Option<&FilePlace> {
        self.spot.as_ref().map(|spot| &spot.place)
    }

    pub(crate) fn show(&mut self, excerpt: Excerpt) {
        if let Some(spot) = &mut self.spot {
            spot.excerpt = Some(excerpt);
        }
    }

    /// Shows the form of the file that could not be understood.
    pub(crate) fn in_text(mut self, text: &SourceText) -> Self {
        if let Some(spot) = &mut self.spot {
            spot.excerpt = Some(Excerpt::of_unparsed(&spot.place, text));
            spot.text = Some(text.clone());
        }
        self
    }

    /// Shows more of a file that could not be understood, if what the keys are called says
    /// that no secret is near.
    pub(crate) fn reveal(&mut self, names: &KeyNames) {
        let Some(spot) = &mut self.spot else { return };
        if let Some(text) = spot.text.take() {
            spot.excerpt = Some(Excerpt::of_unparsed_beside(&spot.place, &text, names));
        }
    }

    /// Says what to do, in a few words: `write 20`.
    pub fn cure(&mut self, cure: impl Into<String>) -> &mut Self {
        self.cure = Some(cure.into().into());
        self
    }

    /// Names another key of the section that has to do with the fault, so that its place is shown
    /// too: the lower bound that an upper bound is compared with.
    pub fn with(&mut self, key: &str) -> &mut Self {
        let others = std::mem::take(&mut self.others).into_iter();
        self.others = others.chain([KeyPath::dotted(key)]).collect();
        self
    }

    /// The key, from the section on: `http.addr`. Empty if a whole file is wrong.
    #[must_use]
    pub fn key(&self) -> String {
        self.key.to_string()
    }

    /// What is wrong: `unknown key`.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Where the value comes from: `config/app.toml:4:1`, `env SHOP_HTTP__ADDR`, `--set`.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The lines of the file that the fault is about, secrets left out; `None` if it is about no
    /// place in a file.
    #[must_use]
    pub fn excerpt(&self) -> Option<&Excerpt> {
        self.spot.as_ref()?.excerpt.as_ref()
    }

    /// What to do about it, if that is known.
    #[must_use]
    pub fn cure_text(&self) -> Option<&str> {
        self.cure.as_deref()
    }
}

/// Shows the fault in one line.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cells = self.cells();
        let cells: Vec<_> = cells.into_iter().filter(|cell| !cell.is_empty()).collect();
        f.write_str(&cells.join("   "))
    }
}

// ===== impl Faults =====

impl Faults {
    /// Starts with nothing found.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a fault of the key `key`, which is relative to the section (`"page_size"`,
    /// `"pool.max"`); an empty key means the section as a whole. `what` says what is wrong, in the
    /// form "must be at least 1", and never repeats a secret.
    pub fn add(&mut self, key: &str, what: impl Into<String>) -> &mut Fault {
        let place = self.found.len();
        self.found.push(Fault::value(KeyPath::dotted(key), what.into(), &Origin::Default));
        &mut self.found[place]
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// How many faults were found.
    #[must_use]
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// The faults, in the order in which they were found.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.found.iter()
    }

    pub(crate) fn into_vec(self) -> Vec<Fault> {
        self.found
    }
}

/// The faults as lines whose columns line up; a column that is empty in every line is left out.
pub(crate) fn columns(faults: &[Fault]) -> Vec<String> {
    let rows: Vec<_> = faults.iter().map(Fault::cells).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths = [0, 1, 2, 3].map(|column| width(column).unwrap_or(0));
    let line = |row: &[&str; 4]| {
        let cells = row.iter().zip(widths).filter(|(_, width)| *width > 0);
        let cells: Vec<_> = cells.map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("   ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}
