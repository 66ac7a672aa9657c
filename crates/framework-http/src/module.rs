use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{Router, extract::Request, response::IntoResponse, routing::Route};
use framework_config::{Config, ConfigExt as _};
use framework_core::{
    BoxError, Context, CutShort, EventKind, Lifecycle, LoadControl, Module, OptionalNeed, Phase,
    Priority, Registrar, SocketSource,
};
use framework_di::{Inject, Resolver, ScopeFactory};
use tower::{Layer, Service};

use crate::{
    DrainControl, HttpHandle, HttpSettings, Middleware, MiddlewareStage, Probes, Readiness,
    RequestObserver, Routes, ServeReport, Server, Stack, drain,
    routes::{assemble, issues, priorities, table},
};

/// How long the rest of the module may take after the drain's deadline.
const AFTER_DRAIN: Duration = Duration::from_secs(2);

/// How much of the time that the application has to stop is left to what stops after the server.
const FOR_OTHERS: Duration = Duration::from_secs(1);

/// Words for [`Registrar`] about HTTP.
pub trait HttpExt: sealed::Sealed {
    /// Serves `router` beside the routes of all other modules. `build_state` makes its state, once,
    /// when this module has started; what it needs is declared on the registrar as always.
    ///
    /// # Examples
    ///
    /// ```
    /// use axum::{Router, extract::State, routing::get};
    /// use framework_core::module_fn;
    /// use framework_http::HttpExt;
    /// use std::sync::Arc;
    ///
    /// let greetings = module_fn("greetings", |reg| {
    ///     let text = reg.provide(|_cx| async { Ok(String::from("hello")) });
    ///     let router = Router::new().route("/", get(async |State(s): State<Arc<String>>| s.to_string()));
    ///     reg.routes_with(router, move |cx| Ok(cx.get(&text)));
    /// });
    /// # let _ = greetings;
    /// ```
    #[track_caller]
    fn routes_with<S, F>(&mut self, router: Router<S>, build_state: F)
    where
        S: Clone + Send + Sync + 'static,
        F: Fn(&Context) -> Result<S, BoxError> + Send + Sync + 'static;

    /// Serves `router` beside the routes of all other modules. Its state is built once, from what
    /// the application provides, when this module has started: `S` is a struct that derives
    /// [`Inject`](framework_di::Inject), an `Arc` of something provided, a `Config<T>`, or `()`.
    ///
    /// # Examples
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use framework_core::module_fn;
    /// use framework_di::{Inject, InjectExt};
    /// use framework_http::{Dep, HttpExt};
    /// use std::sync::Arc;
    ///
    /// struct Greeting(&'static str);
    ///
    /// #[derive(Clone, Inject)]
    /// struct GreetingState {
    ///     greeting: Arc<Greeting>,
    /// }
    ///
    /// async fn greet(Dep(greeting): Dep<Greeting>) -> &'static str {
    ///     greeting.0
    /// }
    ///
    /// let greetings = module_fn("greetings", |reg| {
    ///     reg.inject(|| Greeting("hello"));
    ///     reg.routes::<GreetingState>(Router::new().route("/", get(greet)));
    /// });
    /// # let _ = greetings;
    /// ```
    #[track_caller]
    fn routes<S>(&mut self, router: Router<S>)
    where
        S: Inject + Clone;

    /// As [`routes`](Self::routes), and each request has a scope, which handlers take as
    /// [`RequestScope`](crate::RequestScope).
    #[track_caller]
    fn routes_in_scope<S>(&mut self, router: Router<S>)
    where
        S: Inject + Clone;

