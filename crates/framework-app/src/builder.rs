use std::{any::TypeId, fmt, future::Future, num::NonZeroUsize, sync::Arc};

use framework_core::{BoxModule, ErrorCode, Lifecycle, Module, Modules, ShutdownReason};
use framework_registry::{Graph, Plan, PlanError};

#[cfg(feature = "planted-bugs")]
use crate::PlantedBug;
use crate::{AppError, Budgets, Probe, RunError, RunningApp, TokioClock, planted::Planted};

/// The way in: [`App::builder`].
#[derive(Debug)]
#[non_exhaustive]
pub struct App;

type AdjustFn = Box<dyn FnOnce(&mut Budgets) + Send>;

/// Chooses the modules of an application and the limits it runs under.
#[must_use = "a builder does nothing until it is planned or run"]
pub struct AppBuilder {
    name: &'static str,
    version: Option<&'static str>,
    codes: Vec<&'static ErrorCode>,
    defaults: Vec<BoxModule>,
    modules: Vec<BoxModule>,
    budgets: Budgets,
    adjust: Vec<AdjustFn>,
    parallelism: usize,
    probe: Option<Arc<dyn Probe>>,
    planted: Planted,
}

/// An application whose modules fit together and which has not started.
///
/// It can be started once, because starting it takes it:
///
/// ```compile_fail
/// # async fn twice(ready: framework_app::ReadyApp) {
/// let once = ready.start().await;
/// let twice = ready.start().await;
/// # }
/// ```
#[must_use = "an application does nothing until it is started"]
pub struct ReadyApp {
    pub(crate) name: &'static str,
    pub(crate) plan: Plan,
    pub(crate) budgets: Budgets,
    pub(crate) parallelism: usize,
    pub(crate) probe: Option<Arc<dyn Probe>>,
    pub(crate) planted: Planted,
    pub(crate) lifecycle: Lifecycle,
}

// ===== impl App =====

impl App {
    /// Starts to describe the application called `name`: `kebab-case`, and stable, for it is part of
    /// the names of environment variables and metrics.
    pub fn builder(name: &'static str) -> AppBuilder {
        AppBuilder {
            name,
            version: None,
            codes: [framework_registry::codes::CODES, crate::codes::CODES].concat(),
            defaults: Vec::new(),
            modules: Vec::new(),
            budgets: Budgets::default(),
            adjust: Vec::new(),
            parallelism: usize::MAX,
            probe: None,
            planted: Planted::default(),
        }
    }
}

// ===== impl AppBuilder =====

impl AppBuilder {
    /// Adds a module.
    #[track_caller]
    pub fn module(self, module: impl Modules) -> Self {
        self.modules(module)
    }

    /// Adds several modules: a tuple, a `Vec`, or an `Option` of them.
    #[track_caller]
    pub fn modules(mut self, modules: impl Modules) -> Self {
        modules.add_to(&mut self.modules);
        self
    }

    /// Adds modules that are there unless one of the same type is added as well, before all others.
    /// For facades that come with layers, and for the command line, which knows more about some of
    /// them: a default takes the place of an earlier one of its type.
    #[track_caller]
    pub fn default_modules(mut self, modules: impl Modules) -> Self {
        let mut added = Vec::new();
        modules.add_to(&mut added);
        for module in added {
            let same = |other: &&mut BoxModule| other.module_type() == module.module_type();
            match self.defaults.iter_mut().find(same) {
                Some(earlier) => *earlier = module,
                None => self.defaults.push(module),
            }
        }
        self
    }

    /// Puts `module` in the place of the one of its type, however that was added; without one, it
    /// becomes a default. For tests, which give an application another configuration.
    #[track_caller]
    pub fn replace_module<M: Module>(mut self, module: M) -> Self {
        let module = BoxModule::new(module);
        self.modules.retain(|other| other.module_type() != module.module_type());
        self.default_modules(module)
    }

    /// States the application's version: `env!("CARGO_PKG_VERSION")`.
    pub fn version(mut self, version: &'static str) -> Self {
        self.version = Some(version);
        self
    }

    /// Makes errors known that the application can report, so that each can be explained on the
    /// command line. Those of the plan and of the run are known already.
    pub fn codes(mut self, codes: &[&'static ErrorCode]) -> Self {
        self.codes.extend_from_slice(codes);
        self
    }

    /// Whether a module of the type `M` was added, other than by default.
    #[must_use]
    pub fn has_module<M: Module>(&self) -> bool {
        self.modules.iter().any(|module| module.module_type() == TypeId::of::<M>())
    }

    /// Sets how long the parts of the application's life may take.
    pub fn budgets(mut self, budgets: Budgets) -> Self {
        self.budgets = budgets;
        self
    }

    /// Adjusts the budgets when the application has been planned: by then a layer knows its
    /// configuration.
    pub fn adjust_budgets(mut self, adjust: impl FnOnce(&mut Budgets) + Send + 'static) -> Self {
        self.adjust.push(Box::new(adjust));
        self
    }

    /// Sets how many modules may start at once. Defaults to no limit; with 1, modules start exactly
    /// in the order of the plan.
    pub fn start_parallelism(mut self, max: NonZeroUsize) -> Self {
        self.parallelism = max.get();
        self
    }

    /// Lets `probe` see, and disturb, each piece of code that runs. For tests.
    pub fn probe(mut self, probe: Arc<dyn Probe>) -> Self {
        self.probe = Some(probe);
        self
    }

    /// Makes a mistake on purpose, to see that a test finds it.
    #[cfg(feature = "planted-bugs")]
    pub fn plant(mut self, bug: PlantedBug) -> Self {
        self.planted = Planted::one(bug);
        self
    }

    /// The application's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The names of the modules that have been added, defaults first.
    pub fn module_names(&self) -> impl Iterator<Item = &'static str> {
        self.defaults.iter().chain(&self.modules).map(BoxModule::name)
    }

