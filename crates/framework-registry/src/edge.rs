use std::{fmt, panic::Location};

use framework_core::{Declarations, Key, KeyId, KindRecord, ModuleId};

/// Why one module starts before another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edge {
    /// The module that starts first.
    pub(crate) before: ModuleId,
    /// The module that waits.
    pub(crate) after: ModuleId,
    pub(crate) why: Why,
    /// The declaration that the edge comes from.
    pub(crate) location: &'static Location<'static>,
}

/// A [`Reason`] by the positions of what it names, which takes little room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    Needs(KeyId),
    Uses(KeyId),
    Contributes(u32),
    Collects(u32),
    Requires,
    After,
    Foundation,
}

/// What reasons name, by position.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    keys: Vec<Key>,
    kinds: Vec<&'static str>,
}

/// Why a module waits for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// It needs a value that the other provides.
    Needs(Key),
    /// It uses a value of the other if there is one.
    Uses(Key),
    /// It contributes to the other, which must be there first.
    Contributes(&'static str),
    /// It collects what the other contributes.
    Collects(&'static str),
    /// It says that it cannot work without the other.
    Requires,
    /// It says that the other starts first if it is there.
    After,
    /// The other is a foundation.
    Foundation,
}

impl Names {
    pub(crate) fn of(declarations: &Declarations, kinds: &[KindRecord]) -> Self {
        Self {
            keys: declarations.keys().collect(),
            kinds: kinds.iter().map(|kind| kind.name).collect(),
        }
    }

    pub(crate) fn reason(&self, why: Why) -> Reason {
        match why {
            Why::Needs(key) => Reason::Needs(self.keys[key.index()]),
            Why::Uses(key) => Reason::Uses(self.keys[key.index()]),
            Why::Contributes(kind) => Reason::Contributes(self.kinds[kind as usize]),
            Why::Collects(kind) => Reason::Collects(self.kinds[kind as usize]),
            Why::Requires => Reason::Requires,
            Why::After => Reason::After,
            Why::Foundation => Reason::Foundation,
        }
    }
}

impl Why {
    /// Whether the module cannot do without the other.
    pub(crate) fn is_hard(self) -> bool {
        matches!(self, Self::Needs(_) | Self::Contributes(_) | Self::Requires)
    }

    /// How easily a cycle is broken here; the least is the easiest.
    pub(crate) fn strength(self) -> u8 {
        match self {
            Self::After => 0,
            Self::Foundation => 1,
            Self::Requires => 2,
            Self::Contributes(_) | Self::Collects(_) => 3,
            Self::Uses(_) | Self::Needs(_) => 4,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Needs(key) => write!(f, "needs `{key}`"),
            Self::Uses(key) => write!(f, "uses `{key}`"),
            Self::Contributes(kind) => write!(f, "contributes {kind}"),
            Self::Collects(kind) => write!(f, "collects {kind}"),
            Self::Requires => f.write_str("requires it"),
            Self::After => f.write_str("starts after it"),
            Self::Foundation => f.write_str("it is a foundation"),
        }
    }
}
