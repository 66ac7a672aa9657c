//! What CI says at its end.

use std::fmt;

use anstyle::{AnsiColor, Style};

use super::counts::{Counts, Tally};
use crate::stopwatch::Elapsed;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const FAINT: Style = Style::new().dimmed();

/// Every step with what became of it, and how many tests ran.
#[derive(Debug, Default)]
pub(super) struct Summary {
    pub(super) lines: Vec<Line>,
    pub(super) counts: Counts,
}

/// One step in the summary.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) verdict: Verdict,
}

/// What became of a step.
#[derive(Clone, Copy, Debug)]
pub(super) enum Verdict {
    Ok(Elapsed),
    Failed(Elapsed),
    /// An earlier step failed.
    NotReached,
    /// The command line named other steps.
    LeftOut,
}

impl Summary {
    pub(super) fn has_failed(&self) -> bool {
        !self.failed().is_empty()
    }

    pub(super) fn failed(&self) -> Vec<&'static str> {
        let failed = |line: &&Line| matches!(line.verdict, Verdict::Failed(_));
        self.lines.iter().filter(failed).map(|line| line.name).collect()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{:<14}{:<14}{:>12}", "step", "result", "time")?;
        for line in &self.lines {
            let (style, word, time) = match line.verdict {
                Verdict::Ok(elapsed) => (GOOD, "ok", elapsed.to_string()),
                Verdict::Failed(elapsed) => (BAD, "FAILED", elapsed.to_string()),
                Verdict::NotReached => (FAINT, "not reached", String::new()),
                Verdict::LeftOut => (FAINT, "left out", String::new()),
            };
            writeln!(f, "{:<14}{style}{word:<14}{style:#}{time:>12}", line.name)?;
        }
        writeln!(f, "\ntests run: {}", self.counts)
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { passed, failed, skipped } = self.total();
        write!(
            f,
            "{} ({} tests, {} doc tests, {} in the scaffold): {passed} passed, {failed} failed, {skipped} skipped",
            self.total().ran(),
            self.tests.ran(),
            self.doc_tests.ran(),
            self.scaffold.ran(),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_failed_step_and_what_it_kept_from_running_are_both_shown() {
        let second = Elapsed(Duration::from_secs(1));
        let mut summary = Summary::default();
        summary.lines.push(Line { name: "fmt", verdict: Verdict::Ok(second) });
        assert!(!summary.has_failed());
        summary.lines.push(Line { name: "tests", verdict: Verdict::Failed(second) });
        summary.lines.push(Line { name: "docs", verdict: Verdict::NotReached });
        summary.counts.tests = Tally { passed: 4, failed: 1, skipped: 0 };
        summary.counts.doc_tests = Tally { passed: 2, failed: 0, skipped: 1 };

        assert_eq!(summary.failed(), ["tests"]);
        let text = anstream::adapter::strip_str(&summary.to_string()).to_string();
        assert_eq!(
            text,
            "\nstep          result                time\n\
             fmt           ok                   1.0 s\n\
             tests         FAILED               1.0 s\n\
             docs          not reached               \n\
             \ntests run: 7 (5 tests, 2 doc tests, 0 in the scaffold): \
             6 passed, 1 failed, 1 skipped\n"
        );
    }
}
