use std::sync::Arc;

use axum::{Router, extract::MatchedPath};
use http::Request;

use crate::routes::{paths, shown};

/// The templates of a router's routes, to be found by path: what spans and metrics call a route.
#[derive(Clone, Debug, Default)]
pub(super) struct RouteNames {
    templates: Option<matchit::Router<Arc<str>>>,
}

/// The template of the route that a request goes to; `None` where there is no such route.
#[derive(Clone, Debug)]
pub(super) struct RouteName(Option<Arc<str>>);

/// The template of a connection's last request, with a copy that it has for itself: each request
/// counts who uses the text, and a count that all connections share slows every processor down.
#[derive(Clone, Debug, Default)]
pub(super) struct LastRoute(Option<(Arc<str>, Arc<str>)>);

impl RouteNames {
    pub(super) fn of(router: &Router) -> Self {
        let mut templates = matchit::Router::new();
        for path in paths(router) {
            // The router that the paths come from has taken them, so this one does as well.
            let _ = templates.insert(path.as_str(), Arc::from(shown(&path)));
        }
        Self { templates: Some(templates) }
    }

    /// What the request goes to. `last` is what the request before it went to.
    pub(super) fn find<B>(&self, request: &Request<B>, last: &mut LastRoute) -> RouteName {
        if let Some(templates) = &self.templates {
            let found = templates.at(request.uri().path()).ok();
            return RouteName(found.map(|found| last.own(found.value)));
        }
        let matched = request.extensions().get::<MatchedPath>();
        RouteName(matched.map(|matched| matched.as_str().into()))
    }
}

impl LastRoute {
    fn own(&mut self, shared: &Arc<str>) -> Arc<str> {
        match &self.0 {
            Some((of, own)) if Arc::ptr_eq(of, shared) => Arc::clone(own),
            _ => {
                let own: Arc<str> = Arc::from(&**shared);
                self.0 = Some((Arc::clone(shared), Arc::clone(&own)));
                own
            }
        }
    }
}

impl RouteName {
    pub(super) fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or("unmatched")
    }

    pub(super) fn template(&self) -> Option<Arc<str>> {
        self.0.clone()
    }
}
