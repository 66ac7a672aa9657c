use std::fmt;

use framework_core::Issue;

/// Everything that is wrong with the declarations of an application's modules.
///
/// It displays as a person reads it: each [`Issue`] with its evidence and its cure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanError {
    issues: Vec<Issue>,
}

impl PlanError {
    /// Gathers issues, at least one.
    #[must_use]
    pub fn new(issues: Vec<Issue>) -> Self {
        Self { issues }
    }

    /// What is wrong, graph first, then values, then what gates found.
    pub fn issues(&self) -> &[Issue] {
        &self.issues
    }
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, issue) in self.issues.iter().enumerate() {
            let lead = if n == 0 { "" } else { "\n" };
            write!(f, "{lead}{issue}")?;
        }
        Ok(())
    }
}

impl std::error::Error for PlanError {}
