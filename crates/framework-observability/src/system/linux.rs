use std::{fs, io, path::Path, thread, time::Duration};

use procfs::{Current, Meminfo, ProcResult, process::Process};

use super::{Reading, cgroup::Limits};

/// Looks at this process, its control group and its machine.
pub(super) fn read() -> io::Result<Reading> {
    let membership = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limits = Limits::read(Path::new("/sys/fs/cgroup"), &membership);
    look(limits).map_err(io::Error::other)
}

fn look(limits: Limits) -> ProcResult<Reading> {
    let process = Process::myself()?;
    let stat = process.stat()?;
    let (memory_total_bytes, memory_used_bytes) = memory(&Meminfo::current()?, limits);
    Ok(Reading {
        memory_total_bytes,
        memory_used_bytes,
        rss_bytes: stat.rss.saturating_mul(procfs::page_size()),
        threads: u64::try_from(stat.num_threads).unwrap_or_default(),
        open_fds: process.fd_count()? as u64,
        cpus: cpus(limits),
        cpu_time: ticks(stat.utime.saturating_add(stat.stime), procfs::ticks_per_second()),
    })
}

/// The memory that there is, and how much of it is in use.
fn memory(machine: &Meminfo, limits: Limits) -> (u64, u64) {
    match limits.memory {
        Some((limit, used)) if limit < machine.mem_total => (limit, used),
        _ => {
            let available = machine.mem_available.unwrap_or(machine.mem_free);
            (machine.mem_total, machine.mem_total.saturating_sub(available))
        }
    }
}

/// The CPUs that the process may use: those it is bound to, and no more than its quota.
fn cpus(limits: Limits) -> f64 {
    // A whole number, and at least 1 even where the quota is less.
    let whole = thread::available_parallelism().map_or(1.0, |n| n.get() as f64);
    limits.cpus.filter(|quota| *quota < whole + 1.0).unwrap_or(whole)
}

fn ticks(ticks: u64, per_second: u64) -> Duration {
    Duration::from_secs_f64(ticks as f64 / per_second.max(1) as f64)
}
