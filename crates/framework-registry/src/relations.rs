use std::{any::TypeId, collections::HashMap};

use framework_core::{Declarations, Issue, ModuleId, ModuleRelation, Relation, short_type_name};
use semver::{Version, VersionReq};

use crate::{
    codes,
    edge::{Edge, Why},
    suggest,
};

/// What modules say about one another, checked.
pub(crate) fn check(declarations: &Declarations) -> (Vec<Edge>, Vec<Issue>) {
    let (mut edges, mut issues) = (Vec::new(), Vec::new());
    if declarations.relations().is_empty() {
        return (edges, issues);
    }
    let mut by_type: HashMap<TypeId, Vec<ModuleId>> = HashMap::new();
    for module in declarations.modules() {
        for of in module.stands_for.iter().chain([&module.type_id]) {
            by_type.entry(*of).or_default().push(module.id);
        }
    }
    for relation in declarations.relations() {
        let others = by_type.get(&relation.target).map_or(&[][..], Vec::as_slice);
        let why = match relation.kind {
            ModuleRelation::Conflicts => {
                issues.extend(others.iter().map(|other| conflict(declarations, relation, *other)));
                continue;
            }
            ModuleRelation::After => Why::After,
            ModuleRelation::Requires(range) => {
                if others.is_empty() {
                    issues.push(missing(declarations, relation));
                }
                if let Some(range) = range {
                    let check = |other| version(declarations, relation, range, other);
                    issues.extend(others.iter().filter_map(|other| check(*other)));
                }
                Why::Requires
            }
        };
        edges.extend(others.iter().map(|&before| Edge {
            before,
            after: relation.module,
            why,
            location: relation.location,
        }));
    }
    (edges, issues)
}

fn missing(declarations: &Declarations, relation: &Relation) -> Issue {
    let module = declarations.module(relation.module).name;
    let wanted = short_type_name(relation.target_name);
    let near = suggest::nearest(&wanted, declarations.modules().iter(), |module| {
        short_type_name(module.type_name)
    });
    let help = match near {
        Some(near) => format!(
            "`{}` is a `{}`: is that the one? a fake says `reg.stands_for::<{wanted}>()`",
            near.name,
            short_type_name(near.type_name),
        ),
        None => {
            format!("add `{wanted}` to the application; a fake says `reg.stands_for::<{wanted}>()`")
        }
    };
    Issue::new(
        &codes::MISSING_MODULE,
        format!("`{module}` requires `{wanted}`, which is not there"),
    )
    .evidence_at(format!("required by `{module}`"), relation.location)
    .help(help)
}

fn conflict(declarations: &Declarations, relation: &Relation, other: ModuleId) -> Issue {
    let (module, other) = (declarations.module(relation.module), declarations.module(other));
    Issue::new(
        &codes::CONFLICT,
        format!("`{}` and `{}` cannot be in one application", module.name, other.name),
    )
    .evidence_at(format!("`{}` says so", module.name), relation.location)
    .evidence_at(format!("`{}` was added", other.name), other.location)
    .help("remove one of the two")
}

fn version(
    declarations: &Declarations,
    relation: &Relation,
    range: &str,
    other: ModuleId,
) -> Option<Issue> {
    let (module, other) = (declarations.module(relation.module), declarations.module(other));
    let problem = match (VersionReq::parse(range), other.version, other.version.map(Version::parse))
    {
        (Ok(range), _, Some(Ok(version))) if range.matches(&version) => return None,
        (Err(error), ..) => format!("`{range}` is not a range of versions: {error}"),
        (_, Some(text), Some(Err(error))) => format!("`{text}` is not a version: {error}"),
        (_, Some(text), _) => format!("`{}` is {text}", other.name),
        (_, None, _) => format!("`{}` states no version", other.name),
    };
    let summary = format!("`{}` requires `{}` {range}; {problem}", module.name, other.name);
    Some(
        Issue::new(&codes::VERSION, summary)
            .evidence_at(format!("required by `{}`", module.name), relation.location)
            .evidence_at(format!("`{}` was added", other.name), other.location)
            .help(format!("take a version of `{}` within {range}, or widen the range", other.name)),
    )
}
