use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// How many retries a client with few calls may make in each [`WINDOW`], whatever its share.
const FLOOR: f64 = 3.0;
/// How many retries may be saved up: what a busy client has earned must not break over a service at
/// once when that fails.
const CAP: f64 = 10.0;
/// How often a client with few calls gets its [`FLOOR`] again.
const WINDOW: Duration = Duration::from_secs(10);

/// Holds the retries of a client to a share of its calls: each call earns a part of one.
///
/// The floor is lent, not given: calls pay it back before they earn again. So there are never more
/// retries than the share of the calls, or the floor where that is more.
#[derive(Debug)]
pub(crate) struct RetryBudget {
    share: f64,
    account: Mutex<Account>,
}

#[derive(Debug)]
struct Account {
    retries: f64,
    lent: f64,
    earned: f64,
    window_since: Instant,
}

impl RetryBudget {
    pub(crate) fn new(share: f64) -> Self {
        // Who wants no retries gets none lent.
        let floor = if share > 0.0 { FLOOR } else { 0.0 };
        let account =
            Account { retries: floor, lent: floor, earned: 0.0, window_since: Instant::now() };
        Self { share, account: Mutex::new(account) }
    }

    /// A call begins.
    pub(crate) fn earn(&self) {
        let mut account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        account.earned += self.share;
        let back = account.lent.min(self.share);
        account.lent -= back;
        account.retries = (account.retries + self.share - back).min(CAP);
    }

    /// Takes one retry; `false` if there is none.
    pub(crate) fn take(&self, now: Instant) -> bool {
        let mut account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        if self.share > 0.0 {
            account.lend(now);
        }
        // A fifth is no binary number, and five of them should be one.
        let there_is_one = account.retries >= 1.0 - 1e-9;
        if there_is_one {
            account.retries -= 1.0;
        }
        there_is_one
    }
}

impl Account {
    /// Lends the floor again to a client that has too few calls to earn it.
    fn lend(&mut self, now: Instant) {
        if now.saturating_duration_since(self.window_since) < WINDOW {
            return;
        }
        let missing = FLOOR - self.retries;
        if missing > 0.0 && self.earned < FLOOR {
            self.retries += missing;
            self.lent = (self.lent + missing).min(FLOOR);
        }
        (self.window_since, self.earned) = (now, 0.0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_client_with_few_calls_may_retry_its_floor_in_each_window() {
        let budget = RetryBudget::new(0.2);
        let start = Instant::now();
        budget.earn();
        let takes = |at| (0..9).filter(|_| budget.take(at)).count();
        assert_eq!(takes(start), 3);
        assert_eq!(takes(start + WINDOW / 2), 0);
        assert_eq!(takes(start + WINDOW), 3);
    }

    #[test]
    fn what_a_busy_client_has_earned_is_capped() {
        let budget = RetryBudget::new(0.2);
        (0..100_000).for_each(|_| budget.earn());
        let now = Instant::now();
        assert_eq!((0..1000).filter(|_| budget.take(now)).count(), 10);
    }

    #[test]
    fn a_share_of_nothing_is_nothing() {
        let budget = RetryBudget::new(0.0);
        budget.earn();
        assert!(!budget.take(Instant::now() + WINDOW));
    }

    proptest! {
        #[test]
        fn there_are_never_more_retries_than_the_share_or_the_floor(
            wishes in proptest::collection::vec(0_u8..4, 1..400),
            share in 0.0..1.0_f64,
        ) {
            let (budget, now) = (RetryBudget::new(share), Instant::now());
            let (mut calls, mut retries) = (0.0, 0.0);
            for wish in wishes {
                budget.earn();
                calls += 1.0;
                retries += (0..wish).filter(|_| budget.take(now)).count() as f64;
                prop_assert!(retries <= f64::max(FLOOR, share * calls) + 1e-6);
            }
        }
    }
}