    /// Has the routes that `declare` serves answered last or first when there is too little memory or
    /// time for all requests. Nothing is refused unless the application watches what there is, as
    /// `ResourceModule` of `framework-process` does. Where it does, low priorities are refused
    /// first, and high ones last.
    ///
    /// # Examples
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use framework_core::{Priority, module_fn};
    /// use framework_http::HttpExt;
    ///
    /// let catalog = module_fn("catalog", |reg| {
    ///     reg.routes::<()>(Router::new().route("/products", get(async || "all there is")));
    ///     reg.priority(Priority::Low, |reg| {
    ///         reg.routes::<()>(Router::new().route("/suggestions", get(async || "buy more")));
    ///     });
    /// });
    /// # let _ = catalog;
    /// ```
    fn priority(&mut self, priority: Priority, declare: impl FnOnce(&mut Registrar<'_>));

    /// Puts a tower layer around the routes of every module, at `stage`; within a stage, the first
    /// one is the outermost. What is for one module's routes only goes on its own router.
    #[track_caller]
    fn middleware<L>(&mut self, stage: MiddlewareStage, layer: L)
    where
        L: Layer<Route> + Clone + Send + Sync + 'static,
        L::Service: Service<Request> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Error: Into<std::convert::Infallible> + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static;
}

impl HttpExt for Registrar<'_> {
    #[track_caller]
    fn routes_with<S, F>(&mut self, router: Router<S>, build_state: F)
    where
        S: Clone + Send + Sync + 'static,
        F: Fn(&Context) -> Result<S, BoxError> + Send + Sync + 'static,
    {
        contribute(self, Routes::new(router, build_state));
    }

    #[track_caller]
    fn routes<S>(&mut self, router: Router<S>)
    where
        S: Inject + Clone,
    {
        let needs = S::declare(self);
        let state = move |cx: &Context| Ok(S::resolve(&needs, &Resolver::new(cx))?);
        contribute(self, Routes::new(router, state));
    }

    #[track_caller]
    fn routes_in_scope<S>(&mut self, router: Router<S>)
    where
        S: Inject + Clone,
    {
        let needs = <(S, ScopeFactory)>::declare(self);
        let state =
            move |cx: &Context| Ok(<(S, ScopeFactory)>::resolve(&needs, &Resolver::new(cx))?);
        contribute(self, Routes::in_scope(router, state));
    }

    fn priority(&mut self, priority: Priority, declare: impl FnOnce(&mut Registrar<'_>)) {
        let around = std::mem::replace(&mut self.shared::<CurrentPriority>().0, priority);
        declare(self);
        self.shared::<CurrentPriority>().0 = around;
    }

    #[track_caller]
    fn middleware<L>(&mut self, stage: MiddlewareStage, layer: L)
    where
        L: Layer<Route> + Clone + Send + Sync + 'static,
        L::Service: Service<Request> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Error: Into<std::convert::Infallible> + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        self.contribute(Middleware::new(stage, layer));
    }
}

/// What [`HttpExt::priority`] is in the midst of.
#[derive(Default)]
struct CurrentPriority(Priority);

#[track_caller]
fn contribute(reg: &mut Registrar<'_>, routes: Routes) {
    let CurrentPriority(priority) = *reg.shared::<CurrentPriority>();
    reg.contribute(routes.priority(priority));
}

/// Serves the routes of all modules on one port.
///
/// It starts last and stops first: its port is bound while it starts, connections are accepted
/// once the whole application is ready, and when the application stops, everything in flight is
/// answered before any module with routes stops. It reads the section `http`, provides
/// [`HttpHandle`], and uses [`Readiness`], a [`RequestObserver`] and a [`LoadControl`] if somebody
/// provides them.
#[derive(Debug)]
pub struct HttpModule {
    settings: Option<HttpSettings>,
    listener: Option<std::net::TcpListener>,
    handle: HttpHandle,
    limits: DrainLimits,
}

#[derive(Clone, Copy, Debug)]
struct DrainLimits {
    drain: Duration,
    force_after: Duration,
}

/// Requests were still in flight when the time to finish them was over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} in flight had to be cut off", count(requests.cut.len()))]
#[non_exhaustive]
pub struct CutOff {
    /// Which ones.
    pub requests: ServeReport,
    /// Why.
    pub source: CutShort,
}

// ===== impl HttpModule =====

impl HttpModule {
    /// Serves as the section `http` of the configuration says.
    #[must_use]
    pub fn new() -> Self {
        let limits =
            DrainLimits { drain: Duration::from_secs(20), force_after: Duration::from_secs(2) };
        Self { settings: None, listener: None, handle: HttpHandle::new(), limits }
    }

