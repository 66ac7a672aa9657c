//! As much of an application as the module needs: a plan, started in order, stopped in reverse.

use framework_core::{
    BoxError, BoxModule, Context, Environment, Lifecycle, Phase, ShutdownReason, Work,
};
use framework_registry::Plan;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) struct App {
    pub(crate) lifecycle: Lifecycle,
    running: Vec<Running>,
}

struct Running {
    name: &'static str,
    stop: CancellationToken,
    work: JoinSet<Result<(), BoxError>>,
}

impl App {
    /// Starts every module; the application is not ready yet.
    pub(crate) async fn start(plan: Plan) -> Result<Self, BoxError> {
        let parts = plan.into_parts();
        let lifecycle = Lifecycle::default();
        lifecycle.enter(Phase::Starting);
        let mut environment = Environment::detached();
        environment.lifecycle = lifecycle.clone();
        environment.slots = parts.slots;
        let mut running = Vec::new();
        for planned in parts.modules {
            let (record, stop) = (planned.record, CancellationToken::new());
            let cx = Context::within(record.name, record.id, stop.clone(), environment.clone());
            for construct in record.constructs {
                (construct.make)(cx.clone()).await?;
            }
            let mut work = JoinSet::new();
            for unit in record.units {
                match unit.work {
                    Work::Setup(setup) => setup(cx.clone()).await?,
                    Work::Run(run) => drop(work.spawn(run(cx.clone()).await?)),
                    other => panic!("{other:?} is not for this test"),
                }
            }
            running.push(Running { name: record.name, stop, work });
        }
        Ok(Self { lifecycle, running })
    }

    pub(crate) async fn ready(plan: Plan) -> Self {
        let app = Self::start(plan).await.unwrap();
        app.lifecycle.enter(Phase::Ready);
        app
    }

    /// Stops every module, last to first, and gathers what failed.
    pub(crate) async fn stop(self) -> Vec<String> {
        self.lifecycle.request_shutdown(ShutdownReason::Requested("the test".to_owned()));
        self.lifecycle.enter(Phase::Stopping);
        let mut failed = Vec::new();
        for Running { name, stop, mut work } in self.running.into_iter().rev() {
            stop.cancel();
            while let Some(ended) = work.join_next().await {
                if let Err(error) = ended.unwrap() {
                    failed.push(format!("{name}: {error}"));
                }
            }
        }
        failed
    }
}

pub(crate) fn plan<const N: usize>(modules: [BoxModule; N]) -> Plan {
    Plan::new(modules).unwrap_or_else(|error| panic!("{error}"))
}
