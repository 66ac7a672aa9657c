use std::sync::Arc;

use framework_app::AppBuilder;
use framework_config::{ConfigHandle, ConfigModule, Loaded, Settings, Sources};
use framework_core::{Issue, Module};
use framework_observability::{
    AppIdentity, HealthBoard, LogLevel, Metrics, ObservabilityModule, TelemetrySettings,
};

use framework_process::{ClusterSettings, Notifier};

use crate::{
    AppModule, AppSettings, ShutdownSettings, codes,
    manager::{HandedOver, HandedOverModule},
    module::Inspections,
};

/// An application with the configuration that the command line says.
pub(crate) struct Prepared {
    pub(crate) app: AppBuilder,
    /// What can be asked about the configuration once the application is planned.
    pub(crate) config: ConfigHandle,
    pub(crate) identity: AppIdentity,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) board: Arc<HealthBoard>,
    pub(crate) inspections: Inspections,
}

/// A configuration that was loaded, perhaps, and what is to be known of it before planning.
pub(crate) struct Configured {
    app: AppBuilder,
    module: ConfigModule,
    identity: AppIdentity,
    /// `None` if the section is wrong, which planning tells along with everything else.
    pub(crate) telemetry: Option<TelemetrySettings>,
    pub(crate) cluster: Option<ClusterSettings>,
    pub(crate) shutdown: Option<ShutdownSettings>,
}

impl Configured {
    /// Loads the configuration of `app`, once.
    ///
    /// # Errors
    ///
    /// Returns an error if the application insists on a configuration of its own.
    pub(crate) fn load(app: AppBuilder, sources: &Sources) -> Result<Self, Issue> {
        if app.has_module::<ConfigModule>() {
            return Err(own_configuration(app.name()));
        }
        let loaded = sources.load();
        let read = loaded.as_ref().ok();
        // Whether the files are broken elsewhere shows only when the modules are planned; what the
        // log looks like has to be known before.
        let last_good = || sources.load_last_good();
        let settings = read
            .and_then(|loaded| section::<AppSettings>(loaded, "app"))
            .or_else(|| section(last_good().as_ref()?, "app"));
        let AppSettings { name, version, .. } = settings.unwrap_or_default();
        let identity = AppIdentity {
            name: name.unwrap_or_else(|| app.name().to_owned()),
            version: version
                .or_else(|| app.stated_version().map(str::to_owned))
                .unwrap_or_default(),
            profile: read.map(|loaded| loaded.profile().to_owned()).unwrap_or_default(),
        };
        let telemetry = read
            .and_then(|loaded| section(loaded, "telemetry"))
            .or_else(|| section(last_good().as_ref()?, "telemetry"));
        let cluster = read.and_then(|loaded| section(loaded, "cluster"));
        let shutdown = read.and_then(|loaded| section(loaded, "shutdown"));
        let module = ConfigModule::new(loaded).loaded_from(sources.clone());
        Ok(Self { app, module, identity, telemetry, cluster, shutdown })
    }

    /// As [`prepare`](Self::prepare), for an application that is only looked at.
    pub(crate) fn prepare_to_look(self) -> Prepared {
        self.prepare(
            LogLevel::detached(),
            HandedOverModule(HandedOver::new(Vec::new(), Notifier::none())),
        )
    }

    /// Hands the configuration to the application, `level` for its operators to change, and the
    /// module that offers it listening sockets.
    pub(crate) fn prepare(self, level: LogLevel, sockets: impl Module) -> Prepared {
        let Self { app, module, identity, .. } = self;
        let config = module.handle();
        let settings = AppModule::new();
        let observability = ObservabilityModule::new(&identity);
        let inspections = settings.inspections();
        let (metrics, board) = (observability.metrics(), observability.health_board());
        let app = app
            .adjust_budgets(settings.adjust())
            .default_modules(module)
            .default_modules(settings)
            .default_modules(observability.log_level(level))
            .default_modules(sockets);
        Prepared { app, config, identity, metrics, board, inspections }
    }
}

pub(crate) fn section<T: Settings>(loaded: &Loaded, name: &str) -> Option<T> {
    loaded.section(name).ok()
}

fn own_configuration(app: &str) -> Issue {
    let summary = format!("`{app}` brings a configuration module, and so does the command line");
    Issue::new(&codes::OWN_CONFIGURATION, summary)
        .help("leave `ConfigModule` out, and name files with `--config`")
}
