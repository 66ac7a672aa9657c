//! What the files of a configuration say, with what they include.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use zeroize::Zeroizing;

use crate::{
    excerpt::{FilePlace, SourceText, Texts},
    fault::Fault,
    file_watch::{Fingerprint, hash_of},
    files::{self, Unreadable},
    include::{self, Include},
    node::Node,
    origin::Origin,
    parse::{self, Format},
};

/// How many files may be included, all together.
const MAX_INCLUDES: usize = 32;

/// The name of a file, and what it says.
pub(crate) type FileLayer = (String, Node);

/// Reads files, each with what it includes before it, and keeps everything that is wrong with them.
#[derive(Default)]
pub(crate) struct Reading {
    /// What stands in for the files at these paths.
    instead: BTreeMap<PathBuf, String>,
    pub(crate) texts: Texts,
    pub(crate) faults: Vec<Fault>,
    pub(crate) touched: Touched,
    included: usize,
}

/// Every file that was read, or would be if it were there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Touched {
    pub(crate) files: Vec<PathBuf>,
    /// Directories with the patterns of the files in them.
    pub(crate) patterns: Vec<(PathBuf, String)>,
    /// What those held that could be read.
    pub(crate) read: Fingerprint,
}

impl Reading {
    /// Reads files, but takes the texts in `instead` for those at their paths.
    pub(crate) fn with(instead: BTreeMap<PathBuf, String>) -> Self {
        Self { instead, ..Self::default() }
    }

    /// Reads the file `name` of `directory`, in whatever format it is there; nothing if it is not.
    pub(crate) fn named(&mut self, directory: &Path, name: &str) -> Vec<FileLayer> {
        let paths = files::named(directory, name);
        let is_there = |path: &&PathBuf| self.instead.contains_key(*path) || path.exists();
        let found: Vec<&PathBuf> = paths.iter().filter(is_there).collect();
        match found[..] {
            [] => Vec::new(),
            [path] => self.file(path),
            _ => {
                let names: Vec<_> = found.iter().map(|path| path.display().to_string()).collect();
                let mut fault = Fault::file(names.join(", "), "the same file in several formats");
                fault.cure("keep one of them");
                self.faults.push(fault);
                Vec::new()
            }
        }
    }

    /// Reads the file at `path`, which must be there: what it includes first, then itself.
    pub(crate) fn file(&mut self, path: &Path) -> Vec<FileLayer> {
        let mut layers = Vec::new();
        self.file_within(path, &mut Vec::new(), None, &mut layers);
        layers
    }

    /// Takes TOML that is in memory already.
    pub(crate) fn text(&mut self, name: &str, text: &str) -> Option<FileLayer> {
        let text = SourceText::new(Zeroizing::new(text.to_owned()));
        let mut node = self.parse(Format::Toml, name, text)?;
        if let Some(include) = include::take(&mut node) {
            let place = include.place().clone();
            self.faults.push(Fault::file_at(&place, "only a file can include others"));
        }
        Some((name.to_owned(), node))
    }

    /// Takes the text of a file that was read before, without what it includes.
    pub(crate) fn kept(&mut self, name: &str, text: &str) -> Option<FileLayer> {
        let format = Format::of(name).unwrap_or(Format::Toml);
        let text = SourceText::new(Zeroizing::new(text.to_owned()));
        let mut node = self.parse(format, name, text)?;
        // Those files are kept beside this one.
        drop(include::take(&mut node));
        Some((name.to_owned(), node))
    }

    /// Reads a file that `by` includes, which `chain` leads to.
    fn file_within(
        &mut self,
        path: &Path,
        chain: &mut Vec<PathBuf>,
        by: Option<&Origin>,
        layers: &mut Vec<FileLayer>,
    ) {
        self.touched.files.push(path.to_owned());
        let name = path.display().to_string();
        let Some(format) = Format::of(&name) else {
            let mut fault = place(by, &name, "the format cannot be told from the name");
            fault.cure("name the file .toml, .yaml or .json");
            return self.faults.push(fault);
        };
        let text = match self.text_of(path) {
            Ok(text) => {
                self.touched.read.note(path, &text);
                SourceText::new(text)
            }
            Err(unreadable) => return self.faults.push(unreadable.fault(&name, by)),
        };
        let Some(mut node) = self.parse(format, &name, text) else { return };
        if let Some(include) = include::take(&mut node) {
            // Two names of one file are one file.
            chain.push(path.canonicalize().unwrap_or_else(|_| path.to_owned()));
            self.include(path, &include, chain, layers);
            chain.pop();
        }
        layers.push((name, node));
    }

