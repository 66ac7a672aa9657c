//! The limits of a container, as version 2 of control groups has them.
//!
//! Version 1 is not read: the machine's own numbers stand in for it.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// What a control group, or one above it, allows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Limits {
    /// The most CPUs, parts of one included.
    pub(super) cpus: Option<f64>,
    /// The most memory, in bytes, and how much of that is in use.
    pub(super) memory: Option<(u64, u64)>,
}

impl Limits {
    /// Reads the limits of the group that `membership` (the text of `/proc/self/cgroup`) names
    /// below `root`. The tightest limit on the way up counts.
    pub(super) fn read(root: &Path, membership: &str) -> Self {
        let mut limits = Self::default();
        let group = group(membership).unwrap_or_default();
        for directory in group.ancestors().map(|part| root.join(part)) {
            limits.tighten(&directory);
        }
        limits
    }

    fn tighten(&mut self, directory: &Path) {
        let read = |file| fs::read_to_string(directory.join(file)).ok();
        if let Some(cpus) = read("cpu.max").as_deref().and_then(cpu_max) {
            self.cpus = Some(self.cpus.map_or(cpus, |other| other.min(cpus)));
        }
        let Some(limit) = read("memory.max").and_then(number) else { return };
        let Some(used) = read("memory.current").and_then(number) else { return };
        if self.memory.is_none_or(|(other, _)| limit < other) {
            self.memory = Some((limit, used));
        }
    }
}

/// The path of the group, relative to the root of the hierarchy.
fn group(membership: &str) -> Option<PathBuf> {
    let path = membership.lines().find_map(|line| line.strip_prefix("0::/"))?;
    // A process that was moved out of the visible hierarchy has a path that leads out of it.
    let inside = !Path::new(path).components().any(|part| part.as_os_str() == "..");
    inside.then(|| PathBuf::from(path))
}

/// Reads `150000 100000` as 1.5; `max 100000` is no limit.
fn cpu_max(text: &str) -> Option<f64> {
    let (quota, period) = text.trim().split_once(' ')?;
    let (quota, period): (f64, f64) = (quota.parse().ok()?, period.parse().ok()?);
    (quota > 0.0 && period > 0.0).then(|| quota / period)
}

/// Reads a number of bytes; `max` is no limit.
fn number(text: String) -> Option<u64> {
    text.trim().parse().ok()
}
