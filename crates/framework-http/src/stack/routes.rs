use std::{fmt, sync::Arc};

use axum::{Router, extract::MatchedPath};
use http::Request;

use super::observer::{RouteObserver, SharedObserver};
use crate::routes::{paths, shown};

/// The templates of a router's routes, to be found by path: what spans and metrics call a route.
#[derive(Clone, Debug, Default)]
pub(super) struct RouteNames {
    templates: Option<matchit::Router<Arc<str>>>,
}

/// The route that a request goes to; `None` where there is no such route.
#[derive(Clone, Debug)]
pub(super) struct RouteName(Option<Arc<Route>>);

/// The route of a connection's last request, with a copy that it has for itself: each request counts
/// who uses it, and a count that all connections share slows every processor down.
#[derive(Clone, Debug, Default)]
pub(super) struct LastRoute(Option<(Arc<str>, Arc<Route>)>);

struct Route {
    template: Arc<str>,
    observer: Option<Arc<dyn RouteObserver>>,
}

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
    pub(super) fn find<B>(
        &self,
        request: &Request<B>,
        last: &mut LastRoute,
        observer: Option<&SharedObserver>,
    ) -> RouteName {
        if let Some(templates) = &self.templates {
            let found = templates.at(request.uri().path()).ok();
            return RouteName(found.map(|found| last.own(found.value, observer)));
        }
        let matched = request.extensions().get::<MatchedPath>();
        let route = |matched: &MatchedPath| Route::new(matched.as_str(), None);
        RouteName(matched.map(route))
    }
}

impl LastRoute {
    fn own(&mut self, shared: &Arc<str>, observer: Option<&SharedObserver>) -> Arc<Route> {
        match &self.0 {
            Some((of, own)) if Arc::ptr_eq(of, shared) => Arc::clone(own),
            _ => {
                let own = Route::new(shared, observer);
                self.0 = Some((Arc::clone(shared), Arc::clone(&own)));
                own
            }
        }
    }
}

impl RouteName {
    pub(super) fn as_str(&self) -> &str {
        self.0.as_ref().map_or("unmatched", |route| &route.template)
    }

    pub(super) fn template(&self) -> Option<Arc<str>> {
        self.0.as_ref().map(|route| Arc::clone(&route.template))
    }

    /// Who is told of this route's requests, if that is somebody else than of all others.
    pub(super) fn observer(&self) -> Option<&dyn RouteObserver> {
        self.0.as_ref()?.observer.as_deref()
    }
}

impl Route {
    fn new(template: &str, observer: Option<&SharedObserver>) -> Arc<Self> {
        let observer = observer.and_then(|observer| observer.0.route(template));
        Arc::new(Self { template: template.into(), observer })
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route").field("template", &self.template).finish_non_exhaustive()
    }
}
