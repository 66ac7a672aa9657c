use std::collections::HashMap;

use framework_core::{
    Declarations, Issue, Key, KeyId, Lifetime, ModuleId, NeedMode, NeedRecord, NeededBy,
    ProviderId, ProviderRecord, Role,
};

use crate::{
    codes,
    edge::{Edge, Why},
    suggest,
};

/// Which provider serves which need.
pub(crate) struct Values<'d> {
    pub(crate) declarations: &'d Declarations,
    /// The provider of each key.
    by_key: Vec<Option<ProviderId>>,
    /// Of each provider: whether its value is made at all. One that was replaced is not.
    pub(crate) active: Vec<bool>,
    /// Of each provider: the needs of its value that are served, decorators' included.
    pub(crate) takes: Vec<Vec<Take>>,
    /// The needs of running code that are served.
    pub(crate) taken_by_modules: Vec<(NeedRecord, ProviderId)>,
    pub(crate) issues: Vec<Issue>,
}

/// One value that goes into another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Take {
    pub(crate) provider: ProviderId,
    pub(crate) mode: NeedMode,
    pub(crate) need: NeedRecord,
}

impl<'d> Values<'d> {
    pub(crate) fn resolve(declarations: &'d Declarations) -> Self {
        let mut values = Self {
            declarations,
            by_key: vec![None; declarations.key_count()],
            active: vec![true; declarations.providers().len()],
            takes: vec![Vec::new(); declarations.providers().len()],
            taken_by_modules: Vec::with_capacity(declarations.needs().len()),
            issues: Vec::new(),
        };
        values.choose_providers();
        values.find_decorated();
        values.serve_needs();
        values
    }

