use std::collections::{HashSet, VecDeque};

use framework_core::{Issue, Lifetime, NeedMode, ProviderId};

use crate::{codes, values::Values};

/// One issue for each scoped value that a singleton would keep, itself or through transients.
///
/// `Lazy` does not weaken the rule: the value is kept just as long, from a little later on.
pub(crate) fn check(values: &Values<'_>) -> Vec<Issue> {
    let providers = values.declarations.providers();
    if providers.iter().all(|provider| provider.lifetime != Lifetime::Scoped) {
        return Vec::new();
    }
    providers
        .iter()
        .filter(|p| p.lifetime == Lifetime::Singleton && values.active[p.id.index()])
        .flat_map(|singleton| {
            held_by(values, singleton.id).into_iter().map(|path| describe(values, &path))
        })
        .collect()
}

/// The shortest path to each scoped value that `singleton` would keep.
fn held_by(values: &Values<'_>, singleton: ProviderId) -> Vec<Vec<ProviderId>> {
    let mut found = Vec::new();
    let mut seen = HashSet::from([singleton]);
    let mut queue = VecDeque::from([vec![singleton]]);
    while let Some(path) = queue.pop_front() {
        let Some(&last) = path.last() else { continue };
        for take in &values.takes[last.index()] {
            let lifetime = values.provider(take.provider).lifetime;
            let kept = take.mode != NeedMode::InScope && lifetime != Lifetime::Singleton;
            if !kept || !seen.insert(take.provider) {
                continue;
            }
            let mut longer = path.clone();
            longer.push(take.provider);
            match lifetime {
                Lifetime::Scoped => found.push(longer),
                Lifetime::Transient | Lifetime::Singleton => queue.push_back(longer),
            }
        }
    }
    found
}

fn describe(values: &Values<'_>, path: &[ProviderId]) -> Issue {
    let key = |id: &ProviderId| values.provider(*id).key.to_string();
    let (holder, held) =
        (path.first().map(key).unwrap_or_default(), path.last().map(key).unwrap_or_default());
    let label = |(depth, id): (usize, &ProviderId)| match depth {
        0 => key(id),
        _ => format!("{:width$} └ {}", "", key(id), width = (depth - 1) * 3),
    };
    let width = path.iter().enumerate().map(|row| label(row).chars().count()).max().unwrap_or(0);
    let summary = format!("singleton `{holder}` would keep a scoped `{held}` alive");
    let rows = path.iter().enumerate();
    rows.fold(Issue::new(&codes::CAPTIVE, summary), |issue, row| {
        let provider = values.provider(*row.1);
        let module = values.declarations.module(provider.module).name;
        let text = format!("{:width$}   {:9}   {module}", label(row), provider.lifetime.as_str());
        issue.evidence_at(text, provider.location)
    })
    .help(format!(
        "take `ScopeFactory` in `{holder}` and open a scope for each piece of work, or make \
         `{holder}` scoped"
    ))
}