    /// The application's version, if it states one.
    #[must_use]
    pub fn stated_version(&self) -> Option<&'static str> {
        self.version
    }

    /// The errors that the application can report, in the order in which they were made known.
    #[must_use]
    pub fn known_codes(&self) -> &[&'static ErrorCode] {
        &self.codes
    }

    /// What the application consists of, without running any of its code but `register`.
    ///
    /// # Errors
    ///
    /// Returns everything that is wrong with the declarations of the modules.
    pub fn plan(self) -> Result<Arc<Graph>, PlanError> {
        Ok(Arc::clone(self.build()?.graph()))
    }

    /// Checks that the modules fit together, without running any of their code but `register`.
    ///
    /// # Errors
    ///
    /// Returns everything that is wrong with the declarations of the modules.
    pub fn build(self) -> Result<ReadyApp, PlanError> {
        let Self {
            name, defaults, modules, mut budgets, adjust, parallelism, probe, planted, ..
        } = self;
        let replaced = |default: &BoxModule| {
            modules.iter().any(|module| module.module_type() == default.module_type())
        };
        let defaults: Vec<_> = defaults.into_iter().filter(|module| !replaced(module)).collect();
        let plan = Plan::new(defaults.into_iter().chain(modules))?;
        adjust.into_iter().for_each(|adjust| adjust(&mut budgets));
        let issues = budgets.check(plan.graph(), plan.modules());
        if !issues.is_empty() {
            return Err(PlanError::new(issues));
        }
        let lifecycle = Lifecycle::new(Arc::new(TokioClock::new()));
        Ok(ReadyApp { name, plan, budgets, parallelism, probe, planted, lifecycle })
    }

    /// Builds the application, runs it until `shutdown` completes, a unit fails, or somebody asks
    /// it to stop, and stops it.
    ///
    /// A shutdown that comes during start-up is honoured at once.
    ///
    /// # Errors
    ///
    /// Returns what went wrong: everything that is wrong with the plan, or the first failure and
    /// all that came after it. Whatever had started has been stopped by then.
    pub async fn run_until<S>(self, shutdown: S) -> Result<(), AppError>
    where
        S: Future<Output = ()>,
    {
        let ready = self.build()?;
        let lifecycle = ready.lifecycle().clone();
        let ask = async {
            shutdown.await;
            lifecycle.request_shutdown(ShutdownReason::Requested("the caller".to_owned()));
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            ended = ready.run() => Ok(ended?),
            () = ask => Ok(()),
        }
    }
}

impl fmt::Debug for AppBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppBuilder")
            .field("name", &self.name)
            .field("modules", &self.modules)
            .field("budgets", &self.budgets)
            .finish_non_exhaustive()
    }
}

// ===== impl ReadyApp =====

impl ReadyApp {
    /// The application's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What the application consists of, in start order, and why.
    #[must_use]
    pub fn graph(&self) -> &Arc<Graph> {
        self.plan.graph()
    }

    /// Its modules and what they declared, in start order.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// How long the parts of its life may take.
    #[must_use]
    pub fn budgets(&self) -> &Budgets {
        &self.budgets
    }

    /// Its life, which has not begun.
    #[must_use]
    pub fn lifecycle(&self) -> &Lifecycle {
        &self.lifecycle
    }

    /// Starts every module as soon as what it waits for has started.
    ///
    /// # Errors
    ///
    /// Returns what kept a module from starting, or `Ok(None)` if the application was asked to stop
    /// before it was ready. Whatever had started has been stopped by then.
    pub async fn try_start(self) -> Result<Option<RunningApp>, RunError> {
        RunningApp::start(self).await
    }

    /// As [`try_start`](Self::try_start), where nobody else can ask the application to stop.
    ///
    /// # Errors
    ///
    /// Returns what kept a module from starting. Whatever had started has been stopped by then.
    ///
    /// # Panics
    ///
    /// Panics if a module itself asked the application to stop before it was ready.
    pub async fn start(self) -> Result<RunningApp, RunError> {
        let started = self.try_start().await?;
        Ok(started.expect("nobody asks an application to stop before it has started"))
    }

    /// Runs the application until somebody asks it to stop or a unit fails, and stops it.
    ///
    /// # Errors
    ///
    /// Returns the first failure and all that came after it. Whatever had started has been stopped
    /// by then.
    pub async fn run(self) -> Result<(), RunError> {
        let Some(running) = self.try_start().await? else { return Ok(()) };
        running.run().await
    }
}

impl fmt::Debug for ReadyApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadyApp").field("name", &self.name).finish_non_exhaustive()
    }
}
