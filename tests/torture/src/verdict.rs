//! What a torture has found out.

use std::fmt::Display;

use crate::{
    history::{Outcome, Record, tally},
    load::Rate,
};

/// How many faults of one torture are shown.
const SHOWN: usize = 8;

/// What a torture has measured, and what was not as it should be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    figures: Vec<String>,
    faults: Vec<String>,
}

impl Verdict {
    /// Tells what was done or measured.
    pub(crate) fn figure(&mut self, figure: impl Display) {
        self.figures.push(figure.to_string());
    }

    /// Notes a fault unless something holds.
    pub(crate) fn require(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.faults.push(otherwise());
        }
    }

    /// Holds the torture to its own number: less of it proves less.
    pub(crate) fn injected(&mut self, what: &str, stated: usize, done: usize) {
        self.figure(format_args!("{done} {what}"));
        self.require(done >= stated, || format!("only {done} of {stated} {what}"));
    }

    /// Holds the clients to the rate that they state.
    pub(crate) fn load(&mut self, rate: Rate) {
        let Rate { stated, measured } = rate;
        self.require(rate.is_enough(), || {
            format!("the clients asked {measured:.0} times a second, and {stated:.0} were stated")
        });
    }

    /// Notes whatever was neither answered well nor refused politely.
    pub(crate) fn nothing_lost(&mut self, records: &[Record]) {
        let tally = tally(records);
        let answered = tally.get(&Outcome::Ok).copied().unwrap_or(0);
        self.figure(format_args!("{answered} answered"));
        if let Some(not_taken) = tally.get(&Outcome::NotTaken) {
            self.figure(format_args!("{not_taken} streams not taken"));
        }
        for (outcome, count) in tally {
            // What the server says not to have looked at, clients ask for again by themselves.
            let fine = matches!(outcome, Outcome::Ok | Outcome::Unavailable | Outcome::NotTaken);
            self.require(fine, || format!("{count} requests ended as {outcome:?}"));
        }
    }

    /// Takes over what another one has found.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.faults.extend(other.faults);
    }

    pub(crate) fn is_good(&self) -> bool {
        self.faults.is_empty()
    }

    pub(crate) fn figures(&self) -> String {
        self.figures.join(", ")
    }

    /// The first faults, and how many others there are.
    pub(crate) fn shown(&self) -> impl Iterator<Item = String> + '_ {
        let hidden = self.faults.len().saturating_sub(SHOWN);
        let more = (hidden > 0).then(|| format!("and {hidden} more"));
        self.faults.iter().take(SHOWN).cloned().chain(more)
    }

    /// Whether one of the faults is this one, shown or not.
    pub(crate) fn has_fault(&self, what: &str) -> bool {
        self.faults.iter().any(|fault| fault.contains(what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_shown_is_a_fault_as_well() {
        let mut verdict = Verdict::default();
        for n in 0..=SHOWN {
            verdict.require(false, || format!("fault {n}"));
        }
        assert_eq!(verdict.shown().last().as_deref(), Some("and 1 more"));
        assert_eq!(verdict.shown().count(), SHOWN + 1);
        assert!(verdict.has_fault(&format!("fault {SHOWN}")));
        assert!(!verdict.has_fault("another"));
    }

    #[test]
    fn a_torture_that_did_less_than_it_states_has_failed() {
        let mut verdict = Verdict::default();
        verdict.injected("rounds", 100, 99);
        assert!(!verdict.is_good());
        let mut verdict = Verdict::default();
        verdict.load(Rate { stated: 100.0, measured: 79.0 });
        assert!(!verdict.is_good());
        let mut verdict = Verdict::default();
        verdict.injected("rounds", 100, 100);
        verdict.load(Rate { stated: 100.0, measured: 80.0 });
        assert!(verdict.is_good());
    }
}