    pub(crate) fn provider(&self, id: ProviderId) -> &'d ProviderRecord {
        &self.declarations.providers()[id.index()]
    }

    /// Whether the value is made on first use, because everybody who takes it can wait for it.
    pub(crate) fn deferred(&self) -> Vec<bool> {
        let mut lazily = vec![false; self.active.len()];
        let mut eagerly = vec![false; self.active.len()];
        let by_modules =
            self.taken_by_modules.iter().map(|(need, provider)| (need.mode, *provider));
        let by_values = self.takes.iter().flatten().map(|take| (take.mode, take.provider));
        for (mode, provider) in by_modules.chain(by_values) {
            let list = if mode == NeedMode::Lazy { &mut lazily } else { &mut eagerly };
            list[provider.index()] = true;
        }
        let deferred = |provider: &ProviderRecord| {
            let at = provider.id.index();
            provider.lifetime == Lifetime::Singleton
                && lazily[at]
                && !eagerly[at]
                && !provider.is_read_by_its_module()
        };
        self.declarations.providers().iter().map(deferred).collect()
    }

    /// What the served needs say about the order of modules.
    pub(crate) fn edges(&self) -> impl Iterator<Item = Edge> {
        let edge = |after: ModuleId, need: &NeedRecord, provider: ProviderId| Edge {
            before: self.provider(provider).module,
            after,
            why: match need.mode {
                NeedMode::Optional | NeedMode::All => Why::Uses(self.provider(provider).key_id),
                NeedMode::Required | NeedMode::Lazy | NeedMode::InScope => {
                    Why::Needs(self.provider(provider).key_id)
                }
            },
            location: need.location,
        };
        let by_modules = self
            .taken_by_modules
            .iter()
            .map(move |(need, provider)| edge(need.module, need, *provider));
        let by_values = self.takes.iter().enumerate().flat_map(move |(taker, takes)| {
            let module = self.declarations.providers()[taker].module;
            takes.iter().map(move |take| edge(module, &take.need, take.provider))
        });
        by_modules.chain(by_values)
    }

    fn choose_providers(&mut self) {
        let mut replacements: HashMap<KeyId, Vec<ProviderId>> = HashMap::new();
        let mut duplicates: Vec<(KeyId, Vec<ProviderId>)> = Vec::new();
        for provider in self.declarations.providers() {
            match provider.role {
                Role::Member => {}
                Role::Replacement => {
                    replacements.entry(provider.key_id).or_default().push(provider.id);
                }
                Role::Only => match self.by_key[provider.key_id.index()] {
                    None => self.by_key[provider.key_id.index()] = Some(provider.id),
                    Some(first) => {
                        match duplicates.iter_mut().find(|(key, _)| *key == provider.key_id) {
                            Some((_, ids)) => ids.push(provider.id),
                            None => duplicates.push((provider.key_id, vec![first, provider.id])),
                        }
                    }
                },
            }
        }
        for (key, ids) in duplicates {
            let key = self.declarations.key(key);
            self.issues.push(self.duplicate(key, &ids, "provider"));
        }
        // In the order of registration, which the map does not keep.
        for provider in self.declarations.providers() {
            let Some(ids) = replacements.remove(&provider.key_id) else { continue };
            if ids.len() > 1 {
                self.issues.push(self.duplicate(provider.key, &ids, "replacement"));
            }
            match self.by_key[provider.key_id.index()].replace(ids[0]) {
                Some(replaced) => self.active[replaced.index()] = false,
                None => self.issues.push(self.nothing_to_replace(self.provider(ids[0]))),
            }
        }
    }

    fn find_decorated(&mut self) {
        for decorator in self.declarations.decorators() {
            if self.by_key[decorator.key_id.index()].is_some() {
                continue;
            }
            let key = self.declarations.key(decorator.key_id);
            let module = self.declarations.module(decorator.module).name;
            let summary = format!("`{module}` decorates `{key}`, which no module provides");
            self.issues.push(
                Issue::new(&codes::DECORATOR_TARGET, summary)
                    .evidence_at(format!("{key}   decorated by `{module}`"), decorator.location)
                    .help(suggest::for_missing(self.declarations, key)),
            );
        }
    }

    fn serve_needs(&mut self) {
        let mut missing: Vec<(KeyId, Vec<NeedRecord>)> = Vec::new();
        let mut missing_index: HashMap<KeyId, usize> = HashMap::new();
        for need in self.declarations.needs() {
            let Some(taker) = self.taker(need) else { continue };
            if need.mode == NeedMode::All {
                let wanted = self.declarations.key(need.key_id).value_type();
                let all = self
                    .declarations
                    .providers()
                    .iter()
                    .filter(|provider| provider.key.value_type() == wanted);
                for provider in all.map(|provider| provider.id) {
                    if self.active[provider.index()] {
                        self.serve(taker, need, provider);
                    }
                }
                continue;
            }
            match self.by_key[need.key_id.index()] {
                Some(provider) => self.serve(taker, need, provider),
                None if need.mode == NeedMode::Optional => {}
                None => {
                    let at = *missing_index.entry(need.key_id).or_insert_with(|| {
                        missing.push((need.key_id, Vec::new()));
                        missing.len() - 1
                    });
                    missing[at].1.push(*need);
                }
            }
        }
        for (key, needs) in missing {
            self.issues.push(self.missing(self.declarations.key(key), &needs));
        }
    }

    /// Who takes what is needed: a provider or a module's code. `None` for what is never made.
    fn taker(&self, need: &NeedRecord) -> Option<Taker> {
        match need.by {
            NeededBy::Module => Some(Taker::Module),
            NeededBy::Provider(id) => self.active[id.index()].then_some(Taker::Provider(id)),
            NeededBy::Decorator(at) => {
                let key = self.declarations.decorators()[at].key_id;
                self.by_key[key.index()].map(Taker::Provider)
            }
        }
    }

    fn serve(&mut self, taker: Taker, need: &NeedRecord, provider: ProviderId) {
        match taker {
            Taker::Module => {
                let scoped = self.provider(provider).lifetime == Lifetime::Scoped;
                if scoped && need.mode != NeedMode::InScope {
                    self.issues.push(self.scoped_from_root(need, provider));
                }
                self.taken_by_modules.push((*need, provider));
            }
            Taker::Provider(id) => {
                let take = Take { provider, mode: need.mode, need: *need };
                self.takes[id.index()].push(take);
            }
        }
    }

    // ===== what is wrong =====

    fn module_of(&self, provider: &ProviderRecord) -> &'static str {
        self.declarations.module(provider.module).name
    }

    fn duplicate(&self, key: Key, ids: &[ProviderId], what: &str) -> Issue {
        let summary = format!("`{key}` has {} {what}s", ids.len());
        let issue =
            ids.iter().fold(Issue::new(&codes::DUPLICATE_PROVIDER, summary), |issue, id| {
                let provider = self.provider(*id);
                let row = format!("provided by `{}`", self.module_of(provider));
                issue.evidence_at(row, provider.location)
            });
        issue.help(format!(
            "remove one, name them, or let one take the other's place with `reg.replace(…)`; \
             where all are wanted, use `reg.member(…)` and take `All<{key}>`"
        ))
    }

    fn nothing_to_replace(&self, provider: &ProviderRecord) -> Issue {
        let (key, module) = (provider.key, self.module_of(provider));
        Issue::new(
            &codes::REPLACEMENT_TARGET,
            format!("`{module}` replaces `{key}`, which no module provides"),
        )
        .evidence_at(format!("replaced by `{module}`"), provider.location)
        .help(suggest::for_missing(self.declarations, key))
    }

    fn missing(&self, key: Key, needs: &[NeedRecord]) -> Issue {
        let summary = format!("nothing provides `{key}`");
        let mut issue = Issue::new(&codes::MISSING_PROVIDER, summary);
        for need in needs {
            let module = self.declarations.module(need.module).name;
            let row = match need.by {
                NeededBy::Module => format!("needed by `{module}`"),
                NeededBy::Provider(id) => {
                    format!("needed by `{}` of `{module}`", self.provider(id).key)
                }
                NeededBy::Decorator(at) => {
                    let of = self.declarations.key(self.declarations.decorators()[at].key_id);
                    format!("needed by a decorator of `{of}` in `{module}`")
                }
            };
            issue = issue.evidence_at(row, need.location);
        }
        issue.help(suggest::for_missing(self.declarations, key))
    }

    fn scoped_from_root(&self, need: &NeedRecord, provider: ProviderId) -> Issue {
        let module = self.declarations.module(need.module).name;
        let provider = self.provider(provider);
        Issue::new(
            &codes::SCOPED_FROM_ROOT,
            format!("`{module}` needs the scoped `{}` outside a scope", provider.key),
        )
        .evidence_at(format!("needed by `{module}`"), need.location)
        .evidence_at(
            format!("scoped, provided by `{}`", self.module_of(provider)),
            provider.location,
        )
        .help("take it in a handler or in another scoped value, where there is a scope")
    }
}

#[derive(Clone, Copy)]
enum Taker {
    Module,
    Provider(ProviderId),
}
