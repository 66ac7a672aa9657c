use std::{fs, time::Duration};

use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
    test_runner::{Config, TestRunner},
};

use super::trees::{Files, HYBRID, MAX, NESTED, PROCESS, V1, V2, put, tree};
use crate::{CpuReading, MemoryEvents, MemoryReading, ProcessReading, ResourceReader};

const MIB: u64 = 1 << 20;

#[test]
fn the_fullest_group_counts_and_the_smallest_limit_is_the_limit() {
    let (_root, reader) = tree(&[PROCESS, NESTED]);
    let memory = reader.memory();
    assert_eq!(memory.limit_bytes, Some(400 * MIB), "`memory.high` holds back sooner");
    assert_eq!(memory.used_bytes, Some(200 * MIB), "what can be given back at once is left out");
    let above = (1_000_000_000 - 32 * MIB) as f64 / (1024 * MIB) as f64;
    assert_eq!(memory.group_ratio, Some(above), "the group above is fuller");
    assert_eq!(memory.stall_ratio, Some(0.25));
    let events = MemoryEvents { high: Some(5), max: Some(3), oom_kill: Some(1) };
    assert_eq!(memory.events, events);
    assert_eq!((memory.rss_bytes, memory.machine_bytes), (Some(50 * MIB), Some(8192 * MIB)));
}

#[test]
fn the_smallest_quota_counts_and_who_is_held_up_by_it() {
    let (_root, reader) = tree(&[PROCESS, NESTED]);
    let cpu = reader.cpu();
    let expected = CpuReading {
        cpus: Some(1.5),
        used: Some(Duration::from_secs(7)),
        periods: Some(400),
        throttled_periods: Some(100),
        stall_ratio: Some(0.45),
    };
    assert_eq!(cpu, expected);
}

#[test]
fn a_container_that_is_its_own_root_has_the_limits_of_the_root() {
    let (_root, reader) = tree(&[PROCESS, V2]);
    let memory = reader.memory();
    assert_eq!((memory.limit_bytes, memory.used_bytes), (Some(256 * MIB), Some(190 * MIB)));
    assert_eq!(memory.group_ratio, Some(190.0 / 256.0));
    assert_eq!(memory.stall_ratio, Some(0.015), "that of the machine");
    let cpu = reader.cpu();
    assert_eq!((cpu.cpus, cpu.periods, cpu.stall_ratio), (Some(0.5), Some(30), Some(0.125)));
}

#[test]
fn max_is_no_limit() {
    let (_root, reader) = tree(&[PROCESS, MAX]);
    let memory = reader.memory();
    assert_eq!((memory.limit_bytes, memory.group_ratio), (None, None));
    assert_eq!(memory.used_bytes, Some(100 * MIB));
    assert_eq!(reader.cpu().cpus, Some(4.0), "those that the process may run on");
}

#[test]
fn version_1_says_the_same_in_other_words() {
    let (_root, reader) = tree(&[PROCESS, V1]);
    let memory = reader.memory();
    assert_eq!((memory.limit_bytes, memory.used_bytes), (Some(256 * MIB), Some(190 * MIB)));
    let cpu = reader.cpu();
    assert_eq!((cpu.cpus, cpu.used), (Some(2.5), Some(Duration::from_secs(7))));
    assert_eq!((cpu.periods, cpu.throttled_periods), (Some(70), Some(35)));
}

#[test]
fn where_both_versions_are_each_says_what_it_knows() {
    let (_root, reader) = tree(&[PROCESS, HYBRID]);
    let memory = reader.memory();
    assert_eq!((memory.limit_bytes, memory.used_bytes), (Some(512 * MIB), Some(100 * MIB)));
    assert_eq!(memory.stall_ratio, Some(0.02));
    let cpu = reader.cpu();
    assert_eq!((cpu.cpus, cpu.used), (Some(4.0), Some(Duration::from_secs(5))));
}

