use framework_core::{Declarations, Issue, NeedMode, Place};

use crate::{
    codes,
    edge::{Edge, Names, Reason},
    order,
    values::{Take, Values},
};

/// One issue for each cycle of modules.
pub(crate) fn of_modules(
    declarations: &Declarations,
    edges: &[Edge],
    graph: &order::Order,
    values: &Values<'_>,
    names: &Names,
) -> Vec<Issue> {
    let cycles = order::cycles(graph, |edge| edges[edge].why.strength());
    let describe = |cycle: Vec<usize>| {
        let steps: Vec<_> = cycle
            .iter()
            .map(|&at| {
                let edge = edges[at];
                let name = declarations.module(edge.after).name;
                let other = declarations.module(edge.before).name;
                Step {
                    name: name.to_owned(),
                    row: row(edge, other, names),
                    place: place(edge, values, names),
                }
            })
            .collect();
        let weakest = cycle.iter().map(|&at| edges[at]).min_by_key(|edge| edge.why.strength());
        let summary = format!("{} modules form a cycle", steps.len());
        let issue = draw(Issue::new(&codes::CYCLE, summary), steps);
        match weakest {
            Some(edge) => issue.help(cure(declarations, edge, names)),
            None => issue,
        }
    };
    cycles.into_iter().map(describe).collect()
}

/// One issue for each cycle of values within a module. A longer one is a cycle of modules, too.
pub(crate) fn of_values(
    values: &Values<'_>,
    takes: &[(usize, Take)],
    graph: &order::Order,
) -> Vec<Issue> {
    // The graph leaves out edges from a value to itself.
    let itself =
        takes.iter().enumerate().filter(|(_, (taker, take))| *taker == take.provider.index());
    let mut cycles: Vec<_> = itself.map(|(at, _)| vec![at]).collect();
    cycles.extend(order::cycles(graph, |_| 0));
    let within_one_module = |cycle: &Vec<usize>| {
        let modules = cycle.iter().map(|&at| values.provider(takes[at].1.provider).module);
        let first = modules.clone().next();
        modules.map(Some).all(|module| module == first)
    };
    let describe = |cycle: Vec<usize>| {
        let steps = cycle.iter().map(|&at| {
            let (taker, take) = takes[at];
            let taker = &values.declarations.providers()[taker];
            let row = format!("takes `{}`", values.provider(take.provider).key);
            let place = Place::from(take.need.location).to_string();
            Step { name: taker.key.to_string(), row, place }
        });
        let steps: Vec<_> = steps.collect();
        let summary = match steps.len() {
            1 => format!("`{}` takes itself", steps[0].name),
            n => format!("{n} values form a cycle"),
        };
        let last = steps.last().map(|step| step.row.replacen("takes `", "", 1).replace('`', ""));
        draw(Issue::new(&codes::VALUE_CYCLE, summary), steps).help(format!(
            "take `Lazy<{}>` in one of them, and read it when it is wanted",
            last.unwrap_or_default(),
        ))
    };
    cycles.into_iter().filter(within_one_module).map(describe).collect()
}

/// The values whose making needs the other one to be there.
pub(crate) fn takes(values: &Values<'_>) -> Vec<(usize, Take)> {
    let takes = values.takes.iter().enumerate();
    let takes = takes.flat_map(|(taker, takes)| takes.iter().map(move |take| (taker, *take)));
    // What is read later on is no reason to wait.
    let first = |take: &Take| !matches!(take.mode, NeedMode::Lazy | NeedMode::InScope);
    takes.filter(|(_, take)| first(take)).collect()
}

struct Step {
    name: String,
    row: String,
    place: String,
}

fn draw(issue: Issue, steps: Vec<Step>) -> Issue {
    let last = steps.len().saturating_sub(1);
    steps.into_iter().enumerate().fold(issue, |issue, (n, step)| {
        let lead = if n == 0 { "┌─> " } else { "│   " };
        let tail = if n == last { "└──   " } else { "│     " };
        issue
            .evidence(format!("{lead}{}", step.name))
            .evidence_at(format!("{tail}{}", step.row), step.place)
    })
}

fn row(edge: Edge, other: &str, names: &Names) -> String {
    match names.reason(edge.why) {
        Reason::Needs(key) => format!("needs `{key}`"),
        Reason::Uses(key) => format!("uses `{key}`"),
        Reason::Contributes(kind) => format!("contributes {kind}"),
        Reason::Collects(kind) => format!("collects {kind}"),
        Reason::Requires => format!("requires `{other}`"),
        Reason::After => format!("after `{other}`"),
        Reason::Foundation => format!("stands on `{other}`"),
    }
}

fn place(edge: Edge, values: &Values<'_>, names: &Names) -> String {
    let place = Place::from(edge.location);
    let other = values.declarations.module(edge.before).name;
    match names.reason(edge.why) {
        Reason::Needs(_) | Reason::Uses(_) => format!("{place}   (provided by {other})"),
        Reason::Contributes(_) => format!("{place}   (collected by {other})"),
        Reason::Collects(_) => format!("{place}   (contributed by {other})"),
        Reason::Requires | Reason::After | Reason::Foundation => place.to_string(),
    }
}

fn cure(declarations: &Declarations, edge: Edge, names: &Names) -> String {
    let (waits, other) =
        (declarations.module(edge.after).name, declarations.module(edge.before).name);
    match names.reason(edge.why) {
        Reason::After => format!(
            "an `after` edge is the weakest one here; remove it, or let `{waits}` subscribe to an \
             event of `{other}`"
        ),
        Reason::Foundation => {
            format!("`{other}` is a foundation; let it rely on less, or not be one")
        }
        Reason::Requires => format!(
            "remove the `requires` of `{waits}` if its values say enough, or move what it wants of \
             `{other}` into a module of its own"
        ),
        Reason::Contributes(_) | Reason::Collects(_) | Reason::Needs(_) | Reason::Uses(_) => {
            format!(
                "move what `{waits}` wants of `{other}` into a module that both rely on, or let \
             `{waits}` subscribe to an event of `{other}`"
            )
        }
    }
}
