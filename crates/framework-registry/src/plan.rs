use std::{collections::HashMap, fmt, sync::Arc};

use framework_core::{
    BoxModule, Declarations, Issue, Key, KindRecord, ModuleId, ModuleRecord, Observe, Order, Role,
    SlotTable, Unclaimed,
};

use crate::{
    Graph, ModuleNode, PlanError, ValueNode, Wait, captive, codes, cycle,
    edge::{Edge, Names, Why},
    order, relations,
    values::Values,
};

/// An application whose modules fit together: what it consists of, and the code to run.
///
/// # Examples
///
/// ```
/// use framework_core::{BoxModule, module_fn};
/// use framework_registry::Plan;
///
/// let plan = Plan::new([
///     BoxModule::new(module_fn("orders", |reg| {
///         reg.need::<u16>();
///     })),
///     BoxModule::new(module_fn("data", |reg| {
///         reg.provide(|_cx| async { Ok(80_u16) });
///     })),
/// ])?;
/// assert_eq!(plan.to_string(), "data\n    u16\norders after data (needs `u16`)\n");
/// # Ok::<(), framework_registry::PlanError>(())
/// ```
pub struct Plan {
    graph: Arc<Graph>,
    modules: Vec<PlannedModule>,
    slots: Arc<SlotTable>,
    observers: Vec<Observe>,
}

/// A module to run, in its place in a [`Plan`].
#[derive(Debug)]
#[non_exhaustive]
pub struct PlannedModule {
    /// What it declared. Its constructs are in the order in which they are to run, and those of
    /// values that were replaced are gone.
    pub record: ModuleRecord,
    /// The modules that it waits for, by position in start order, and whether it cannot do without.
    pub waits_for: Vec<(usize, bool)>,
    /// Of each construct: whether it is put off until somebody wants its value.
    pub deferred: Vec<bool>,
}

/// A plan taken apart, for whoever runs it.
#[derive(Debug)]
#[non_exhaustive]
pub struct PlanParts {
    /// What the application consists of.
    pub graph: Arc<Graph>,
    /// Its modules, first to start first.
    pub modules: Vec<PlannedModule>,
    /// Its values.
    pub slots: Arc<SlotTable>,
    /// Who is told of its life.
    pub observers: Vec<Observe>,
}

impl Plan {
    /// Registers every module and works out the order in which they start.
    ///
    /// Modules that nothing orders keep the order in which they were given.
    ///
    /// # Errors
    ///
    /// Returns everything that is wrong with the declarations.
    pub fn new(modules: impl IntoIterator<Item = BoxModule>) -> Result<Self, PlanError> {
        let modules = modules.into_iter();
        let mut declarations = Declarations::with_capacity(modules.size_hint().0);
        let mut issues = register(&mut declarations, modules);
        let observers = declarations.collected::<Observe>();
        declarations.seal();
        let heard = observers.all().iter().map(|given| given.item().clone()).collect();
        issues.extend(names(&declarations));
        let (mut edges, found) = relations::check(&declarations);
        issues.extend(found);

        let mut values = Values::resolve(&declarations);
        issues.append(&mut values.issues);
        edges.extend(values.edges());
        let kinds: Vec<_> = declarations.kinds().collect();
        issues.extend(kinds.iter().filter_map(|kind| unclaimed(&declarations, kind)));
        (0..).zip(&kinds).for_each(|(at, kind)| contributions(at, kind, &mut edges));
        let names = Names::of(&declarations, &kinds);

        let start = start_order(&declarations, &mut edges, &values, &names, &mut issues);
        let takes = cycle::takes(&values);
        let makes = takes.iter().map(|(taker, take)| (take.provider.index(), *taker));
        let makes = order::graph(values.active.len(), makes);
        let make_order = order::sort(&makes);
        if make_order.len() < values.active.len()
            || takes.iter().any(|(t, take)| *t == take.provider.index())
        {
            issues.extend(cycle::of_values(&values, &takes, &makes));
        }
        issues.extend(captive::check(&values));
        let deferred = values.deferred();
        let nodes = start
            .as_ref()
            .map(|start| describe(&values, &edges, &kinds, start, &make_order, &deferred));
        let active = std::mem::take(&mut values.active);
        drop(values);
        issues.extend(gates(&mut declarations));

        match (nodes, start) {
            (Some(nodes), Some(start)) if issues.is_empty() => {
                let made = Made { order: make_order, deferred, active };
                Ok(Self::assemble(declarations, nodes, &start, &made, names, heard))
            }
            _ => Err(PlanError::new(issues)),
        }
    }