#[test]
fn without_groups_the_machine_is_what_there_is() {
    let (_root, reader) = tree(&[PROCESS]);
    let memory = reader.memory();
    assert_eq!((memory.limit_bytes, memory.group_ratio), (None, None));
    assert_eq!(memory.used_bytes, Some(2048 * MIB));
    assert_eq!(memory.stall_ratio, Some(0.015));
    let cpu = reader.cpu();
    assert_eq!((cpu.cpus, cpu.used), (Some(4.0), Some(Duration::from_millis(12_210))));
    let process = reader.process();
    let expected = (Some(3), Some(1024), Some(2));
    assert_eq!((process.open_fds, process.max_fds, process.threads), expected);
}

#[test]
fn what_is_missing_is_unknown() {
    let (root, reader) = tree(&[]);
    assert_eq!(everything(&reader), Everything::default());
    let nowhere = ResourceReader::at(&root.path().join("nowhere"));
    assert_eq!(everything(&nowhere), Everything::default());
}

#[test]
fn what_makes_no_sense_is_unknown() {
    for text in [
        "",
        "\n",
        "-1",
        "+7",
        "1e3",
        "0x10",
        "007",
        "\u{b}7",
        "NaN",
        "18446744073709551616",
        "\u{0}\u{ff}",
    ] {
        let (root, reader) = tree(&[]);
        for files in [PROCESS, NESTED] {
            for (path, _) in files.iter().filter(|(path, _)| !path.contains("/fd/")) {
                put(root.path(), path, text.as_bytes());
            }
        }
        put(root.path(), "proc/self/cgroup", b"0::/pod/app\n");
        assert_eq!(everything(&reader), Everything::default(), "{text:?}");
    }
}

#[test]
fn a_limit_above_what_the_machine_has_is_none() {
    let (root, reader) = tree(&[PROCESS, V2]);
    put(root.path(), "sys/fs/cgroup/memory.max", b"99999999999\n");
    assert_eq!((reader.memory().limit_bytes, reader.memory().group_ratio), (None, None));
}

#[test]
fn a_group_that_does_not_say_what_it_uses_uses_what_the_process_does() {
    let (root, reader) = tree(&[PROCESS, V2]);
    put(root.path(), "sys/fs/cgroup/memory.current", b"lots\n");
    assert_eq!(reader.memory().group_ratio, Some(50.0 / 256.0));
}

#[test]
fn a_path_that_leads_out_of_what_is_visible_is_the_root() {
    let (root, reader) = tree(&[PROCESS, V2]);
    put(root.path(), "sys/fs/other/memory.max", b"1048576\n");
    put(root.path(), "proc/self/cgroup", b"0::/../other\n");
    assert_eq!(reader.memory().limit_bytes, Some(256 * MIB));
}

#[test]
#[cfg(target_os = "linux")]
fn this_process_has_memory_threads_and_open_files() {
    let Everything { memory, cpu, process } = everything(&ResourceReader::new());
    assert!(memory.rss_bytes.unwrap() > 100_000, "{memory:?}");
    assert!(memory.rss_bytes < memory.machine_bytes, "{memory:?}");
    assert!(cpu.cpus.unwrap() > 0.0 && cpu.used.unwrap() > Duration::ZERO, "{cpu:?}");
    assert!(process.open_fds.unwrap() >= 3 && process.threads.unwrap() >= 1, "{process:?}");
}

/// All that can be read, and that it can be.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Everything {
    memory: MemoryReading,
    cpu: CpuReading,
    process: ProcessReading,
}

fn everything(reader: &ResourceReader) -> Everything {
    Everything { memory: reader.memory(), cpu: reader.cpu(), process: reader.process() }
}

impl Everything {
    fn has_zero(&self) -> bool {
        let Self { memory, cpu, process } = self;
        let numbers = [
            memory.limit_bytes,
            memory.used_bytes,
            memory.machine_bytes,
            memory.rss_bytes,
            memory.events.high,
            memory.events.max,
            memory.events.oom_kill,
            cpu.periods,
            cpu.throttled_periods,
            process.open_fds,
            process.max_fds,
            process.threads,
        ];
        let ratios = [memory.group_ratio, memory.stall_ratio, cpu.cpus, cpu.stall_ratio];
        numbers.contains(&Some(0))
            || ratios.contains(&Some(0.0))
            || cpu.used.is_some_and(|it| it.is_zero())
    }
}

