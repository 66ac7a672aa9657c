/// A mistake that the runner makes on purpose. Each was found in a framework that people use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "planted-bugs"),
    expect(unreachable_pub, reason = "it is public where mistakes are compiled in")
)]
pub enum PlantedBug {
    /// When a module fails to start, those that had started are not stopped.
    NoRollback,
    /// When a module fails to start, it is itself not cleaned up.
    NoCleanUpOfTheFailed,
    /// A start that takes too long goes on in the background.
    LateStartGoesOn,
    /// Every module is asked to stop at once, so what others still rely on is gone.
    RootCancelledFirst,
    /// Modules stop in the order in which they started.
    FirstInFirstOut,
}

/// The mistakes that one application makes: none, unless they are compiled in.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Planted {
    #[cfg(feature = "planted-bugs")]
    bug: Option<PlantedBug>,
}

#[cfg(feature = "planted-bugs")]
impl Planted {
    pub(crate) fn one(bug: PlantedBug) -> Self {
        Self { bug: Some(bug) }
    }

    pub(crate) fn has(self, bug: PlantedBug) -> bool {
        self.bug == Some(bug)
    }
}

#[cfg(not(feature = "planted-bugs"))]
impl Planted {
    pub(crate) fn has(self, _bug: PlantedBug) -> bool {
        false
    }
}
