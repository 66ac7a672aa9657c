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

impl RouteNames {
    pub(super) fn of(router: &Router) -> Self {
        let mut templates = matchit::Router::new();
        for path in paths(router) {
            // The router that the paths come from has taken them, so this one does as well.
            let _ = templates.insert(path.as_str(), Arc::from(shown(&path)));
        }
        Self { templates: Some(templates) }
    }

    pub(super) fn find<B>(&self, request: &Request<B>) -> RouteName {
        if let Some(templates) = &self.templates {
            let found = templates.at(request.uri().path()).ok();
            return RouteName(found.map(|found| Arc::clone(found.value)));
        }
        let matched = request.extensions().get::<MatchedPath>();
        RouteName(matched.map(|matched| matched.as_str().into()))
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