/// One thing that can go wrong with a file.
#[derive(Clone, Debug)]
enum Damage {
    Cut(Index),
    Remove(Index, usize),
    Insert(Index, Vec<u8>),
    Flip(Index, u8),
    Twice,
}

fn damage() -> impl Strategy<Value = Damage> {
    let odd: [&[u8]; 12] = [
        b"max",
        b"-",
        b" ",
        b"\n",
        b":",
        b"99999999999999999999999",
        b"\0",
        b"\xff\xfe",
        b"NaN",
        b"inf",
        b"avg10=",
        b"1e400",
    ];
    let odd = select(odd.map(<[u8]>::to_vec).to_vec());
    prop_oneof![
        any::<Index>().prop_map(Damage::Cut),
        (any::<Index>(), 1_usize..9).prop_map(|(at, many)| Damage::Remove(at, many)),
        (any::<Index>(), odd).prop_map(|(at, what)| Damage::Insert(at, what)),
        (any::<Index>(), any::<u8>()).prop_map(|(at, what)| Damage::Flip(at, what)),
        Just(Damage::Twice),
    ]
}

impl Damage {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Cut(at) => bytes.truncate(at.index(bytes.len() + 1)),
            Self::Remove(at, many) => {
                let at = at.index(bytes.len() + 1);
                bytes.drain(at..(at + many).min(bytes.len()));
            }
            Self::Insert(at, what) => {
                let at = at.index(bytes.len() + 1);
                bytes.splice(at..at, what.iter().copied());
            }
            Self::Flip(at, what) if !bytes.is_empty() => {
                let at = at.index(bytes.len());
                bytes[at] ^= what;
            }
            Self::Flip(..) => {}
            Self::Twice => bytes.extend_from_within(..),
        }
    }
}

/// Whether somewhere a number is written that is 0.
fn says_zero(bytes: &[u8]) -> bool {
    let words = bytes.split(|byte| byte.is_ascii_whitespace() || *byte == b'=');
    let zero = |word: &[u8]| word.contains(&b'0') && word.iter().all(|byte| b"0.".contains(byte));
    words.into_iter().any(zero)
}

/// Damages one file after the other, 2000 times for each tree: never a panic, and never a zero that
/// nobody has written.
fn survives_damage(parts: &[Files]) {
    let (root, reader) = tree(parts);
    let files: Vec<_> = parts.iter().flat_map(|files| files.iter()).collect();
    assert!(!everything(&reader).has_zero());
    assert!(!files.iter().any(|(_, text)| says_zero(text.as_bytes())));
    let write = |path: &str, bytes: &[u8]| fs::write(root.path().join(path), bytes).unwrap();
    let config = Config { cases: 2000, failure_persistence: None, ..Config::default() };
    let cases = (any::<Index>(), vec(damage(), 1..4));
    let run = TestRunner::new(config).run(&cases, |(file, damages)| {
        let (path, text) = files[file.index(files.len())];
        let mut bytes = text.as_bytes().to_vec();
        damages.iter().for_each(|damage| damage.apply(&mut bytes));
        write(path, &bytes);
        let seen = everything(&reader);
        write(path, text.as_bytes());
        prop_assert!(!seen.has_zero() || says_zero(&bytes), "{path}: {seen:?}");
        let memory = seen.memory.group_ratio.unwrap_or(0.5);
        prop_assert!(memory.is_finite() && memory > 0.0, "{path}: {seen:?}");
        Ok(())
    });
    run.unwrap();
}

#[test]
fn damaged_files_of_nested_groups_are_no_panic_and_no_zero() {
    survives_damage(&[PROCESS, NESTED]);
}

#[test]
fn damaged_files_of_version_2_are_no_panic_and_no_zero() {
    survives_damage(&[PROCESS, V2]);
}

#[test]
fn damaged_files_of_version_1_are_no_panic_and_no_zero() {
    survives_damage(&[PROCESS, V1]);
}

#[test]
fn damaged_files_of_both_versions_are_no_panic_and_no_zero() {
    survives_damage(&[PROCESS, HYBRID]);
}

#[test]
fn damaged_files_without_limits_are_no_panic_and_no_zero() {
    survives_damage(&[PROCESS, MAX]);
}
