use framework_core::Issue;

use crate::{
    codes,
    excerpt::KeyNames,
    fault::{self, Fault, FaultKind},
    section::Section,
};

/// The configuration cannot be used, and here is everything that is wrong with it.
///
/// Shows as a person reads it: a headline with the code, then a line for each problem.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.to_issue())]
pub struct ConfigError {
    faults: Vec<Fault>,
}

impl ConfigError {
    pub(crate) fn new(faults: Vec<Fault>) -> Self {
        Self { faults }
    }

    /// `None` if there are no faults.
    pub(crate) fn of(faults: Vec<Fault>) -> Option<Self> {
        (!faults.is_empty()).then_some(Self { faults })
    }

    pub(crate) fn one(fault: Fault) -> Self {
        Self { faults: vec![fault] }
    }

    /// Shows as much of files that could not be understood as is no secret of `sections`.
    pub(crate) fn revealed(mut self, sections: &[&Section]) -> Self {
        let names = KeyNames::of(sections);
        self.faults.iter_mut().for_each(|fault| fault.reveal(&names));
        self
    }

    /// Everything that is wrong: first what cannot be read, then by section.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// Whether a source could not be read, so that nothing else was checked.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        self.faults.iter().any(|fault| fault.kind() == FaultKind::File)
    }

    /// The error as one issue of a plan.
    pub fn to_issue(&self) -> Issue {
        let count = self.faults.len();
        let issue = match (self.is_unreadable(), count) {
            (true, 1) => {
                Issue::new(&codes::UNREADABLE, "a source of the configuration cannot be read")
            }
            (true, _) => {
                let summary = format!("{count} sources of the configuration cannot be read");
                Issue::new(&codes::UNREADABLE, summary)
            }
            (false, 1) => Issue::new(&codes::INVALID, "1 problem in the configuration"),
            (false, _) => {
                Issue::new(&codes::INVALID, format!("{count} problems in the configuration"))
            }
        };
        fault::columns(&self.faults).into_iter().fold(issue, Issue::evidence)
    }
}
