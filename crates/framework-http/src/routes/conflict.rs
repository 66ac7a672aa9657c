use framework_core::{Contributed, Issue};

use super::{RouteEntry, Routes, path::collide, table::entries};
use crate::{codes, probes::PROBES};

/// Everything that keeps the modules' routes from being served together.
pub(crate) fn issues(routes: &[Contributed<Routes>]) -> Vec<Issue> {
    let mut issues = Vec::new();
    let mut seen: Vec<RouteEntry> = Vec::new();
    for contributed in routes {
        let new = entries(contributed);
        for entry in &new {
            issues.extend(reserved(entry));
            // One is enough: what collides with two routes is told when the first is put right.
            issues.extend(seen.iter().find_map(|other| conflict(other, entry)));
        }
        seen.extend(new);
    }
    issues.extend(fallbacks(routes));
    issues
}

fn reserved(entry: &RouteEntry) -> Option<Issue> {
    let probe = PROBES.iter().find(|probe| **probe == entry.path)?;
    let summary = format!("`{} {}` belongs to the server itself", entry.method, entry.path);
    let evidence = format!("`{}` serves it", entry.module);
    Some(
        Issue::new(&codes::RESERVED_ROUTE, summary)
            .evidence_at(evidence, entry.location)
            .help(format!("serve it at another path; `{probe}` tells load balancers how we are")),
    )
}

fn conflict(first: &RouteEntry, second: &RouteEntry) -> Option<Issue> {
    if first.path != second.path {
        return collide(&first.path, &second.path).then(|| indistinct(first, second));
    }
    let overlap = first.method == second.method || [first.method, second.method].contains(&"*");
    overlap.then(|| twice(first, second))
}

fn twice(first: &RouteEntry, second: &RouteEntry) -> Issue {
    let method = if first.method == "*" { second.method } else { first.method };
    let summary = format!("`{method} {}` is served {}", second.path, by(first, second));
    shown(Issue::new(&codes::ROUTE_CONFLICT, summary), first, second)
        .help("serve one of them at another path or with another method, or remove it")
}

fn indistinct(first: &RouteEntry, second: &RouteEntry) -> Issue {
    let summary = format!("`{}` and `{}` match the same paths", first.path, second.path);
    shown(Issue::new(&codes::ROUTE_CONFLICT, summary), first, second)
        .help("use one name for the parameter in both, or serve one of them at another path")
}

fn by(first: &RouteEntry, second: &RouteEntry) -> &'static str {
    if first.module == second.module { "twice" } else { "by two modules" }
}

fn shown(issue: Issue, first: &RouteEntry, second: &RouteEntry) -> Issue {
    [first, second].into_iter().fold(issue, |issue, entry| {
        let evidence = format!("`{}` serves `{} {}`", entry.module, entry.method, entry.path);
        issue.evidence_at(evidence, entry.location)
    })
}

fn fallbacks(routes: &[Contributed<Routes>]) -> Option<Issue> {
    let has_fallback = |routes: &&Contributed<Routes>| {
        routes.item().inspected().is_some_and(|inspected| inspected.has_fallback)
    };
    let with: Vec<_> = routes.iter().filter(has_fallback).collect();
    (with.len() > 1).then(|| {
        let issue = Issue::new(&codes::TWO_FALLBACKS, "two modules have a fallback for all paths");
        with.iter()
            .fold(issue, |issue, routes| {
                let evidence = format!("`{}` has one", routes.module());
                issue.evidence_at(evidence, routes.location())
            })
            .help("bind one of them to a path of its own, such as `/docs/{*rest}`")
    })
}
