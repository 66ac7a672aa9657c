use std::sync::{Arc, OnceLock};

use framework_app::Budgets;
use framework_config::{Config, ConfigExt as _};
use framework_core::{Collected, Inspect, Module, Registrar};
use framework_process::ClusterSettings;

use crate::{AppSettings, ShutdownSettings};

/// Claims the sections `app`, `shutdown` and `cluster` of the configuration.
///
/// [`adjust`](Self::adjust) puts the latter into force.
///
/// # Examples
///
/// ```
/// use framework_app::App;
/// use framework_cli::AppModule;
/// use framework_config::{ConfigModule, Sources};
/// use std::time::Duration;
///
/// let sources = Sources::none().toml_text("app.toml", "[shutdown]\ntimeout = \"5s\"");
/// let module = AppModule::new();
/// let app = App::builder("doc")
///     .adjust_budgets(module.adjust())
///     .modules((ConfigModule::from(sources), module))
///     .build()?;
/// assert_eq!(app.budgets().shutdown, Duration::from_secs(5));
/// # Ok::<(), framework_app::PlanError>(())
/// ```
#[derive(Debug, Default)]
pub struct AppModule {
    shutdown: Arc<OnceLock<Config<ShutdownSettings>>>,
    inspections: Inspections,
}

/// What modules say of themselves, once all have registered.
pub(crate) type Inspections = Arc<OnceLock<Collected<Inspect>>>;

impl AppModule {
    /// A module that has not registered.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn inspections(&self) -> Inspections {
        Arc::clone(&self.inspections)
    }

    /// Sets the budgets of an application's end to what the section `shutdown` says, for
    /// `AppBuilder::adjust_budgets`. Does nothing if another module took the place of this one.
    pub fn adjust(&self) -> impl FnOnce(&mut Budgets) + Send + use<> {
        let shutdown = Arc::clone(&self.shutdown);
        move |budgets| {
            let Some(settings) = shutdown.get().and_then(Config::try_get) else { return };
            budgets.shutdown = settings.timeout;
            budgets.lame_duck = settings.lame_duck;
            budgets.force_after = settings.force_after;
        }
    }
}

impl Module for AppModule {
    fn name(&self) -> &'static str {
        "app"
    }

    fn register(self, reg: &mut Registrar<'_>) {
        // Whoever sets up the log and the metrics reads it before there are modules; claiming it
        // has it checked and shown.
        reg.config::<AppSettings>("app");
        // Read by whoever starts several processes of the application.
        reg.config::<ClusterSettings>("cluster");
        let shutdown = reg.config::<ShutdownSettings>("shutdown");
        let _ = self.shutdown.set(shutdown);
        let _ = self.inspections.set(reg.collect::<Inspect>());
    }
}
