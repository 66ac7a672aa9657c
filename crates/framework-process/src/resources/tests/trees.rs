//! What kernels write, as files in a directory of the test's.

use std::{fs, path::Path};

use tempfile::TempDir;

use crate::ResourceReader;

pub(super) type Files = &'static [(&'static str, &'static str)];

/// A process with 50 MiB and two threads on a machine of 8 GiB and four processors.
pub(super) const PROCESS: Files = &[
    (
        "proc/meminfo",
        "MemTotal:        8388608 kB\nMemFree:  1048576 kB\nMemAvailable:  6291456 kB\n",
    ),
    (
        "proc/stat",
        "cpu  1000 10 200 90000 50 3 7 1 5 5\ncpu0 250 2 50 22500 12 1 2 1 1 1\nintr 99\n",
    ),
    (
        "proc/self/status",
        "Name:\tapp\nVmHWM:\t   61440 kB\nVmRSS:\t   51200 kB\nThreads:\t2\nCpus_allowed_list:\t1-2,5,7\n",
    ),
    (
        "proc/self/limits",
        "Limit   Soft Limit  Hard Limit  Units\nMax open files            1024                 524288               files     \n",
    ),
    ("proc/self/fd/11", "x"),
    ("proc/self/fd/12", "x"),
    ("proc/self/fd/13", "x"),
    (
        "proc/pressure/memory",
        "some avg10=1.50 avg60=2.25 avg300=3.75 total=12345\nfull avg10=4.50 avg60=5.50 avg300=6.50 total=99\n",
    ),
    ("proc/pressure/cpu", "some avg10=12.50 avg60=2.25 avg300=3.75 total=12345\n"),
];

/// A group below another one: the one above has the smaller part of the processors and is fuller.
pub(super) const NESTED: Files = &[
    ("proc/self/cgroup", "0::/pod/app\n"),
    ("sys/fs/cgroup/cgroup.controllers", "cpu memory\n"),
    ("sys/fs/cgroup/cpu.stat", "usage_usec 999999999\n"),
    ("sys/fs/cgroup/pod/memory.max", "1073741824\n"),
    ("sys/fs/cgroup/pod/memory.high", "max\n"),
    ("sys/fs/cgroup/pod/memory.current", "1000000000\n"),
    ("sys/fs/cgroup/pod/memory.stat", "anon 1\ninactive_file 33554432\n"),
    ("sys/fs/cgroup/pod/cpu.max", "150000 100000\n"),
    ("sys/fs/cgroup/pod/cpu.stat", "usage_usec 88888888\nnr_periods 400\nnr_throttled 100\n"),
    ("sys/fs/cgroup/pod/app/memory.max", "536870912\n"),
    ("sys/fs/cgroup/pod/app/memory.high", "419430400\n"),
    ("sys/fs/cgroup/pod/app/memory.current", "314572800\n"),
    ("sys/fs/cgroup/pod/app/memory.stat", "anon 1\ninactive_anon 7\ninactive_file 104857600\n"),
    ("sys/fs/cgroup/pod/app/memory.events", "low 9\nhigh 5\nmax 3\noom 2\noom_kill 1\n"),
    (
        "sys/fs/cgroup/pod/app/memory.pressure",
        "some avg10=25.00 avg60=2.25 avg300=3.75 total=12345\n",
    ),
    ("sys/fs/cgroup/pod/app/cpu.max", "max 100000\n"),
    (
        "sys/fs/cgroup/pod/app/cpu.stat",
        "usage_usec 7000000\nuser_usec 5\nnr_periods 11\nnr_throttled 7\n",
    ),
    ("sys/fs/cgroup/pod/app/cpu.pressure", "some avg10=45.00 avg60=2.25 avg300=3.75 total=12345\n"),
];

/// A container that sees its own group as the root.
pub(super) const V2: Files = &[
    ("proc/self/cgroup", "0::/\n"),
    ("sys/fs/cgroup/memory.max", "268435456\n"),
    ("sys/fs/cgroup/memory.high", "max\n"),
    ("sys/fs/cgroup/memory.current", "209715200\n"),
    ("sys/fs/cgroup/memory.stat", "inactive_file 10485760\n"),
    ("sys/fs/cgroup/cpu.max", "50000 100000\n"),
    ("sys/fs/cgroup/cpu.stat", "usage_usec 3000000\nnr_periods 30\nnr_throttled 6\n"),
];

/// No limit at all.
pub(super) const MAX: Files = &[
    ("proc/self/cgroup", "0::/app\n"),
    ("sys/fs/cgroup/app/memory.max", "max\n"),
    ("sys/fs/cgroup/app/memory.high", "max\n"),
    ("sys/fs/cgroup/app/memory.current", "209715200\n"),
    ("sys/fs/cgroup/app/memory.stat", "inactive_file 104857600\n"),
    ("sys/fs/cgroup/app/cpu.max", "max 100000\n"),
];

/// Version 1, in a container without a view of the machine's groups: the paths lead nowhere.
pub(super) const V1: Files = &[
    (
        "proc/self/cgroup",
        "9:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n",
    ),
    ("sys/fs/cgroup/memory/memory.limit_in_bytes", "268435456\n"),
    ("sys/fs/cgroup/memory/memory.usage_in_bytes", "209715200\n"),
    ("sys/fs/cgroup/memory/memory.stat", "inactive_file 1\ntotal_inactive_file 10485760\n"),
    ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "250000\n"),
    ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
    ("sys/fs/cgroup/cpu,cpuacct/cpu.stat", "nr_periods 70\nnr_throttled 35\nthrottled_time 99\n"),
    ("sys/fs/cgroup/cpu,cpuacct/cpuacct.usage", "7000000000\n"),
];

/// Both versions: the limits are in version 1, and version 2 has no controller.
pub(super) const HYBRID: Files = &[
    ("proc/self/cgroup", "4:memory:/jobs/one\n3:cpu:/\n2:cpuacct:/\n0::/jobs/one\n"),
    ("sys/fs/cgroup/unified/jobs/one/cgroup.procs", "1\n"),
    (
        "sys/fs/cgroup/unified/jobs/one/memory.pressure",
        "some avg10=2.00 avg60=2.25 avg300=3.75 total=1\n",
    ),
    ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
    ("sys/fs/cgroup/memory/jobs/one/memory.limit_in_bytes", "536870912\n"),
    ("sys/fs/cgroup/memory/jobs/one/memory.usage_in_bytes", "209715200\n"),
    ("sys/fs/cgroup/memory/jobs/one/memory.stat", "total_inactive_file 104857600\n"),
    ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"),
    ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"),
    ("sys/fs/cgroup/cpuacct/cpuacct.usage", "5000000000\n"),
];

/// Writes the files of all `parts`.
pub(super) fn tree(parts: &[Files]) -> (TempDir, ResourceReader) {
    // In memory where that can be: a disk that others use would decide how long the tests take.
    let root = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    for (path, text) in parts.iter().flat_map(|files| files.iter()) {
        put(root.path(), path, text.as_bytes());
    }
    let reader = ResourceReader::at(root.path());
    (root, reader)
}

/// Writes one file, so that nobody who reads sees half of it.
pub(super) fn put(root: &Path, path: &str, bytes: &[u8]) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let new = root.join("new");
    fs::write(&new, bytes).unwrap();
    fs::rename(&new, &path).unwrap();
}
