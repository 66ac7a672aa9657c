use framework_core::HealthStatus;

/// How what a check looks at stands, seen over several runs.
///
/// One failure is not yet an outage, and one pass not yet a recovery: it takes `fail_after` runs in
/// a row to fall and `pass_after` to rise. Only the first run, and the first pass, count at once:
/// before those there is nothing to protect from flapping.
///
/// # Examples
///
/// ```
/// use framework_core::HealthStatus::{Healthy, Unhealthy};
/// use framework_observability::CheckState;
///
/// let mut state = CheckState::new(2, 2);
/// assert_eq!(state.standing(), None);
/// for (seen, standing) in [
///     (Healthy, Healthy),
///     (Unhealthy, Healthy),
///     (Unhealthy, Unhealthy),
///     (Healthy, Unhealthy),
///     (Healthy, Healthy),
/// ] {
///     state.record(seen);
///     assert_eq!(state.standing(), Some(standing));
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckState {
    fail_after: u32,
    pass_after: u32,
    standing: Option<HealthStatus>,
    // Runs in a row that speak against the standing.
    against: u32,
    has_passed: bool,
}

impl CheckState {
    /// A state of which nothing is known. Both numbers count as at least 1.
    #[must_use]
    pub fn new(fail_after: u32, pass_after: u32) -> Self {
        let (fail_after, pass_after) = (fail_after.max(1), pass_after.max(1));
        Self { fail_after, pass_after, standing: None, against: 0, has_passed: false }
    }

    /// How it stands; `None` before the first run.
    #[must_use]
    pub fn standing(&self) -> Option<HealthStatus> {
        self.standing
    }

    /// Whether it ever worked.
    #[must_use]
    pub fn has_passed(&self) -> bool {
        self.has_passed
    }

    /// Takes in what a run saw, and says whether the standing changed.
    pub fn record(&mut self, seen: HealthStatus) -> bool {
        let before = self.standing;
        let works = seen != HealthStatus::Unhealthy;
        match before {
            Some(standing) if works != (standing != HealthStatus::Unhealthy) => {
                self.against += 1;
                if self.against >= self.needed(works) {
                    self.settle(seen);
                }
            }
            // The first run; or it agrees, or moves between healthy and degraded.
            _ => self.settle(seen),
        }
        self.has_passed |= works;
        self.standing != before
    }

    fn needed(&self, works: bool) -> u32 {
        match (works, self.has_passed) {
            (false, _) => self.fail_after,
            (true, true) => self.pass_after,
            (true, false) => 1,
        }
    }

    fn settle(&mut self, seen: HealthStatus) {
        self.standing = Some(seen);
        self.against = 0;
    }
}

#[cfg(test)]
mod tests {
    use framework_core::HealthStatus::{Degraded, Healthy, Unhealthy};
    use proptest::prelude::*;

    use super::*;

    /// What stands after each run, for three failures and two passes.
    fn stands(seen: &[HealthStatus]) -> Vec<HealthStatus> {
        let mut state = CheckState::new(3, 2);
        let after = |seen: &HealthStatus| {
            state.record(*seen);
            state.standing().unwrap()
        };
        seen.iter().map(after).collect()
    }

    #[test]
    fn it_falls_after_three_failures_in_a_row_and_not_before() {
        let seen = [Healthy, Unhealthy, Unhealthy, Healthy, Unhealthy, Unhealthy, Unhealthy];
        let stood = [Healthy, Healthy, Healthy, Healthy, Healthy, Healthy, Unhealthy];
        assert_eq!(stands(&seen), stood);
    }

    #[test]
    fn it_rises_after_two_passes_in_a_row_and_not_before() {
        let down = [Healthy, Unhealthy, Unhealthy, Unhealthy];
        let seen = [&down[..], &[Healthy, Unhealthy, Healthy, Degraded]].concat();
        assert_eq!(stands(&seen)[3..], [Unhealthy, Unhealthy, Unhealthy, Unhealthy, Degraded]);
    }

    #[test]
    fn the_first_run_and_the_first_pass_count_at_once() {
        assert_eq!(stands(&[Unhealthy, Unhealthy, Healthy]), [Unhealthy, Unhealthy, Healthy]);
        assert_eq!(stands(&[Degraded]), [Degraded]);
    }

    #[test]
    fn degraded_shows_at_once_and_breaks_a_row_of_failures() {
        let seen = [Healthy, Unhealthy, Unhealthy, Degraded, Unhealthy, Healthy];
        assert_eq!(stands(&seen), [Healthy, Healthy, Healthy, Degraded, Degraded, Healthy]);
    }

    fn seen() -> impl Strategy<Value = Vec<HealthStatus>> {
        let one = prop_oneof![Just(Healthy), Just(Degraded), Just(Unhealthy)];
        proptest::collection::vec(one, 1..40)
    }

    proptest! {
        #[test]
        fn it_changes_sides_only_after_enough_runs_in_a_row(
            seen in seen(), fail_after in 0..5_u32, pass_after in 0..5_u32,
        ) {
            let works = |status: HealthStatus| status != Unhealthy;
            let mut state = CheckState::new(fail_after, pass_after);
            for n in 0..seen.len() {
                let (before, passed) = (state.standing(), state.has_passed());
                let changed = state.record(seen[n]);
                let after = state.standing().unwrap();
                prop_assert_eq!(changed, before != Some(after));
                let Some(before) = before else { continue };
                let row = seen[..=n].iter().rev().take_while(|s| works(**s) == works(seen[n]));
                let needed = match works(seen[n]) {
                    true if passed => pass_after,
                    true => 1,
                    false => fail_after,
                };
                let enough = row.count() >= needed.max(1) as usize;
                let turned = works(before) != works(after);
                prop_assert_eq!(turned, works(before) != works(seen[n]) && enough);
            }
        }
    }
}
