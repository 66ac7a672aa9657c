use std::{collections::BTreeMap, sync::Arc};

use framework_core::{Contributed, Priority};
use http::Method;

use super::{Routes, inspect::Methods};

/// How much depends on each route: a normal amount, unless its module says otherwise.
#[derive(Clone, Debug, Default)]
pub(crate) struct Priorities {
    // With every path: one that nothing is said about may be like a wildcard's.
    paths: Option<Arc<matchit::Router<Vec<Said>>>>,
}

type Said = (Methods, Priority);

impl Priorities {
    /// How much depends on a request for `path`.
    pub(crate) fn of(&self, method: &Method, path: &str) -> Priority {
        let found = self.paths.as_ref().and_then(|paths| paths.at(path).ok());
        let said = found.and_then(|found| {
            let mut said = found.value.iter();
            said.find(|(methods, _)| methods.take(method)).map(|(_, priority)| *priority)
        });
        said.unwrap_or_default()
    }
}

/// What the modules have said of their routes.
pub(crate) fn priorities(routes: &[Contributed<Routes>]) -> Priorities {
    let all = || routes.iter().map(Contributed::item);
    if all().all(|routes| routes.priority == Priority::default()) {
        return Priorities::default();
    }
    let mut said = BTreeMap::<&str, Vec<Said>>::new();
    for routes in all() {
        for (path, methods) in routes.inspected().iter().flat_map(|it| &it.routes) {
            said.entry(path).or_default().push((methods.clone(), routes.priority));
        }
    }
    let mut paths = matchit::Router::new();
    for (path, said) in said {
        // The router that the paths come from has taken them, so this one does as well.
        let _ = paths.insert(path, said);
    }
    Priorities { paths: Some(Arc::new(paths)) }
}
