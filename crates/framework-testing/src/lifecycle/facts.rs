//! What the plan of an application says about it, before anything runs.

use std::{collections::BTreeMap, time::Duration};

use framework_app::{Budgets, Part, Plan, Point, ReadyApp};
use framework_core::{ModuleRecord, Restart, Stage, Work};

use super::injection::is_start;

/// How much later than its time something may be over.
pub(super) const SLACK: Duration = Duration::from_secs(1);

/// How much longer than its time a late piece of code takes.
const LATE: Duration = Duration::from_secs(2);

/// What the rules take as given.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) app: &'static str,
    pub(super) budgets: Budgets,
    pub(super) modules: BTreeMap<&'static str, ModuleFacts>,
}

#[derive(Debug)]
pub(super) struct ModuleFacts {
    pub(super) start_limit: Duration,
    pub(super) stop_limit: Duration,
    /// What it waits for when it starts, if it is there.
    pub(super) waits_for: Vec<&'static str>,
    /// How many teardowns of each name it has.
    pub(super) teardowns: BTreeMap<&'static str, usize>,
    supervised: BTreeMap<&'static str, Supervised>,
}

/// How a unit is supervised.
#[derive(Clone, Copy, Debug)]
struct Supervised {
    restart: Restart,
    max_restarts: u32,
    in_group: bool,
}

/// What becomes of an application when a running unit fails once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Survival {
    /// The application stops.
    Never,
    /// The unit is started again.
    Restarted,
    /// The unit is left alone.
    Left,
    /// That depends on more than its own policy.
    Open,
}

impl Facts {
    pub(super) fn of(ready: &ReadyApp) -> Self {
        let budgets = *ready.budgets();
        Self { app: ready.name(), budgets, modules: modules(ready.plan(), &budgets) }
    }

    /// How long the code at `point` may take at most, whatever else goes on.
    pub(super) fn limit(&self, point: &Point) -> Duration {
        let Some(module) = self.modules.get(point.module) else { return Duration::ZERO };
        if is_start(point) { module.start_limit } else { module.stop_limit }
    }

    /// How long code takes that is late, and still goes on a while after it should be gone.
    pub(super) fn late(&self, point: &Point) -> Duration {
        self.limit(point) + self.budgets.cancel_grace + LATE
    }

    /// How long after the code of a module began to start it may still be there.
    pub(super) fn start_gone_after(&self, module: &str) -> Duration {
        let limit = self.modules.get(module).map_or(Duration::ZERO, |module| module.start_limit);
        limit.min(self.budgets.start) + self.gives_up()
    }

    /// How long a start takes to give up.
    pub(super) fn gives_up(&self) -> Duration {
        self.budgets.cancel_grace + SLACK / 2
    }

    pub(super) fn survival(&self, point: &Point) -> Survival {
        let module = self.modules.get(point.module);
        let policy = module.and_then(|module| module.supervised.get(&*point.unit));
        match policy {
            _ if point.part != Part::Running => Survival::Never,
            None => Survival::Never,
            Some(Supervised { restart: Restart::Temporary, .. }) => Survival::Left,
            Some(Supervised { max_restarts: 0, .. } | Supervised { in_group: true, .. }) => {
                Survival::Open
            }
            Some(_) => Survival::Restarted,
        }
    }
}

fn modules(plan: &Plan, budgets: &Budgets) -> BTreeMap<&'static str, ModuleFacts> {
    let mut order: Vec<&'static str> = Vec::new();
    let mut modules: BTreeMap<&'static str, ModuleFacts> = BTreeMap::new();
    for planned in plan.modules() {
        let record = &planned.record;
        let mut teardowns = BTreeMap::new();
        let named = record.units.iter().filter(|unit| unit.work.stage() == Stage::Teardown);
        named.for_each(|unit| *teardowns.entry(unit.name).or_default() += 1);
        let stop_limit = record.budget.stop.or(record.budget.stop_at_most);
        let facts = ModuleFacts {
            start_limit: record.budget.start.unwrap_or(budgets.module_start),
            stop_limit: stop_limit.unwrap_or(budgets.module_stop),
            waits_for: planned.waits_for.iter().map(|&(at, _)| order[at]).collect(),
            teardowns,
            supervised: supervised(record),
        };
        order.push(record.name);
        modules.insert(record.name, facts);
    }
    modules
}

fn supervised(record: &ModuleRecord) -> BTreeMap<&'static str, Supervised> {
    let of_unit = |unit: &framework_core::Unit| {
        let Work::Supervised(policy, _) = &unit.work else { return None };
        let (restart, max_restarts) = (policy.restart(), policy.max_intensity().max);
        Some((unit.name, Supervised { restart, max_restarts, in_group: unit.group.is_some() }))
    };
    record.units.iter().filter_map(of_unit).collect()
}
