use std::fmt;

use framework_app::{Part, Point};
use framework_core::Stage;

/// What an injected error or panic says.
pub(super) const INJECTED: &str = "injected by the test";

/// What the errors say that follow it in an [avalanche](FaultKind::Avalanche).
pub(super) const FOLLOWING: &str = "a consequence";

/// A way in which a piece of code goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// It returns an error.
    Error,
    /// It returns an error, and so does every teardown and every clean-up that comes after it.
    Avalanche,
    /// It panics.
    Panic,
    /// It never ends, and does not care about being asked to.
    Hang,
    /// It ends a while after its time is over, and does not care about being asked to.
    Slow,
    /// Somebody asks the application to stop while it runs; it then waits to be asked itself.
    Cancel,
}

/// One fault in one place: the first time that the code at `point` runs, it goes wrong as `kind`
/// says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Injection {
    /// Where.
    pub point: Point,
    /// How.
    pub kind: FaultKind,
}

impl FaultKind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Error, Self::Avalanche, Self::Panic, Self::Hang, Self::Slow, Self::Cancel];

    /// The kind as reports spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "an error",
            Self::Avalanche => "an error that is followed by others",
            Self::Panic => "a panic",
            Self::Hang => "no end",
            Self::Slow => "an end too late",
            Self::Cancel => "a request to stop",
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// As in: an error in setup connect of `data`.
impl fmt::Display for Injection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.kind, Place(&self.point))
    }
}

/// A point as a person reads it.
pub(super) struct Place<'p>(pub(super) &'p Point);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Point { module, stage, unit, part } = self.0;
        match part {
            Part::Start if *stage == Stage::Run => write!(f, "the start of {unit}")?,
            Part::Start => write!(f, "{stage} {unit}")?,
            Part::Running => write!(f, "{unit}")?,
            Part::Deferred => write!(f, "clean-up {unit}")?,
        }
        write!(f, " of `{module}`")
    }
}

/// Whether the code at a point is part of its module's start.
pub(super) fn is_start(point: &Point) -> bool {
    point.part == Part::Start && point.stage != Stage::Teardown
}

/// Whether the code at a point runs only when its module stops.
pub(super) fn is_teardown(point: &Point) -> bool {
    point.part == Part::Start && point.stage == Stage::Teardown
}
