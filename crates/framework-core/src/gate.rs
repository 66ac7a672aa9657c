use std::fmt;

use crate::{Collected, Contributed, Contribution, Declarations, Issue};

/// What a gate sees: everything that was declared, before anything starts.
///
/// A gate is a pure check at the end of planning, added with
/// [`Registrar::gate`](crate::Registrar::gate): a layer finds two routes that clash, or a key of
/// the configuration that nobody knows.
pub struct GateView<'d> {
    declarations: &'d Declarations,
}

pub(crate) type GateFn = Box<dyn FnOnce(&GateView<'_>) -> Vec<Issue> + Send>;

impl<'d> GateView<'d> {
    pub(crate) fn new(declarations: &'d Declarations) -> Self {
        Self { declarations }
    }

    /// Everything contributed to a claimed kind, in the order of registration.
    #[must_use]
    pub fn collected<'c, C: Contribution>(&self, claim: &'c Collected<C>) -> &'c [Contributed<C>] {
        claim.items()
    }

    /// The names of the modules, in the order of registration.
    pub fn modules(&self) -> impl Iterator<Item = &'static str> {
        self.declarations.modules().iter().map(|module| module.name)
    }
}

impl fmt::Debug for GateView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateView").finish_non_exhaustive()
    }
}
