//! The control groups that a process is in: version 2, version 1, or both side by side.

use std::path::{Path, PathBuf};

use super::{
    files::{Tree, keyed_number, number, quota, ratio, stall},
    reading::MemoryEvents,
};

/// Where the hierarchies are.
const MOUNT: &str = "sys/fs/cgroup";

/// No group is nested deeper, and nobody walks further.
const MAX_DEPTH: usize = 64;

/// Version 1 writes the largest number of whole pages where there is no limit.
const NO_LIMIT: u64 = 1 << 60;

/// The directories of the groups that the process is in, each hierarchy from its own group up.
#[derive(Debug, Default)]
pub(super) struct Groups {
    unified: Vec<PathBuf>,
    memory: Vec<PathBuf>,
    cpu: Vec<PathBuf>,
    accounting: Vec<PathBuf>,
}

/// What the groups say of memory.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct GroupMemory {
    pub(super) limit_bytes: Option<u64>,
    pub(super) used_bytes: Option<u64>,
    pub(super) ratio: Option<f64>,
    pub(super) events: MemoryEvents,
    pub(super) stall_ratio: Option<f64>,
}

/// What the groups say of processor time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct GroupCpu {
    pub(super) quota: Option<f64>,
    pub(super) used_nanos: Option<u64>,
    pub(super) periods: Option<u64>,
    pub(super) throttled_periods: Option<u64>,
    pub(super) stall_ratio: Option<f64>,
}

/// The files of one version.
struct Files {
    limits: &'static [&'static str],
    used: &'static str,
    reclaimable: &'static str,
}

const V2: Files = Files {
    limits: &["memory.max", "memory.high"],
    used: "memory.current",
    reclaimable: "inactive_file",
};
const V1: Files = Files {
    limits: &["memory.limit_in_bytes"],
    used: "memory.usage_in_bytes",
    // Of the group and all below it, as its usage is.
    reclaimable: "total_inactive_file",
};

// ===== impl Groups =====

impl Groups {
    /// Finds them by what `/proc/self/cgroup` says.
    pub(super) fn find(tree: &Tree) -> Self {
        let membership = tree.text("proc/self/cgroup").unwrap_or_default();
        let hybrid = Path::new(MOUNT).join("unified");
        let mount = if tree.is_directory(&hybrid) { hybrid } else { MOUNT.into() };
        let unified = membership.lines().find_map(|line| line.strip_prefix("0::"));
        let v1 = |controller| {
            let (mount, group) = mounted(tree, &membership, controller)?;
            Some(upwards(tree, &mount, group))
        };
        Self {
            unified: unified.map(|group| upwards(tree, &mount, group)).unwrap_or_default(),
            memory: v1("memory").unwrap_or_default(),
            cpu: v1("cpu").unwrap_or_default(),
            accounting: v1("cpuacct").unwrap_or_default(),
        }
    }

    /// Memory by version 2, and by version 1 where that says nothing. A group that does not tell
    /// what it uses is taken to use what the process does.
    pub(super) fn memory(&self, tree: &Tree, rss_bytes: Option<u64>) -> GroupMemory {
        let unified = memory(tree, &self.unified, &V2, rss_bytes);
        let mut found = match unified.used_bytes.or(unified.limit_bytes) {
            Some(_) => unified,
            None => memory(tree, &self.memory, &V1, rss_bytes),
        };
        let own = |file| self.unified.first().and_then(|group| tree.text(group.join(file)));
        let events = own("memory.events").unwrap_or_default();
        let event = |name| keyed_number(&events, name);
        found.events =
            MemoryEvents { high: event("high"), max: event("max"), oom_kill: event("oom_kill") };
        found.stall_ratio = own("memory.pressure").as_deref().and_then(stall);
        found
    }

    /// Processor time, in the same way.
    pub(super) fn cpu(&self, tree: &Tree) -> GroupCpu {
        let own = |file| self.unified.first().and_then(|group| tree.text(group.join(file)));
        let stat = own("cpu.stat").unwrap_or_default();
        let used = keyed_number(&stat, "usage_usec").and_then(|micros| micros.checked_mul(1000));
        let used_v1 = || number(&tree.text(self.accounting.first()?.join("cpuacct.usage"))?);
        let (quota, throttling) = self.tightest_quota(tree);
        GroupCpu {
            quota,
            used_nanos: used.or_else(used_v1),
            periods: keyed_number(&throttling, "nr_periods"),
            throttled_periods: keyed_number(&throttling, "nr_throttled"),
            stall_ratio: own("cpu.pressure").as_deref().and_then(stall),
        }
    }

