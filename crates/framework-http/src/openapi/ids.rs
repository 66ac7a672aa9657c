//! What operations are called.

use std::collections::HashMap;

use framework_core::Issue;

use super::document::Placed;
use crate::codes;

/// An id for each operation, and those that were given twice.
///
/// An id that nobody chose is the module's and the handler's name; where that is no handler's own,
/// as with one that serves two paths, it is the method and the path instead. So no id depends on
/// the order of anything.
pub(super) fn assign(placed: &[Placed<'_>]) -> (Vec<String>, Vec<Issue>) {
    let short: Vec<_> = placed.iter().map(short).collect();
    let mut uses: HashMap<&str, usize> = HashMap::new();
    for id in short.iter().flatten() {
        *uses.entry(id).or_default() += 1;
    }
    let id = |(placed, short): (&Placed<'_>, &Option<String>)| match short {
        Some(id) if placed.operation.notes.id.is_some() || uses[id.as_str()] == 1 => id.clone(),
        _ => long(placed),
    };
    let ids: Vec<_> = placed.iter().zip(&short).map(id).collect();

    let mut first: HashMap<&str, &Placed<'_>> = HashMap::new();
    let mut issues = Vec::new();
    for (id, placed) in ids.iter().zip(placed) {
        match first.get(id.as_str()) {
            None => drop(first.insert(id, placed)),
            Some(other) => issues.push(twice(id, other, placed)),
        }
    }
    (ids, issues)
}

/// The id that was given, or the names of the module and the handler.
fn short(placed: &Placed<'_>) -> Option<String> {
    let given = placed.operation.notes.id.clone();
    let named = || placed.operation.function().map(|name| format!("{}_{name}", module(placed)));
    given.or_else(named)
}

/// `catalog_get_products_id`, of which there can be only one: routes do not collide.
fn long(placed: &Placed<'_>) -> String {
    let path = words(&placed.operation.path);
    let method = placed.operation.method.to_lowercase();
    [module(placed), method, path].join("_").trim_end_matches('_').to_owned()
}

fn module(placed: &Placed<'_>) -> String {
    words(placed.module)
}

fn words(text: &str) -> String {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("_")
}

fn twice(id: &str, first: &Placed<'_>, second: &Placed<'_>) -> Issue {
    let issue = Issue::new(&codes::OPERATION_CONFLICT, format!("two operations are called `{id}`"));
    [first, second]
        .into_iter()
        .fold(issue, |issue, placed| {
            let (method, path) = (placed.operation.method, &placed.operation.path);
            issue.evidence_at(format!("`{}`: `{method} {path}`", placed.module), placed.location)
        })
        .help("give one of them another id at its route: `.id(\"…\")`")
}
