#[cfg(feature = "http")]
mod http;
#[cfg(feature = "http")]
mod response;

use std::{fmt, sync::Arc};

use framework_app::{AppBuilder, AppError, RunError, RunningApp};
use framework_core::{Lifecycle, ModuleState, ShutdownReason};
use framework_registry::Graph;

#[cfg(feature = "http")]
pub use self::response::TestResponse;
use crate::config::TestConfig;

/// An application that runs for a test.
///
/// It reads no files and no environment: its configuration is what the test
/// [says](TestAppBuilder::config). Ports are free ones of this machine. It has to be
/// [stopped](Self::stop); dropping it while it runs fails the test.
///
/// # Examples
///
/// ```
/// use axum::{Router, routing::get};
/// use framework_app::App;
/// use framework_core::module_fn;
/// use framework_http::{HttpExt, HttpModule};
/// use framework_testing::TestApp;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let greetings = module_fn("greetings", |reg| {
///     reg.routes_with(Router::new().route("/", get(async || "hello")), |_cx| Ok(()));
/// });
/// let app = App::builder("hello").modules((HttpModule::new(), greetings));
/// let app = TestApp::start(app).await;
/// assert_eq!(app.get("/").await.text(), "hello");
/// app.get("/nowhere").await.assert_problem(404);
/// app.stop().await.unwrap();
/// # }
/// ```
#[must_use = "an application that is dropped while it runs fails the test"]
pub struct TestApp {
    name: &'static str,
    // `None` once it has been stopped.
    running: Option<RunningApp>,
    lifecycle: Lifecycle,
}

/// Prepares a [`TestApp`]; made by [`TestApp::builder`].
#[must_use = "a builder does nothing until it is started"]
pub struct TestAppBuilder {
    app: AppBuilder,
    config: TestConfig,
}

// ===== impl TestApp =====

impl TestApp {
    /// Starts `app` with an empty configuration.
    ///
    /// # Panics
    ///
    /// Panics with the application's own error if it does not start.
    pub async fn start(app: AppBuilder) -> Self {
        Self::builder(app).start().await
    }

    /// Prepares to start `app`.
    pub fn builder(app: AppBuilder) -> TestAppBuilder {
        TestAppBuilder { app, config: TestConfig::default() }
    }

    /// The singleton of type `T`.
    ///
    /// # Panics
    ///
    /// Panics if there is none.
    #[must_use]
    #[track_caller]
    pub fn get_value<T: ?Sized + Send + Sync + 'static>(&self) -> Arc<T> {
        let value = self.try_get_value();
        value.unwrap_or_else(|| {
            let key = framework_core::Key::of::<T>();
            panic!("nothing in `{}` provides `{key}`", self.name)
        })
    }

    /// The singleton of type `T`, if there is one and it has been made.
    #[must_use]
    pub fn try_get_value<T: ?Sized + Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.running.as_ref()?.get()
    }

    /// Its life: its phase, its modules, its events.
    #[must_use]
    pub fn lifecycle(&self) -> &Lifecycle {
        &self.lifecycle
    }

    /// What it consists of.
    #[must_use]
    pub fn graph(&self) -> Option<&Arc<Graph>> {
        self.running.as_ref().map(RunningApp::graph)
    }

    /// Stops it.
    ///
    /// # Errors
    ///
    /// Returns what failed while it ran or while it stopped.
    pub async fn stop(mut self) -> Result<(), RunError> {
        let Some(running) = self.running.take() else { return Ok(()) };
        running.stop(ShutdownReason::Requested("the test is over".to_owned())).await
    }

    /// Waits until it stops by itself: because a unit of it failed, or because it was asked to
    /// through its [lifecycle](Self::lifecycle).
    ///
    /// # Errors
    ///
    /// Returns what failed while it ran or while it stopped.
    pub async fn stopped(mut self) -> Result<(), RunError> {
        let Some(running) = self.running.take() else { return Ok(()) };
        running.run().await
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if self.running.is_none() || std::thread::panicking() {
            return;
        }
        let modules = self.lifecycle.modules();
        let live = modules.iter().filter(|module| module.state == ModuleState::Running);
        let live: Vec<_> = live.map(|module| format!("`{}`", module.name)).collect();
        let list = if live.is_empty() { "nothing".to_owned() } else { live.join(", ") };
        panic!("`{}` was dropped before `stop().await`; still running: {list}", self.name);
    }
}

impl fmt::Debug for TestApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestApp")
            .field("name", &self.name)
            .field("lifecycle", &self.lifecycle)
            .finish_non_exhaustive()
    }
}

// ===== impl TestAppBuilder =====

impl TestAppBuilder {
    /// Adds TOML to the configuration; what is said later counts.
    pub fn config(mut self, toml: impl Into<String>) -> Self {
        self.config.text(toml);
        self
    }

    /// Sets one key, `http.request_timeout=1s`; it counts more than any TOML.
    pub fn set(mut self, assignment: impl Into<String>) -> Self {
        self.config.set(assignment);
        self
    }

    /// Leaves the application the configuration that it has, and its ports with it.
    pub fn keep_config(mut self) -> Self {
        self.config.as_is();
        self
    }

    /// Changes the application, for instance to add a [`Fake`](crate::Fake).
    pub fn with(mut self, change: impl FnOnce(AppBuilder) -> AppBuilder) -> Self {
        self.app = change(self.app);
        self
    }

    /// Starts it.
    ///
    /// # Panics
    ///
    /// Panics with the application's own error if it does not start.
    pub async fn start(self) -> TestApp {
        match self.try_start().await {
            Ok(app) => app,
            Err(error) => panic!("the application does not start\n\n{error}"),
        }
    }

    /// Starts it, where a test is about that.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with its plan, or what kept a module from starting. Whatever had
    /// started has been stopped by then.
    pub async fn try_start(self) -> Result<TestApp, AppError> {
        let ready = self.config.apply(self.app).build()?;
        let (name, lifecycle) = (ready.name(), ready.lifecycle().clone());
        let running = ready.start().await?;
        Ok(TestApp { name, running: Some(running), lifecycle })
    }
}

impl fmt::Debug for TestAppBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestAppBuilder").field("app", &self.app).finish_non_exhaustive()
    }
}