    /// The smallest quota, and the statistics of the group that has it: it is that one which holds
    /// the process up.
    fn tightest_quota(&self, tree: &Tree) -> (Option<f64>, String) {
        let of_v2 = |group: &PathBuf| quota(&tree.text(group.join("cpu.max"))?);
        let of_v1 = |group: &PathBuf| {
            let part = number(&tree.text(group.join("cpu.cfs_quota_us"))?)?;
            ratio(part, number(&tree.text(group.join("cpu.cfs_period_us"))?)?)
        };
        let v2 = self.unified.iter().filter_map(|group| Some((of_v2(group)?, group)));
        let v1 = self.cpu.iter().filter_map(|group| Some((of_v1(group)?, group)));
        let smallest = v2.chain(v1).min_by(|(one, _), (other, _)| one.total_cmp(other));
        let Some((quota, group)) = smallest else { return (None, String::new()) };
        (Some(quota), tree.text(group.join("cpu.stat")).unwrap_or_default())
    }
}

fn memory(tree: &Tree, groups: &[PathBuf], files: &Files, rss: Option<u64>) -> GroupMemory {
    let mut found = GroupMemory::default();
    for (depth, group) in groups.iter().enumerate() {
        let used = used(tree, group, files);
        if depth == 0 {
            found.used_bytes = used;
        }
        let limits = files.limits.iter().filter_map(|file| limit(&tree.text(group.join(file))?));
        let Some(limit) = limits.min() else { continue };
        found.limit_bytes = Some(found.limit_bytes.map_or(limit, |other| other.min(limit)));
        if let Some(used) = used.or(rss) {
            let ratio = used as f64 / limit as f64;
            found.ratio = Some(found.ratio.map_or(ratio, |other| other.max(ratio)));
        }
    }
    found
}

/// What a group uses and cannot give back at once. One that is said to use nothing is not
/// understood: this process is in it.
fn used(tree: &Tree, group: &Path, files: &Files) -> Option<u64> {
    let used = number(&tree.text(group.join(files.used))?)?;
    let reclaimable = keyed_number(&tree.text(group.join("memory.stat"))?, files.reclaimable)?;
    used.checked_sub(reclaimable).filter(|&used| used > 0)
}

/// A limit in bytes; `None` also for `max`, and for a limit below which there is nothing.
fn limit(text: &str) -> Option<u64> {
    number(text).filter(|&limit| limit > 0 && limit < NO_LIMIT)
}

/// The directories of `group` and of each group above it, as far as they can be seen: a container
/// often sees its own group as the root of the hierarchy, under a path of the machine's.
fn upwards(tree: &Tree, mount: &Path, group: &str) -> Vec<PathBuf> {
    let group = Path::new(group.trim_start_matches('/'));
    // A process that was moved out of the visible hierarchy has a path that leads out of it.
    let outside = group.components().any(|part| part.as_os_str() == "..");
    let group = if outside { Path::new("") } else { group };
    let directories = group.ancestors().map(|part| mount.join(part));
    directories.filter(|directory| tree.is_directory(directory)).take(MAX_DEPTH).collect()
}

/// Where version 1 has a controller, and the path of the group there. Controllers can share a
/// hierarchy, which then goes by all of their names.
fn mounted<'t>(tree: &Tree, membership: &'t str, controller: &str) -> Option<(PathBuf, &'t str)> {
    membership.lines().find_map(|line| {
        let (_, line) = line.split_once(':')?;
        let (controllers, group) = line.split_once(':')?;
        controllers.split(',').find(|name| *name == controller)?;
        let mounts = [controller, controllers].map(|name| Path::new(MOUNT).join(name));
        let mount = mounts.into_iter().find(|mount| tree.is_directory(mount))?;
        Some((mount, group))
    })
}
