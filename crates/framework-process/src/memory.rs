use std::{fs, io, ops::Range};

use rustix::mm::{Advice, madvise};

/// Gives back what only the start of the process needed: pages of code and constants that are in
/// memory because they ran once, and free memory that the allocator holds.
///
/// Configuration is parsed, arguments are read and a graph is planned once, by code that stays
/// mapped for ever after; it is most of what an idle process is charged for. The pages are copies
/// of the file, so nothing is lost: what is used again is mapped again, from the page cache, within
/// a microsecond. Returns how many bytes were looked through.
///
/// # Errors
///
/// When the operating system does not tell what is mapped.
pub fn release_startup_memory() -> io::Result<usize> {
    trim_allocator();
    let smaps = fs::read_to_string("/proc/self/smaps")?;
    let mut bytes = 0;
    for range in clean_file_pages(&smaps) {
        let length = range.len();
        // SAFETY: the kernel has just said that the range is mapped, from a file, without write
        // permission and without a page that differs from the file. To drop such pages changes
        // nothing that can be read there. Were it unmapped meanwhile, the call would fail.
        #[expect(unsafe_code, reason = "advice about memory can be about anybody's")]
        let dropped = unsafe { madvise(range.start as *mut _, length, Advice::LinuxDontNeed) };
        if dropped.is_ok() {
            bytes += length;
        }
    }
    Ok(bytes)
}

#[cfg(target_env = "gnu")]
fn trim_allocator() {
    // SAFETY: it has no conditions, and may be called by any thread.
    #[expect(unsafe_code, reason = "it is a function of C")]
    unsafe {
        nix::libc::malloc_trim(0);
    }
}

#[cfg(not(target_env = "gnu"))]
fn trim_allocator() {}

/// Where pages of files are mapped that nobody can write and nobody has changed. What the linker
/// has adjusted before it took the permission away differs from the file, and counts as anonymous.
fn clean_file_pages(smaps: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut current = None;
    for line in smaps.lines() {
        if let Some(mapping) = read_mapping(line) {
            current = mapping;
        } else if line.starts_with("Anonymous:")
            && line.split_whitespace().nth(1) == Some("0")
            && let Some(range) = current.take()
        {
            found.push(range);
        }
    }
    found
}

/// The first line of a mapping: `None` for another line, and `Some(None)` for a mapping that is to
/// be left alone.
fn read_mapping(line: &str) -> Option<Option<Range<usize>>> {
    let mut words = line.split_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let address = |text| usize::from_str_radix(text, 16).ok();
    let (start, end) = (address(start)?, address(end)?);
    let permissions = words.next()?;
    let path = words.nth(3).unwrap_or_default();
    let ours = matches!(permissions, "r-xp" | "r--p") && path.starts_with('/') && start < end;
    Some(ours.then_some(start..end))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &str = "\
55d0-55e0 r--p 00000000 fd:00 42 /usr/bin/app
Size:                 64 kB
Anonymous:             0 kB
55e0-55f0 r-xp 00010000 fd:00 42 /usr/bin/app
Rss:                  64 kB
Anonymous:             0 kB
55f0-5600 r--p 00020000 fd:00 42 /usr/bin/app
Anonymous:            16 kB
5600-5610 rw-p 00030000 fd:00 42 /usr/bin/app
Anonymous:             0 kB
5610-5620 rw-p 00000000 00:00 0 [heap]
Anonymous:             0 kB
7fff-8000 r-xp 00000000 00:00 0 [vdso]
Anonymous:             0 kB
";

    #[test]
    fn only_pages_that_are_as_in_their_file_are_dropped() {
        assert_eq!(clean_file_pages(SMAPS), [0x55d0..0x55e0, 0x55e0..0x55f0]);
        assert!(clean_file_pages("nonsense\nAnonymous: 0 kB\n-\n zz-qq r-xp\n").is_empty());
    }

    #[test]
    fn the_process_goes_on_as_before() {
        let before: Vec<String> =
            (0..1000).map(|n| format!("{n:?} {:>8.3}", f64::from(n))).collect();
        assert!(release_startup_memory().unwrap() > 0);
        let after: Vec<String> =
            (0..1000).map(|n| format!("{n:?} {:>8.3}", f64::from(n))).collect();
        assert_eq!(before, after);
    }
}