    /// Serves on a socket that is already bound and listening; `http.addr` is then ignored.
    #[must_use]
    pub fn on(listener: std::net::TcpListener) -> Self {
        Self { listener: Some(listener), ..Self::new() }
    }

    /// Takes these settings instead of those in the configuration.
    #[must_use]
    pub fn settings(mut self, settings: HttpSettings) -> Self {
        self.settings = Some(settings);
        self
    }

    /// Sets how long requests in flight may take once the application stops, before they are cut
    /// off. Defaults to 20 s.
    #[must_use]
    pub fn drain_timeout(mut self, limit: Duration) -> Self {
        self.limits.drain = limit;
        self
    }

    /// Sets how long they may take after the second request to stop. Defaults to 2 s.
    #[must_use]
    pub fn force_after(mut self, limit: Duration) -> Self {
        self.limits.force_after = limit;
        self
    }

    /// The handle that the module also provides as a value, for use outside of modules.
    #[must_use]
    pub fn handle(&self) -> HttpHandle {
        self.handle.clone()
    }
}

impl Default for HttpModule {
    fn default() -> Self {
        Self::new()
    }
}

impl Module for HttpModule {
    fn name(&self) -> &'static str {
        "http"
    }

    fn register(self, reg: &mut Registrar<'_>) {
        let Self { settings, listener, handle, limits } = self;
        let settings = match settings {
            Some(settings) => Config::fixed(settings),
            None => reg.config::<HttpSettings>("http"),
        };
        reg.provide_value(Arc::new(handle.clone()));
        reg.stop_timeout_at_most(limits.drain + AFTER_DRAIN);
        let sources = Sources {
            readiness: reg.need_optional::<Readiness>(),
            observer: reg.need_optional::<dyn RequestObserver>(),
            load: reg.need_optional::<LoadControl>(),
        };
        let (routes, middleware) = (reg.collect::<Routes>(), reg.collect::<Middleware>());
        let all_routes = routes.clone();
        reg.gate("routes", move |view| issues(view.collected(&all_routes)));

        // The port first: that it is in use should show before anything else is done.
        let server = Arc::new(Mutex::new(None));
        let (bound, bind_settings, bind_handle) =
            (Arc::clone(&server), settings.clone(), handle.clone());
        let held = reg.need_optional::<dyn SocketSource>();
        reg.setup("bind", move |cx| async move {
            let settings = bind_settings.get();
            let held = cx.get_optional(&held);
            let server = match listener {
                Some(listener) => Server::on(listener)?,
                None => Server::open(cx.module(), &settings.addr, held.as_ref()).await?,
            };
            let server = configured(server, &settings, held.as_ref()).await?;
            bind_handle.set_bound(server.local_addr(), server.traffic());
            for address in server.addresses() {
                let url = format!("{}://{address}", server.scheme());
                tracing::info!("listening on {url}");
                cx.lifecycle().emit(EventKind::Listening { module: cx.module(), url });
            }
            *bound.lock().unwrap_or_else(PoisonError::into_inner) = Some(server);
            Ok(())
        });

        reg.run("serve", move |cx| async move {
            let server = server.lock().unwrap_or_else(PoisonError::into_inner).take();
            let mut server = server.ok_or("`bind` has not run")?;
            // Whoever hears that the application is ready can connect.
            server.listen()?;
            let routes = cx.collected(&routes);
            let stack = settings.get().stack().priorities(priorities(routes));
            let (server, stack) = sources.attach(&cx, server, stack);
            let probes = Probes::new(cx.lifecycle().clone(), sources.readiness(&cx)).router();
            let served = assemble(&cx, routes, cx.collected(&middleware), probes, stack)?;
            handle.install(served, table(routes));
            Ok(serve(cx, server, handle, limits))
        });
    }
}

/// Where the server looks for what other modules may provide.
struct Sources {
    readiness: OptionalNeed<Readiness>,
    observer: OptionalNeed<dyn RequestObserver>,
    load: OptionalNeed<LoadControl>,
}

