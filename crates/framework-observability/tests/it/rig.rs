//! A small stand-in for the application: it starts modules in the order of registration.

use std::sync::{Arc, Mutex};

use framework_config::{ConfigModule, Sources};
use framework_core::{
    BoxModule, Context, Declarations, Environment, EventKind, KindRecord, Lifecycle, Module,
    ModuleState, Observe, Phase, Work, module_fn,
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A running application.
pub(crate) struct Rig {
    pub(crate) lifecycle: Lifecycle,
    pub(crate) kinds: Vec<KindRecord>,
    pub(crate) foundations: Vec<&'static str>,
    shutdown: CancellationToken,
    tasks: JoinSet<()>,
}

impl Rig {
    /// Starts modules with the default configuration, and enters the phase `Ready`.
    pub(crate) async fn start(modules: impl IntoIterator<Item = BoxModule>) -> Self {
        Self::configured("", modules).await
    }

    /// As [`start`](Self::start), with this configuration.
    pub(crate) async fn configured(
        toml: &str,
        modules: impl IntoIterator<Item = BoxModule>,
    ) -> Self {
        let config = ConfigModule::from(Sources::none().toml_text("app.toml", toml));
        let modules = std::iter::once(boxed(config)).chain(modules);
        let mut declarations = declared(modules);
        let observers = declarations.collected::<Observe>();
        declarations.seal();
        assert_eq!(issues(&mut declarations), [""; 0]);
        let (environment, shutdown) = (Environment::detached(), CancellationToken::new());
        let lifecycle = environment.lifecycle.clone();
        let observers = {
            let cx =
                Context::within("rig", Default::default(), shutdown.clone(), environment.clone());
            cx.collected(&observers).iter().map(|observer| observer.item().clone()).collect()
        };
        let kinds = declarations.kinds().collect();
        let records = declarations.take_modules();
        let foundations = records.iter().filter(|m| m.foundation).map(|m| m.name).collect();
        lifecycle.prepare(records.iter().map(|module| module.name), observers);
        lifecycle.enter(Phase::Starting);
        let mut tasks = JoinSet::new();
        for module in records {
            let cx = Context::within(module.name, module.id, shutdown.clone(), environment.clone());
            lifecycle.module_entered(module.id, ModuleState::Starting);
            for construct in module.constructs {
                (construct.make)(cx.clone()).await.unwrap();
            }
            for unit in module.units {
                match unit.work {
                    Work::Setup(setup) => setup(cx.clone()).await.unwrap(),
                    Work::Run(start) => {
                        let run = start(cx.clone()).await.unwrap();
                        tasks.spawn(async { run.await.unwrap() });
                    }
                    Work::Supervised(..) | Work::Teardown(_) => {
                        unreachable!("no module here has one")
                    }
                }
            }
            lifecycle.module_entered(module.id, ModuleState::Running);
        }
        lifecycle.enter(Phase::Ready);
        Self { lifecycle, kinds, foundations, shutdown, tasks }
    }

    /// Stops every module, and waits for its units to end.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.tasks.join_all().await;
    }

    pub(crate) fn emit(&self, kind: EventKind) {
        self.lifecycle.emit(kind);
    }
}

/// What planning finds wrong with these modules.
pub(crate) fn planned(modules: impl IntoIterator<Item = BoxModule>) -> Vec<String> {
    let mut declarations = declared(modules);
    declarations.seal();
    issues(&mut declarations)
}

fn declared(modules: impl IntoIterator<Item = BoxModule>) -> Declarations {
    let mut declarations = Declarations::default();
    for module in modules {
        declarations.register(module).unwrap();
    }
    declarations
}

fn issues(declarations: &mut Declarations) -> Vec<String> {
    let reports = declarations.run_gates().into_iter();
    reports.flat_map(|report| report.found.unwrap()).map(|issue| issue.to_string()).collect()
}

/// A module that takes a `T` out of the application, for the test to look at.
pub(crate) fn tap<T: Send + Sync + 'static>() -> (BoxModule, Arc<Mutex<Option<Arc<T>>>>) {
    let taken = Arc::default();
    let out: Arc<Mutex<Option<Arc<T>>>> = Arc::clone(&taken);
    let module = module_fn("tap", move |reg| {
        let need = reg.need::<T>();
        reg.setup("take", move |cx| async move {
            *out.lock().unwrap() = Some(cx.get(&need));
            Ok(())
        });
    });
    (BoxModule::new(module), taken)
}

/// The module as the application keeps it.
pub(crate) fn boxed(module: impl Module) -> BoxModule {
    BoxModule::new(module)
}