    fn include(
        &mut self,
        path: &Path,
        include: &Node,
        chain: &mut Vec<PathBuf>,
        layers: &mut Vec<FileLayer>,
    ) {
        for found in include::resolve(path, include) {
            let (paths, origin) = match found {
                Ok(Include::File { path, origin }) => (vec![path], origin),
                Ok(Include::Pattern { directory, pattern, origin }) => {
                    let paths = include::matching(&directory, &pattern);
                    self.touched.patterns.push((directory, pattern));
                    (paths, origin)
                }
                Err(fault) => {
                    self.faults.push(self.excerpted(fault));
                    continue;
                }
            };
            for path in paths {
                self.included += 1;
                if self.included > MAX_INCLUDES {
                    // Once is enough: each of the others would say the same.
                    if self.included == MAX_INCLUDES + 1 {
                        let what = format!("more than {MAX_INCLUDES} files are included");
                        self.faults.push(self.excerpted(Fault::file_at(&origin, what)));
                    }
                    return;
                }
                let own = path.canonicalize().unwrap_or_else(|_| path.clone());
                if chain.contains(&own) {
                    let what = format!("`{}` includes itself on the way to here", path.display());
                    self.faults.push(self.excerpted(Fault::file_at(&origin, what)));
                    continue;
                }
                let before = self.faults.len();
                self.file_within(&path, chain, Some(&origin), layers);
                for at in before..self.faults.len() {
                    self.faults[at] = self.excerpted(self.faults[at].clone());
                }
            }
        }
    }

    fn text_of(&self, path: &Path) -> Result<Zeroizing<String>, Unreadable> {
        match self.instead.get(path) {
            Some(text) => Ok(Zeroizing::new(text.clone())),
            None => files::text(path),
        }
    }

    fn parse(&mut self, format: Format, name: &str, text: SourceText) -> Option<Node> {
        let parsed = parse::parse(format, name, text.as_str());
        let node = match parsed {
            Ok(node) => Some(node),
            Err(fault) => {
                self.faults.push(fault.in_text(&text));
                None
            }
        };
        self.texts.insert(name.into(), text);
        node
    }

    /// Shows the lines that a fault is about, of a file that was understood. Names of files are no
    /// secrets, but what stands around them may be one.
    fn excerpted(&self, fault: Fault) -> Fault {
        if fault.excerpt().is_some() {
            return fault;
        }
        let path: Option<Arc<str>> = fault.place().map(|place: &FilePlace| Arc::clone(&place.path));
        match path.and_then(|path| self.texts.get(&path)) {
            Some(text) => fault.in_text(text),
            None => fault,
        }
    }
}

impl Touched {
    /// Every file that is meant, as it is now.
    pub(crate) fn paths(&self) -> impl Iterator<Item = PathBuf> {
        let matching = |(directory, pattern): &(PathBuf, String)| {
            // The directory itself is watched by way of a file in it, even if there is none.
            let mut paths = include::matching(directory, pattern);
            paths.push(directory.join(pattern));
            paths
        };
        self.files.iter().cloned().chain(self.patterns.iter().flat_map(matching))
    }

    /// The patterns, each with a number for the names of the files that match it now.
    pub(crate) fn matches(&self) -> impl Iterator<Item = (PathBuf, Option<u64>)> {
        self.patterns.iter().map(|(directory, pattern)| {
            let names: Vec<_> = include::matching(directory, pattern)
                .iter()
                .map(|path| path.as_os_str().as_encoded_bytes().to_vec())
                .collect();
            (directory.join(pattern), Some(hash_of(&names.join(&0))))
        })
    }
}

/// A fault of the file called `name`, at the place that asked for it.
fn place(by: Option<&Origin>, name: &str, what: &str) -> Fault {
    match by {
        Some(origin) => Fault::file_at(origin, format!("`{name}`: {what}")),
        None => Fault::file(name, what),
    }
}

impl Unreadable {
    fn fault(self, name: &str, by: Option<&Origin>) -> Fault {
        match self.at {
            Some((line, column)) => {
                Fault::file_at(&Origin::File { path: name.into(), line, column }, self.reason)
            }
            None => place(by, name, &self.reason),
        }
    }
}
