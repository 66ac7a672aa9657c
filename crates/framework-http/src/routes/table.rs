use std::panic::Location;

use framework_core::Contributed;

use super::{
    Routes,
    inspect::{Methods, shown},
};

/// One route of the application, for people and tools.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RouteEntry {
    /// The method; `*` for every one.
    pub method: &'static str,
    /// The path's template, as `/products/{id}`.
    pub path: String,
    /// The module that serves it.
    pub module: &'static str,
    /// The place in the source that contributed it.
    pub location: &'static Location<'static>,
}

/// Every route of every module, by path and then by method.
pub(crate) fn table(routes: &[Contributed<Routes>]) -> Vec<RouteEntry> {
    let mut table: Vec<_> = routes.iter().flat_map(entries).collect();
    table.sort_by(|a, b| (&a.path, a.method).cmp(&(&b.path, b.method)));
    table
}

/// The routes of one contribution.
pub(super) fn entries(routes: &Contributed<Routes>) -> Vec<RouteEntry> {
    let Some(inspected) = routes.item().inspected() else { return Vec::new() };
    let (module, location) = (routes.module(), routes.location());
    let of_path = |(path, methods): (&String, &Methods)| {
        let methods = match methods {
            Methods::Any => vec!["*"],
            Methods::Some(methods) => methods.clone(),
        };
        let path = shown(path);
        let entry = move |method| RouteEntry { method, path: path.clone(), module, location };
        methods.into_iter().map(entry)
    };
    inspected.routes.iter().flat_map(of_path).collect()
}
