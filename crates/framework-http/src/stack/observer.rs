use std::{fmt, sync::Arc, time::Duration};

use http::{Method, StatusCode};
use tokio::time::Instant;

use super::{layer::Own, routes::RouteName};
use crate::finish;

/// Is told of every request: the seam for metrics.
///
/// Called on the path of every request, so it must neither block nor, if it can, allocate.
pub trait RequestObserver: Send + Sync + 'static {
    /// A request has come in. A call of [`finished`](Self::finished) follows, whatever happens.
    fn started(&self);

    /// A request's response is complete, or the client has given it up.
    fn finished(&self, record: &RequestRecord<'_>);

    /// Who is told in place of [`finished`](Self::finished) of the requests on the route with this
    /// template, so that nothing has to be looked up with each of them. Asked when a connection's
    /// request goes to another route than the one before it. Defaults to nobody.
    fn route(&self, template: &str) -> Option<Arc<dyn RouteObserver>> {
        let _ = template;
        None
    }
}

/// Is told of the requests of one route: see [`RequestObserver::route`].
pub trait RouteObserver: Send + Sync + 'static {
    /// As [`RequestObserver::finished`].
    fn finished(&self, record: &RequestRecord<'_>);
}

/// What is known of a request in the end. Each member has few different values, so all can be
/// labels of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestRecord<'r> {
    /// The method; `_OTHER` for one that HTTP does not define.
    pub method: &'static str,
    /// The route's template, as `/products/{id}`; `unmatched` where there is none.
    pub route: &'r str,
    /// The status; 499 if the client was gone before there was one.
    pub status: StatusCode,
    /// The time from the request's head to the end of the response.
    pub duration: Duration,
    /// The size of the request's body.
    pub request_bytes: u64,
    /// The size of the response's body.
    pub response_bytes: u64,
}

#[derive(Clone)]
pub(super) struct SharedObserver(pub(super) Arc<dyn RequestObserver>);

/// A request under observation, until it is finished or dropped.
pub(super) struct Observation {
    // `None` where the route has an observer of its own.
    stack: Option<Arc<Own>>,
    method: &'static str,
    route: RouteName,
    started: Instant,
    pub(super) status: Option<StatusCode>,
    pub(super) request_bytes: u64,
    pub(super) response_bytes: u64,
}

impl From<Arc<dyn RequestObserver>> for SharedObserver {
    fn from(observer: Arc<dyn RequestObserver>) -> Self {
        Self(observer)
    }
}

impl fmt::Debug for SharedObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestObserver")
    }
}

impl Observation {
    /// `None` if nobody observes.
    pub(super) fn start(
        stack: &Arc<Own>,
        method: &Method,
        route: RouteName,
        started: Instant,
    ) -> Option<Self> {
        stack.observer.as_ref()?.0.started();
        Some(Self {
            stack: route.observer().is_none().then(|| Arc::clone(stack)),
            method: known(method),
            route,
            started,
            status: None,
            request_bytes: 0,
            response_bytes: 0,
        })
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        let client_gone = || StatusCode::from_u16(499).expect("a valid status");
        let record = RequestRecord {
            method: self.method,
            route: self.route.as_str(),
            status: self.status.unwrap_or_else(client_gone),
            duration: finish::now() - self.started,
            request_bytes: self.request_bytes,
            response_bytes: self.response_bytes,
        };
        let of_all = || self.stack.as_ref()?.observer.as_ref();
        match self.route.observer() {
            Some(of_route) => of_route.finished(&record),
            None => of_all().into_iter().for_each(|observer| observer.0.finished(&record)),
        }
    }
}

/// Clients can invent methods, and would fill a metric's labels with them.
pub(super) fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::PATCH => "PATCH",
        Method::OPTIONS => "OPTIONS",
        Method::CONNECT => "CONNECT",
        Method::TRACE => "TRACE",
        _ => "_OTHER",
    }
}
