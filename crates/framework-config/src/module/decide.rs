//! What comes into force when an application is planned, or what is wrong.

use std::panic::Location;

use framework_core::{Contributed, Issue};

use super::{Given, Reader};
use crate::{
    codes,
    error::ConfigError,
    section::Section,
    snapshot::{LastGood, Snapshot},
    sources::Sources,
    store::{Basis, Store},
};

/// The sections of an application, and what is wrong with their claims.
pub(super) struct Claimed {
    sections: Vec<Section>,
    issues: Vec<Issue>,
}

impl Claimed {
    pub(super) fn of(contributed: &[Contributed<Section>], takers: &[Contributed<Reader>]) -> Self {
        let (claims, issues) = claims(contributed);
        let known = |claim: &&Contributed<Section>| {
            claim.item().clone().read_by(readers(claim.item(), contributed, takers))
        };
        Self { sections: claims.iter().map(known).collect(), issues }
    }
}

/// Puts the configuration into force if nothing is wrong with it, or what was good last if that is
/// allowed, and tells what is wrong if it is not.
pub(super) fn decide(given: &mut Given, claimed: Claimed, store: &Store) -> Vec<Issue> {
    let Claimed { sections, mut issues } = claimed;
    let known: Vec<_> = sections.iter().collect();
    let loaded = given.load().map_err(|error| error.revealed(&known));
    let bound = match &loaded {
        Ok(loaded) => {
            let (snapshot, faults) = Snapshot::bind(loaded, &known, store.next_generation());
            match ConfigError::of(faults) {
                None => Ok(snapshot.worth_keeping(loaded, &known)),
                Some(error) => {
                    store.commit(snapshot.without_values());
                    Err(error)
                }
            }
        }
        Err(error) => {
            store.commit(Snapshot::describe(&known));
            Err(error.clone())
        }
    };
    let found = match bound {
        Ok(snapshot) => Ok(snapshot),
        Err(error) => fall_back(error, given.sources.as_ref(), &known, store),
    };
    let sources = given.sources.take().unwrap_or_else(Sources::none);
    match found {
        Ok(snapshot) if issues.is_empty() => {
            store.commit(snapshot);
            store.settle(Basis { sources, sections });
        }
        Ok(snapshot) => store.commit(snapshot.without_values()),
        Err(issue) => issues.push(*issue),
    }
    issues
}

/// What was good last, if it may take the place of what is wrong; else the issue, which says whether
/// there is such a thing.
fn fall_back(
    error: ConfigError,
    sources: Option<&Sources>,
    sections: &[&Section],
    store: &Store,
) -> Result<Snapshot, Box<Issue>> {
    let issue = error.to_issue();
    store.refuse(error.clone());
    let kept = sources.and_then(|sources| {
        let fallback = sources.attempt().fallback;
        Some((sources, fallback.find()?, fallback))
    });
    let Some((sources, kept, fallback)) = kept else { return Err(Box::new(issue)) };
    if !fallback.allowed {
        return Err(Box::new(issue.help(fallback.advice(&kept))));
    }
    let bound = kept.load(sources).and_then(|loaded| {
        let (snapshot, faults) = Snapshot::bind(&loaded, sections, store.next_generation());
        ConfigError::of(faults).map_or(Ok(snapshot), Err)
    });
    match bound {
        Ok(snapshot) => Ok(snapshot.started_for(LastGood { saved: kept.saved(), reason: error })),
        Err(worse) => {
            let rows = worse.faults().iter().map(|fault| format!("last good: {fault}"));
            Err(Box::new(rows.fold(issue, Issue::evidence)))
        }
    }
}

/// The modules that read `section`, those that claim it first.
fn readers(
    section: &Section,
    claims: &[Contributed<Section>],
    takers: &[Contributed<Reader>],
) -> Vec<String> {
    let claims = claims.iter().filter(|claim| claim.item().name() == section.name());
    let takers = takers.iter().filter(|taker| taker.item().type_id == section.read_as());
    let mut names = Vec::<String>::new();
    for name in claims.map(Contributed::module).chain(takers.map(Contributed::module)) {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

/// The first claim on each section, by name, and an issue for each claim with another type.
fn claims(contributed: &[Contributed<Section>]) -> (Vec<&Contributed<Section>>, Vec<Issue>) {
    let (mut claims, mut issues) = (Vec::<&Contributed<Section>>::new(), Vec::new());
    for claim in contributed {
        match claims.iter().find(|known| known.item().name() == claim.item().name()) {
            None => claims.push(claim),
            Some(known) if known.item().same_type(claim.item()) => {}
            Some(known) => issues.push(claimed_twice(known, claim)),
        }
    }
    claims.sort_by_key(|claim| claim.item().name());
    (claims, issues)
}

fn claimed_twice(first: &Contributed<Section>, second: &Contributed<Section>) -> Issue {
    let name = first.item().name();
    let summary = format!("the section `{name}` is claimed with two types");
    let row = |claim: &Contributed<Section>| -> (String, &'static Location<'static>) {
        let text = format!("`{}` reads it as {}", claim.module(), claim.item().type_name());
        (text, claim.location())
    };
    let ((one, there), (other, here)) = (row(first), row(second));
    Issue::new(&codes::CLAIMED_TWICE, summary)
        .evidence_at(one, there)
        .evidence_at(other, here)
        .help("give one of the sections another name, or let both read the same type")
}
