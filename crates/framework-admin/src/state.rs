use std::{fmt, sync::Arc};

use framework_config::ConfigHandle;
use framework_core::{
    ClusterView, Collected, Context, Inspect, Lifecycle, Need, OptionalNeed, Phase, Registrar,
    SlotTable,
};
use framework_http::{HttpHandle, Readiness};
use framework_observability::{AppIdentity, HealthBoard, LogLevel, Metrics};
use framework_registry::Graph;

/// What the listener shows: the application, as it is when somebody asks.
#[derive(Clone)]
pub struct AdminState {
    pub(crate) identity: Arc<AppIdentity>,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) board: Arc<HealthBoard>,
    pub(crate) level: LogLevel,
    pub(crate) config: Option<Arc<ConfigHandle>>,
    pub(crate) cluster: Option<Arc<dyn ClusterView>>,
    pub(crate) inspections: Option<Collected<Inspect>>,
    values: Arc<SlotTable>,
}

/// The values that make up an [`AdminState`].
pub(crate) struct Needs {
    identity: Need<AppIdentity>,
    metrics: Need<Metrics>,
    board: Need<HealthBoard>,
    level: Need<LogLevel>,
    config: OptionalNeed<ConfigHandle>,
    cluster: OptionalNeed<dyn ClusterView>,
    inspections: Collected<Inspect>,
}

impl AdminState {
    /// Shows an application with this lifecycle, these metrics, and these health checks.
    #[must_use]
    pub fn new(
        identity: AppIdentity,
        lifecycle: Lifecycle,
        metrics: Arc<Metrics>,
        board: Arc<HealthBoard>,
    ) -> Self {
        Self {
            identity: Arc::new(identity),
            lifecycle,
            metrics,
            board,
            level: LogLevel::detached(),
            config: None,
            cluster: None,
            inspections: None,
            values: Arc::default(),
        }
    }

    /// Lets operators change how much is logged.
    #[must_use]
    pub fn log_level(mut self, level: LogLevel) -> Self {
        self.level = level;
        self
    }

    /// Shows the configuration.
    #[must_use]
    pub fn config(mut self, config: ConfigHandle) -> Self {
        self.config = Some(Arc::new(config));
        self
    }

    /// Shows what modules say of themselves.
    #[must_use]
    pub fn inspections(mut self, inspections: Collected<Inspect>) -> Self {
        self.inspections = Some(inspections);
        self
    }

    /// Speaks for all processes of a cluster.
    #[must_use]
    pub fn cluster(mut self, cluster: Arc<dyn ClusterView>) -> Self {
        self.cluster = Some(cluster);
        self
    }

    /// Shows what can be found among the values of an application: its graph and its HTTP server.
    #[must_use]
    pub fn values(mut self, values: Arc<SlotTable>) -> Self {
        self.values = values;
        self
    }

    pub(crate) fn graph(&self) -> Option<Arc<Graph>> {
        self.values.get()
    }

    /// The application's own server, which starts long after this listener.
    pub(crate) fn http(&self) -> Option<Arc<HttpHandle>> {
        self.values.get()
    }

    pub(crate) fn readiness(&self) -> Readiness {
        let board = Arc::clone(&self.board);
        Readiness::new(move || board.status())
    }

    pub(crate) fn is_serving(&self) -> bool {
        self.lifecycle.phase() == Phase::Ready
    }
}

impl Needs {
    pub(crate) fn declare(reg: &mut Registrar<'_>) -> Self {
        Self {
            identity: reg.need(),
            metrics: reg.need(),
            board: reg.need(),
            level: reg.need(),
            config: reg.need_optional(),
            cluster: reg.need_optional(),
            inspections: reg.collect(),
        }
    }

    pub(crate) fn state(&self, cx: &Context) -> AdminState {
        AdminState {
            identity: cx.get(&self.identity),
            lifecycle: cx.lifecycle().clone(),
            metrics: cx.get(&self.metrics),
            board: cx.get(&self.board),
            level: LogLevel::clone(&cx.get(&self.level)),
            config: cx.get_optional(&self.config),
            cluster: cx.get_optional(&self.cluster),
            inspections: Some(self.inspections.clone()),
            values: Arc::clone(&cx.environment().slots),
        }
    }
}

impl fmt::Debug for AdminState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminState")
            .field("identity", &self.identity)
            .field("lifecycle", &self.lifecycle)
            .finish_non_exhaustive()
    }
}
