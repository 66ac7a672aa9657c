use std::{fmt, future::Future, panic::Location, pin::Pin, sync::Arc};

use crate::{AnySlot, BoxError, Context, Intensity, ProviderId, Strategy, Supervision};

/// A boxed future that can move between threads.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send + 'static>>;

/// What remains to be done once a unit has started.
pub type RunFuture = BoxFuture<Result<(), BoxError>>;

/// A function that does a piece of work once.
pub type OnceFn<T> = Box<dyn FnOnce(Context) -> BoxFuture<Result<T, BoxError>> + Send>;

/// A function that starts a piece of work as often as needed.
pub type RepeatFn = Arc<dyn Fn(Context) -> BoxFuture<Result<RunFuture, BoxError>> + Send + Sync>;

/// Where in a module's life a piece of its code runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Its values are made.
    Construct,
    /// Work to finish before dependents start.
    Setup,
    /// Work that lasts until shutdown.
    Run,
    /// Work to do when the module stops.
    Teardown,
}

impl Stage {
    /// The stage in lower case, as messages spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Construct => "construct",
            Self::Setup => "setup",
            Self::Run => "run",
            Self::Teardown => "teardown",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A piece of a module's code, with its name and the place that declared it.
#[derive(Debug)]
pub struct Unit {
    /// The unit's name, unique in its module by convention.
    pub name: &'static str,
    /// The place in the source that declared it.
    pub location: &'static Location<'static>,
    /// The group of units it belongs to; without one, the module itself.
    pub group: Option<GroupId>,
    /// What it does.
    pub work: Work,
}

/// What a [`Unit`] does.
pub enum Work {
    /// Finishes before whatever relies on the module starts.
    Setup(OnceFn<()>),
    /// Starts, and yields the work that lasts until shutdown. If the work ends early, the
    /// application stops.
    Run(OnceFn<RunFuture>),
    /// As `Run`, and can be started again.
    Supervised(Supervision, RepeatFn),
    /// Runs when the module stops.
    Teardown(OnceFn<()>),
}

impl Work {
    /// The stage that this work belongs to.
    #[must_use]
    pub fn stage(&self) -> Stage {
        match self {
            Self::Setup(_) => Stage::Setup,
            Self::Run(_) | Self::Supervised(..) => Stage::Run,
            Self::Teardown(_) => Stage::Teardown,
        }
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Supervised(policy, _) => f.debug_tuple("Supervised").field(policy).finish(),
            other => f.write_str(other.stage().as_str()),
        }
    }
}

/// Makes one value of a module and puts it in its slot.
pub struct Construct {
    /// The provider that this belongs to.
    pub provider: ProviderId,
    /// Where the value goes.
    pub slot: Arc<dyn AnySlot>,
    /// Makes the value.
    pub make: OnceFn<()>,
}

impl fmt::Debug for Construct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Construct").field("provider", &self.provider).finish_non_exhaustive()
    }
}

/// The position of a [`Group`] among those of its module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub usize);

/// Units that are supervised together.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// The group's name.
    pub name: &'static str,
    /// What else is restarted when one of the units ends.
    pub strategy: Strategy,
    /// How many restarts the group stands before it gives up.
    pub intensity: Intensity,
    /// The group that this one is a member of; without one, the module itself.
    pub parent: Option<GroupId>,
}