    fn assemble(
        mut declarations: Declarations,
        nodes: Vec<ModuleNode>,
        start: &[usize],
        made: &Made,
        names: Names,
        observers: Vec<Observe>,
    ) -> Self {
        let graph_key = Key::of::<Graph>();
        let has_graph = declarations.providers().iter().any(|given| given.key == graph_key);
        let mut slots = declarations.take_slots();
        let mut rank = vec![0; made.order.len()];
        made.order.iter().enumerate().for_each(|(at, &provider)| rank[provider] = at);

        let mut records: Vec<_> = declarations.take_modules().into_iter().map(Some).collect();
        let take = |(node, &id): (&ModuleNode, &usize)| {
            let mut record = records[id].take()?;
            record.constructs.retain(|construct| made.active[construct.provider.index()]);
            record.constructs.sort_by_key(|construct| rank[construct.provider.index()]);
            let deferred = record.constructs.iter().map(|c| made.deferred[c.provider.index()]);
            let deferred = deferred.collect();
            let wait = |wait: &Wait| (wait.module, wait.whys().any(Why::is_hard));
            let waits_for = node.waits_for.iter().map(wait).collect();
            Some(PlannedModule { record, waits_for, deferred })
        };
        let mut modules = Vec::with_capacity(nodes.len());
        modules.extend(nodes.iter().zip(start).filter_map(take));
        // For those who show the application to people.
        let graph = Arc::new(Graph { modules: nodes, names });
        if !has_graph {
            slots.add(Arc::clone(&graph));
        }
        Self { graph, modules, slots: Arc::new(slots), observers }
    }

    /// What the application consists of.
    #[must_use]
    pub fn graph(&self) -> &Arc<Graph> {
        &self.graph
    }

    /// The modules to run, first to start first.
    #[must_use]
    pub fn modules(&self) -> &[PlannedModule] {
        &self.modules
    }

    /// Takes the plan apart, to run it.
    #[must_use]
    pub fn into_parts(self) -> PlanParts {
        let Self { graph, modules, slots, observers } = self;
        PlanParts { graph, modules, slots, observers }
    }
}

/// How values are made.
struct Made {
    order: Vec<usize>,
    deferred: Vec<bool>,
    active: Vec<bool>,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.graph.fmt(f)
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan").field("graph", &self.graph).finish_non_exhaustive()
    }
}

// ===== the steps of planning =====

fn register(
    declarations: &mut Declarations,
    modules: impl IntoIterator<Item = BoxModule>,
) -> Vec<Issue> {
    let register = |module: BoxModule| {
        let (name, location) = (module.name(), module.location());
        let error = declarations.register(module).err()?;
        let summary = format!("`{name}` panicked while registering");
        Some(
            Issue::new(&codes::REGISTER_PANICKED, summary)
                .evidence_at(error.message(), location)
                .help("check arguments in the module's constructor, and do work in `reg.setup(…)`"),
        )
    };
    modules.into_iter().filter_map(register).collect()
}

fn names(declarations: &Declarations) -> Vec<Issue> {
    let mut issues = Vec::new();
    let modules = declarations.modules();
    let mut first: HashMap<&str, ModuleId> = HashMap::with_capacity(modules.len());
    for module in modules {
        if !is_kebab_case(module.name) {
            issues.push(
                Issue::new(
                    &codes::MODULE_NAME,
                    format!("{:?} is no name for a module", module.name),
                )
                .evidence_at("added here", module.location)
                .help("use lower-case letters, digits and hyphens, as in `order-book`"),
            );
        }
        if let Some(&other) = first.get(module.name) {
            let other = declarations.module(other);
            issues.push(
                Issue::new(
                    &codes::DUPLICATE_MODULE,
                    format!("two modules are called `{}`", module.name),
                )
                .evidence_at("the first was added", other.location)
                .evidence_at("the second was added", module.location)
                .help("remove one of them, or rename it"),
            );
        } else {
            first.insert(module.name, module.id);
        }
    }
    issues
}

