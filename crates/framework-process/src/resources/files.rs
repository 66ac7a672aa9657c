//! Small files of the kernel: what is in them, or that it is not known.

use std::{
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
};

/// None of the files that are read is anywhere near as long.
const MAX_BYTES: u64 = 1 << 20;

/// The files below a directory: `/`, or what a test has put in its place.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    root: PathBuf,
}

impl Tree {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    pub(super) fn text(&self, path: impl AsRef<Path>) -> Option<String> {
        let file = File::open(self.root.join(path)).ok()?;
        let mut text = String::new();
        file.take(MAX_BYTES).read_to_string(&mut text).ok()?;
        Some(text)
    }

    pub(super) fn is_directory(&self, path: impl AsRef<Path>) -> bool {
        self.root.join(path).is_dir()
    }

    /// How many entries a directory has; `None` if it has none, or cannot be read.
    pub(super) fn entries(&self, path: impl AsRef<Path>) -> Option<u64> {
        let entries = fs::read_dir(self.root.join(path)).ok()?;
        u64::try_from(entries.count()).ok().filter(|&count| count > 0)
    }
}

/// What the kernel puts around a word; other space is part of it, and makes no sense there.
const SPACE: [char; 3] = [' ', '\t', '\n'];

/// Reads one number, and nothing else.
pub(super) fn number(text: &str) -> Option<u64> {
    let text = text.trim_matches(SPACE);
    // Rust would take a sign as well, and zeros in front, of which the kernel writes none: they are
    // what is left of another number.
    let whole = text == "0" || !text.starts_with('0');
    let digits = whole && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// Reads `key 42` in a line of its own; `key: 42 kB` if `key` has the colon.
pub(super) fn keyed<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    text.lines().find_map(|line| {
        let rest = line.strip_prefix(key)?;
        rest.starts_with([' ', '\t']).then(|| rest.trim_matches(SPACE))
    })
}

/// As [`keyed`], a number.
pub(super) fn keyed_number(text: &str, key: &str) -> Option<u64> {
    keyed(text, key).and_then(number)
}

/// As [`keyed`], a number of bytes that the file has in units of 1024.
pub(super) fn keyed_kib(text: &str, key: &str) -> Option<u64> {
    let kib = keyed(text, key)?.strip_suffix("kB").and_then(number)?;
    kib.checked_mul(1024)
}

/// Reads the share of the last 10 s in which at least one task waited, 0 to 1.
pub(super) fn stall(text: &str) -> Option<f64> {
    let average = keyed(text, "some")?.split_whitespace().find_map(|it| it.strip_prefix("avg10="));
    let percent: f64 = decimal(average?)?;
    (0.0..=100.0).contains(&percent).then_some(percent / 100.0)
}

/// Reads `1.23`, and no `inf`, `nan` or `1e9`.
fn decimal(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    plain.then(|| text.parse().ok()).flatten()
}

/// Reads `150000 100000` as 1.5; `max 100000` is no quota.
pub(super) fn quota(text: &str) -> Option<f64> {
    let (quota, period) = text.trim().split_once(' ')?;
    ratio(number(quota)?, number(period)?)
}

/// How often `whole` is in `part`; `None` for what can be no quota.
pub(super) fn ratio(part: u64, whole: u64) -> Option<f64> {
    (part > 0 && whole > 0).then(|| part as f64 / whole as f64)
}