impl Sources {
    /// The server and the stack, with what somebody provides for them.
    fn attach(&self, cx: &Context, mut server: Server, mut stack: Stack) -> (Server, Stack) {
        if let Some(observer) = cx.get_optional(&self.observer) {
            stack = stack.observer(observer);
        }
        if let Some(load) = cx.get_optional(&self.load) {
            (server, stack) = (server.load(Arc::clone(&load)), stack.load(load));
        }
        (server, stack)
    }

    fn readiness(&self, cx: &Context) -> Readiness {
        cx.get_optional(&self.readiness).map(|given| Readiness::clone(&given)).unwrap_or_default()
    }
}

/// Everything of the settings that a bound server still lacks.
async fn configured(
    mut server: Server,
    settings: &HttpSettings,
    held: Option<&Arc<dyn SocketSource>>,
) -> Result<Server, BoxError> {
    for address in &settings.also {
        server = server.also_open(address, address, held).await?;
    }
    secured(server.settings(settings.server()), settings)
}

#[cfg(feature = "tls")]
fn secured(server: Server, settings: &HttpSettings) -> Result<Server, BoxError> {
    let Some(tls) = &settings.tls else { return Ok(server) };
    Ok(server.tls(crate::Certificates::load(&tls.cert, &tls.key)?))
}

#[cfg(not(feature = "tls"))]
#[expect(clippy::unnecessary_wraps, reason = "with certificates it can fail")]
fn secured(server: Server, _: &HttpSettings) -> Result<Server, BoxError> {
    Ok(server)
}

async fn serve(
    cx: Context,
    server: Server,
    handle: HttpHandle,
    limits: DrainLimits,
) -> Result<(), BoxError> {
    // Until then connections wait in the kernel: none is refused, and none sees half an app.
    tokio::select! {
        () = cx.lifecycle().reached(Phase::Ready) => {}
        () = cx.shutdown() => {
            handle.uninstall();
            return Ok(());
        }
    }
    let (control, signal) = drain();
    let serving = server.serve(handle.service(), signal);
    let report = tokio::select! {
        report = serving => report,
        never = follow(&cx, &control, limits) => match never {},
    };
    handle.uninstall();
    handle.set_report(report.clone());
    if report.cut.is_empty() {
        return Ok(());
    }
    Err(CutOff { requests: report, source: CutShort }.into())
}

/// Passes on what the application decides, for as long as the server serves.
async fn follow(
    cx: &Context,
    control: &DrainControl,
    limits: DrainLimits,
) -> std::convert::Infallible {
    let lifecycle = cx.lifecycle();
    let lame_duck = async {
        lifecycle.reached(Phase::LameDuck).await;
        control.lame_duck();
    };
    let stop = async {
        tokio::select! {
            () = lifecycle.reached(Phase::Draining) => {}
            () = cx.shutdown() => {}
        }
        control.stop_within(limits.drain);
        keep_to_deadline(lifecycle, control).await;
    };
    let hurry = async {
        lifecycle.shutdown_requested(2).await;
        // Whoever runs the application may have said how long that may take.
        if lifecycle.stop_deadline().borrow().is_none() {
            control.stop_within(limits.force_after);
        }
        lifecycle.shutdown_requested(3).await;
        control.stop_within(Duration::ZERO);
    };
    tokio::join!(lame_duck, stop, hurry);
    std::future::pending().await
}

/// Ends the drain in time for the others: by the application's deadline, and by each sooner one.
async fn keep_to_deadline(lifecycle: &Lifecycle, control: &DrainControl) {
    let mut deadlines = lifecycle.stop_deadline();
    loop {
        let deadline = *deadlines.borrow_and_update();
        if let Some(deadline) = deadline {
            let left = deadline.saturating_sub(lifecycle.now());
            control.stop_within(left - FOR_OTHERS.min(left / 4));
        }
        // The sender lives as long as `lifecycle`.
        if deadlines.changed().await.is_err() {
            return;
        }
    }
}

fn count(requests: usize) -> String {
    match requests {
        1 => "one request".to_owned(),
        more => format!("{more} requests"),
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for framework_core::Registrar<'_> {}
}
