use std::{path::Path, time::Duration};

use super::{
    cgroup::Groups,
    cpus,
    files::{Tree, keyed, keyed_kib, keyed_number, number, stall},
    reading::{CpuReading, MemoryReading, ProcessReading},
};

/// Reads from the kernel what there is of memory, processor time and file descriptors: of the
/// control groups that the process is in (version 2, version 1, or both), else of the machine.
///
/// What is missing or makes no sense is unknown. It is never read as 0, and never an error: outside
/// Linux everything is unknown.
///
/// Each method reads a few small files, which takes well under a millisecond as a rule, and as long
/// as the kernel likes when it is short of memory: off the threads that answer requests.
///
/// # Examples
///
/// ```
/// use framework_process::ResourceReader;
///
/// let memory = ResourceReader::new().memory();
/// # #[cfg(target_os = "linux")]
/// assert!(memory.rss_bytes.unwrap() > 100_000);
/// ```
#[derive(Clone, Debug)]
pub struct ResourceReader {
    tree: Tree,
}

impl ResourceReader {
    /// Reads the files of this process and its machine.
    #[must_use]
    pub fn new() -> Self {
        Self::at(Path::new("/"))
    }

    /// Reads files of the same names below another directory: `proc/self/status`,
    /// `sys/fs/cgroup/memory.max` and so on. For tests.
    #[must_use]
    pub fn at(root: &Path) -> Self {
        Self { tree: Tree::new(root) }
    }

    /// What there is of memory.
    #[must_use]
    pub fn memory(&self) -> MemoryReading {
        let tree = &self.tree;
        let status = tree.text("proc/self/status").unwrap_or_default();
        let rss_bytes = keyed_kib(&status, "VmRSS:").filter(|&bytes| bytes > 0);
        let machine = tree.text("proc/meminfo").unwrap_or_default();
        let machine_bytes = keyed_kib(&machine, "MemTotal:").filter(|&bytes| bytes > 0);
        let group = Groups::find(tree).memory(tree, rss_bytes);
        // A limit above what there is limits nothing.
        let real = |limit: &u64| machine_bytes.is_none_or(|total| *limit < total);
        let limit_bytes = group.limit_bytes.filter(real);
        let used_of_machine = || {
            let available = keyed_kib(&machine, "MemAvailable:")?;
            machine_bytes?.checked_sub(available).filter(|&used| used > 0)
        };
        let of_machine = || tree.text("proc/pressure/memory").as_deref().and_then(stall);
        MemoryReading {
            limit_bytes,
            used_bytes: group.used_bytes.or_else(used_of_machine),
            group_ratio: limit_bytes.and(group.ratio),
            machine_bytes,
            rss_bytes,
            stall_ratio: group.stall_ratio.or_else(of_machine),
            events: group.events,
        }
    }

    /// What there is of processor time.
    #[must_use]
    pub fn cpu(&self) -> CpuReading {
        let tree = &self.tree;
        let group = Groups::find(tree).cpu(tree);
        let status = tree.text("proc/self/status").unwrap_or_default();
        let allowed = cpus::allowed(&status).map(|count| count as f64);
        let both = || Some(group.quota?.min(allowed?));
        let of_machine = || cpus::busy(&tree.text("proc/stat")?);
        let stall_of_machine = || tree.text("proc/pressure/cpu").as_deref().and_then(stall);
        CpuReading {
            cpus: both().or(group.quota).or(allowed),
            used: group.used_nanos.map(Duration::from_nanos).or_else(of_machine),
            periods: group.periods,
            throttled_periods: group.throttled_periods,
            stall_ratio: group.stall_ratio.or_else(stall_of_machine),
        }
    }

    /// What the process has of file descriptors and threads.
    #[must_use]
    pub fn process(&self) -> ProcessReading {
        let status = self.tree.text("proc/self/status").unwrap_or_default();
        let limits = self.tree.text("proc/self/limits").unwrap_or_default();
        let soft = |text: &str| number(text.split_whitespace().next()?);
        ProcessReading {
            open_fds: self.tree.entries("proc/self/fd"),
            max_fds: keyed(&limits, "Max open files").and_then(soft).filter(|&limit| limit > 0),
            threads: keyed_number(&status, "Threads:").filter(|&threads| threads > 0),
        }
    }
}

impl Default for ResourceReader {
    fn default() -> Self {
        Self::new()
    }
}
