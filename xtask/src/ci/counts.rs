//! How many tests ran, read from what the test runners say.

use std::{iter::Sum, ops::AddAssign};

/// The tests of one run, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) passed: u32,
    pub(super) failed: u32,
    pub(super) skipped: u32,
}

/// The tests of one CI run, by who ran them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// The workspace's, run by nextest.
    pub(super) tests: Tally,
    /// The workspace's examples in documentation, run by rustdoc.
    pub(super) doc_tests: Tally,
    /// Those of the application that the scaffold wrote.
    pub(super) scaffold: Tally,
}

impl Tally {
    pub(super) fn ran(self) -> u32 {
        self.passed + self.failed
    }
}

impl Counts {
    pub(super) fn total(&self) -> Tally {
        [self.tests, self.doc_tests, self.scaffold].into_iter().sum()
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(tallies: I) -> Self {
        tallies.fold(Self::default(), |mut sum, tally| {
            sum += tally;
            sum
        })
    }
}

/// Reads nextest's last line: `Summary [ 0.1s] 3 tests run: 2 passed (1 slow), 1 failed, 0 skipped`.
pub(super) fn of_nextest(line: &str) -> Option<Tally> {
    let (_, rest) = line.trim_start().strip_prefix("Summary [")?.split_once(']')?;
    let (_, parts) = rest.split_once(" run: ")?;
    Some(tally(parts.split(',')))
}

/// Reads libtest's last line: `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; …`.
pub(super) fn of_libtest(line: &str) -> Option<Tally> {
    let (_, parts) = line.trim_start().strip_prefix("test result: ")?.split_once(". ")?;
    Some(tally(parts.split(';')))
}

fn tally<'a>(parts: impl Iterator<Item = &'a str>) -> Tally {
    let mut tally = Tally::default();
    for part in parts {
        let mut words = part.split_whitespace();
        let Some(count) = words.next().and_then(|word| word.parse::<u32>().ok()) else { continue };
        match words.next() {
            Some("passed") => tally.passed += count,
            // Whatever did not end by itself has not passed: `exec failed`, `timed out`.
            Some("failed" | "exec" | "timed") => tally.failed += count,
            Some("skipped" | "ignored") => tally.skipped += count,
            _ => {}
        }
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(passed: u32, failed: u32, skipped: u32) -> Tally {
        Tally { passed, failed, skipped }
    }

    #[test]
    fn nextest_is_counted_from_its_summary_alone() {
        let line = "     Summary [   0.010s] 3 tests run: 3 passed, 0 skipped";
        assert_eq!(of_nextest(line), Some(tally(3, 0, 0)));
        let line =
            "Summary [ 9.1s] 5/9 tests run: 2 passed (1 slow), 1 failed, 2 timed out, 4 skipped";
        assert_eq!(of_nextest(line), Some(tally(2, 3, 4)));
        assert_eq!(of_nextest("        PASS [   0.004s] framework-core key::tests::one"), None);
    }

    #[test]
    fn libtest_is_counted_crate_by_crate() {
        let line = "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.8s";
        assert_eq!(of_libtest(line), Some(tally(12, 0, 1)));
        let line = "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(of_libtest(line), Some(tally(1, 2, 0)));
        assert_eq!(of_libtest("test src/lib.rs - (line 3) ... ok"), None);
    }
}
