use std::{
    sync::{Arc, OnceLock},
    thread,
    time::Duration,
};

use framework_core::{
    BoxError, BoxFuture, ClusterQuestion, ClusterView, Lifecycle, Module, Phase, Registrar,
    SocketSource,
};
use framework_observability::Metrics;
use framework_process::{
    Beat, ControlHandler, Refused, ReloadHow, Request, WorkerHooks, WorkerLink,
};
use serde_json::Value;

use crate::{cluster::Undecided, operator::Operator, running::addresses_of, signals::Stopper};

/// How long a worker without a primary may go on before it is hurried.
const ORPHAN: Duration = Duration::from_secs(3);

/// How old what is said of the memory may be.
const SAMPLE_AGE: Duration = Duration::from_millis(500);

/// What the primary asks of this worker.
#[derive(Debug)]
pub(crate) struct Hooks {
    pub(crate) operator: Arc<Operator>,
    pub(crate) stopper: OnceLock<Stopper>,
}

/// Offers the sockets that the primary holds to whoever listens, and the cluster to whoever shows
/// it.
#[derive(Debug)]
pub(crate) struct WorkerModule {
    pub(crate) link: Arc<WorkerLink>,
    pub(crate) undecided: Arc<Undecided>,
}

#[derive(Debug)]
struct View {
    link: Arc<WorkerLink>,
    undecided: Arc<Undecided>,
}

impl WorkerHooks for Hooks {
    fn stop(&self) {
        if let Some(stopper) = self.stopper.get() {
            stopper.stop("the primary");
        }
    }

    fn primary_gone(&self) {
        let Some(stopper) = self.stopper.get().cloned() else { return };
        stopper.stop("the primary is gone");
        // Nobody else hurries it.
        let hurry = move || {
            thread::park_timeout(ORPHAN);
            stopper.stop("the primary is gone");
        };
        if let Err(error) = thread::Builder::new().name("orphan".to_owned()).spawn(hurry) {
            tracing::error!(%error, "no thread that hurries this worker");
        }
    }

    fn operate(&self, request: &Request) -> Result<Value, Refused> {
        self.operator.handle(request, &mut |_| {})
    }

    fn is_healthy(&self) -> bool {
        self.operator.target().is_some_and(|target| target.is_healthy())
    }
}

impl Module for WorkerModule {
    fn name(&self) -> &'static str {
        "sockets"
    }

    fn register(self, reg: &mut Registrar<'_>) {
        reg.foundation();
        let Self { link, undecided } = self;
        let (sockets, view) = (Arc::clone(&link), View { link: Arc::clone(&link), undecided });
        let view = Arc::new(view);
        reg.provide_arc::<dyn SocketSource, _, _>(move |_cx| async move { Ok(sockets as _) });
        reg.provide_arc::<dyn ClusterView, _, _>(move |_cx| async move { Ok(view as _) });
        reg.provide_arc::<WorkerLink, _, _>(move |_cx| async move { Ok(link) });
    }
}

impl ClusterView for View {
    fn slot(&self) -> u32 {
        self.link.slot()
    }

    fn ask(&self, question: ClusterQuestion) -> BoxFuture<Result<String, BoxError>> {
        let (link, undecided) = (Arc::clone(&self.link), Arc::clone(&self.undecided));
        Box::pin(async move {
            let request = match question {
                ClusterQuestion::Workers => Request::Cluster,
                ClusterQuestion::Health => Request::Health,
                ClusterQuestion::Reload => Request::Reload { how: ReloadHow::Soon },
                ClusterQuestion::ReloadIfMissed => {
                    let started = undecided.started();
                    Request::Reload { how: ReloadHow::IfMissed { started } }
                }
                ClusterQuestion::TakeBackReload { cause } => {
                    let cause = format!("in worker {}, {cause}", link.slot());
                    Request::TakeBackReload { number: undecided.committed(), cause }
                }
                ClusterQuestion::Metrics { accept } => Request::Metrics { accept },
                ClusterQuestion::LogLevel(level) => Request::LogsLevel { level },
                other => return Err(format!("{other:?} is not understood").into()),
            };
            let answer = link.ask(&request).await?;
            Ok(match request {
                Request::Metrics { .. } => answer["text"].as_str().unwrap_or_default().to_owned(),
                _ => answer.to_string(),
            })
        })
    }
}

/// Tells the primary how this worker is, for as long as it lives; never completes.
pub(crate) async fn keep_primary_informed(
    link: &WorkerLink,
    lifecycle: &Lifecycle,
    metrics: &Metrics,
    heartbeat: Duration,
) -> std::convert::Infallible {
    let phases = async {
        lifecycle.reached(Phase::Ready).await;
        // Without a primary, the worker ends by itself.
        if lifecycle.phase() == Phase::Ready {
            let _ = link.ready(addresses_of(lifecycle));
        }
        lifecycle.reached(Phase::LameDuck).await;
        let _ = link.leaves();
        std::future::pending::<()>().await;
    };
    let beat = || {
        let sample = metrics.system().sample_if_older(SAMPLE_AGE).ok();
        let rss = sample.map(|sample| sample.rss_bytes).unwrap_or_default();
        Beat { rss, requests: metrics.http().requests() }
    };
    tokio::select! {
        () = phases => std::future::pending().await,
        never = link.live(heartbeat, beat) => match never {},
    }
}
