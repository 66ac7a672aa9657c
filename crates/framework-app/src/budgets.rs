use std::time::Duration;

use framework_core::{Issue, ModuleBudget};
use framework_registry::{Graph, PlannedModule};

use crate::codes;

/// How long the parts of an application's life may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Budgets {
    /// From the first module to readiness. Defaults to 60 s.
    pub start: Duration,
    /// For one module to start, unless it says otherwise. Defaults to 30 s.
    pub module_start: Duration,
    /// For code whose start was cancelled to end by itself, before it is dropped. Defaults to 1 s.
    pub cancel_grace: Duration,
    /// To stop what had started when a start fails. Defaults to 10 s.
    pub rollback: Duration,
    /// To stop, all phases together. Defaults to 25 s.
    pub shutdown: Duration,
    /// For one module to stop, unless it says otherwise. Defaults to 5 s.
    pub module_stop: Duration,
    /// To go on serving while telling everyone to go elsewhere. Defaults to 0 s.
    pub lame_duck: Duration,
    /// To stop after a second request. Defaults to 2 s.
    pub force_after: Duration,
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            start: Duration::from_secs(60),
            module_start: Duration::from_secs(30),
            cancel_grace: Duration::from_secs(1),
            rollback: Duration::from_secs(10),
            shutdown: Duration::from_secs(25),
            module_stop: Duration::from_secs(5),
            lame_duck: Duration::ZERO,
            force_after: Duration::from_secs(2),
        }
    }
}

/// The least time that a module gets to stop, however late it is.
pub(crate) const LEAST_SLICE: Duration = Duration::from_millis(250);

impl Budgets {
    /// Finds budgets that cannot be kept: what modules ask for themselves, added up along the
    /// longest chain, must fit into the whole. A limit that nobody asked for is only a limit.
    pub(crate) fn check(&self, graph: &Graph, modules: &[PlannedModule]) -> Vec<Issue> {
        let lame_duck = Part { what: "lame duck", limit: self.lame_duck };
        let start = Whole { what: "the start", key: "`start`", limit: self.start, first: None };
        let stop = Whole {
            what: "the shutdown",
            key: "`shutdown.timeout`",
            limit: self.shutdown,
            first: (!self.lame_duck.is_zero()).then_some(lame_duck),
        };
        let issues = [
            start.check(graph, modules, |budget| budget.start),
            stop.check(graph, modules, |budget| budget.stop),
        ];
        issues.into_iter().flatten().collect()
    }
}

struct Whole {
    what: &'static str,
    key: &'static str,
    limit: Duration,
    first: Option<Part>,
}

struct Part {
    what: &'static str,
    limit: Duration,
}

impl Whole {
    fn check(
        &self,
        graph: &Graph,
        modules: &[PlannedModule],
        of: impl Fn(&ModuleBudget) -> Option<Duration>,
    ) -> Option<Issue> {
        let own: Vec<_> = modules.iter().map(|module| of(&module.record.budget)).collect();
        let first = self.first.as_ref().map_or(Duration::ZERO, |part| part.limit);
        if own.iter().flatten().sum::<Duration>() + first <= self.limit {
            return None;
        }
        // The longest chain that ends in each module, and the module before it on that chain.
        let mut longest: Vec<(Duration, Option<usize>)> = Vec::with_capacity(own.len());
        for (at, node) in graph.modules().iter().enumerate() {
            let before = node.waits_for.iter().map(|wait| wait.module);
            let before = before.max_by_key(|at| longest[*at].0);
            let sum = before.map_or(Duration::ZERO, |at| longest[at].0);
            longest.push((sum + own[at].unwrap_or_default(), before));
        }
        let (last, (sum, _)) =
            longest.iter().enumerate().max_by_key(|(_, (sum, _))| *sum).map(|(n, l)| (n, *l))?;
        let total = sum + first;
        if total <= self.limit {
            return None;
        }
        let summary = format!("what modules ask for is more than {} may take", self.what);
        let mut issue = Issue::new(&codes::BUDGET, summary);
        if let Some(part) = &self.first {
            issue = issue.evidence(format!("{:>8}   {}", text(part.limit), part.what));
        }
        let chain = std::iter::successors(Some(last), |at| longest[*at].1);
        for at in chain.collect::<Vec<_>>().into_iter().rev() {
            let (Some(limit), node) = (own[at], &graph.modules()[at]) else { continue };
            issue = issue.evidence_at(format!("{:>8}   {}", text(limit), node.name), node.location);
        }
        let limit = text(self.limit);
        let issue = issue.evidence(format!("{:>8}   in all, of {limit}", text(total)));
        Some(issue.help(format!("ask for less in one of them, or raise {}", self.key)))
    }
}

/// A duration for people: at most three digits behind the point.
pub(crate) fn text(duration: Duration) -> String {
    match duration {
        d if d >= Duration::from_secs(1) && d.subsec_millis() == 0 => format!("{} s", d.as_secs()),
        d if d >= Duration::from_secs(1) => format!("{:.1} s", d.as_secs_f64()),
        d => format!("{} ms", d.as_millis()),
    }
}