fn is_kebab_case(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('-')
        && !name.contains("--")
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn unclaimed(declarations: &Declarations, kind: &KindRecord) -> Option<Issue> {
    let lost = kind.collectors.is_empty() && kind.unclaimed == Unclaimed::Reject;
    if !lost || kind.contributors.is_empty() {
        return None;
    }
    let issue = Issue::new(&codes::UNCLAIMED, format!("no module collects {}", kind.name));
    let rows = kind.contributors.iter().fold(issue, |issue, (module, location)| {
        let module = declarations.module(*module).name;
        issue.evidence_at(format!("contributed by `{module}`"), *location)
    });
    Some(rows.help(format!("add the module that collects {}, or contribute none", kind.name)))
}

fn contributions(at: u32, kind: &KindRecord, edges: &mut Vec<Edge>) {
    for &(collector, _) in &kind.collectors {
        let mut last = None;
        for &(contributor, location) in &kind.contributors {
            if last.replace(contributor) == Some(contributor) {
                continue;
            }
            edges.extend(match kind.order {
                Order::CollectorFirst => Some(Edge {
                    before: collector,
                    after: contributor,
                    why: Why::Contributes(at),
                    location,
                }),
                Order::CollectorLast => Some(Edge {
                    before: contributor,
                    after: collector,
                    why: Why::Collects(at),
                    location,
                }),
                Order::Independent => None,
            });
        }
    }
}

/// The modules in start order, or `None` and an issue for each cycle.
fn start_order(
    declarations: &Declarations,
    edges: &mut Vec<Edge>,
    values: &Values<'_>,
    names: &Names,
    issues: &mut Vec<Issue>,
) -> Option<Vec<usize>> {
    let len = declarations.modules().len();
    let pairs = |edges: &[Edge]| -> Vec<_> {
        edges.iter().map(|edge| (edge.before.index(), edge.after.index())).collect()
    };
    let graph = order::graph(len, pairs(edges).into_iter());
    let start = order::sort(&graph);
    if start.len() < len {
        issues.extend(cycle::of_modules(declarations, edges, &graph, values, names));
        return None;
    }
    if declarations.modules().iter().all(|module| !module.foundation) {
        return Some(start);
    }
    foundations(declarations, edges);
    Some(order::sort(&order::graph(len, pairs(edges).into_iter())))
}

/// Lets everything wait for the foundations but what they rely on themselves. Of two that do not
/// rely on one another, the one registered first is the lower.
fn foundations(declarations: &Declarations, edges: &mut Vec<Edge>) {
    let len = declarations.modules().len();
    for foundation in declarations.modules().iter().filter(|module| module.foundation) {
        let mut waits_for = vec![Vec::new(); len];
        edges.iter().for_each(|edge| waits_for[edge.after.index()].push(edge.before.index()));
        let mut below = vec![false; len];
        let mut stack = vec![foundation.id.index()];
        while let Some(at) = stack.pop() {
            if !std::mem::replace(&mut below[at], true) {
                stack.extend(&waits_for[at]);
            }
        }
        edges.extend(below.iter().enumerate().filter(|(_, below)| !**below).map(|(at, _)| Edge {
            before: foundation.id,
            after: ModuleId::at(at),
            why: Why::Foundation,
            location: foundation.location,
        }));
    }
}

fn gates(declarations: &mut Declarations) -> Vec<Issue> {
    let mut issues = Vec::new();
    for report in declarations.run_gates() {
        match report.found {
            Ok(found) => issues.extend(found),
            Err(panic) => {
                let module = declarations.module(report.module);
                let summary = format!("the check `{}` of `{}` panicked", report.name, module.name);
                issues.push(
                    Issue::new(&codes::GATE_PANICKED, summary)
                        .evidence_at(panic.message(), module.location)
                        .help("let the check return an issue instead"),
                );
            }
        }
    }
    issues
}

// ===== what the plan tells =====

fn describe(
    values: &Values<'_>,
    edges: &[Edge],
    kinds: &[KindRecord],
    start: &[usize],
    make_order: &[usize],
    deferred: &[bool],
) -> Vec<ModuleNode> {
    let records = values.declarations.modules();
    let mut position = vec![0; records.len()];
    start.iter().enumerate().for_each(|(at, &id)| position[id] = at);
    let mut counts = vec![0; records.len()];
    edges.iter().for_each(|edge| counts[edge.after.index()] += 1);
    let mut waits: Vec<Vec<Wait>> = counts.into_iter().map(Vec::with_capacity).collect();
    for edge in edges.iter().filter(|edge| edge.before != edge.after) {
        waits[edge.after.index()].push(Wait::new(position[edge.before.index()], edge.why));
    }
    // One for each pair; its reasons stay in the order of declaration, for the sort is stable.
    for waits in &mut waits {
        waits.sort_by_key(|wait| wait.module);
        waits.dedup_by(|next, kept| {
            let same = next.module == kept.module;
            if same {
                kept.add(next.why);
            }
            same
        });
    }
    let mut made: Vec<Vec<ValueNode>> = vec![Vec::new(); records.len()];
    for &at in make_order.iter().filter(|at| values.active[**at]) {
        let provider = &values.declarations.providers()[at];
        made[provider.module.index()].push(ValueNode {
            key: provider.key.to_string(),
            lifetime: provider.lifetime,
            deferred: deferred[at],
            replacement: provider.role == Role::Replacement,
            takes: values.takes[at]
                .iter()
                .map(|t| values.provider(t.provider).key.to_string())
                .collect(),
            location: provider.location,
        });
    }
    let mut contributes: Vec<Vec<(&'static str, usize)>> = vec![Vec::new(); records.len()];
    let mut collects: Vec<Vec<&'static str>> = vec![Vec::new(); records.len()];
    for kind in kinds {
        kind.collectors.iter().for_each(|(module, _)| collects[module.index()].push(kind.name));
        for (module, _) in &kind.contributors {
            let list = &mut contributes[module.index()];
            match list.last_mut().filter(|(name, _)| *name == kind.name) {
                Some((_, count)) => *count += 1,
                None => list.push((kind.name, 1)),
            }
        }
    }
    let node = |&id: &usize| {
        let record = &records[id];
        ModuleNode {
            name: record.name,
            location: record.location,
            version: record.version,
            optional: record.optional,
            foundation: record.foundation,
            waits_for: std::mem::take(&mut waits[id]),
            values: std::mem::take(&mut made[id]),
            units: record.units.iter().map(|unit| (unit.work.stage(), unit.name)).collect(),
            contributes: std::mem::take(&mut contributes[id]),
            collects: std::mem::take(&mut collects[id]),
        }
    };
    start.iter().map(node).collect()
}
