use std::sync::{Arc, Mutex};

use framework_core::{
    BoxError, BoxModule, Context, Environment, Registrar, Work, contain, module_fn,
};
use framework_registry::{Plan, PlanError};
use tokio_util::sync::CancellationToken;

/// An application of one module that has started.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) cx: Context,
}

impl App {
    pub(crate) fn get<T: ?Sized + Send + Sync + 'static>(&self) -> Arc<T> {
        self.find().expect("the test provides it")
    }

    pub(crate) fn find<T: ?Sized + Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.cx.container().get()
    }
}

/// Plans a module, makes its values, runs its set-up, and returns what `register` returned.
pub(crate) async fn start<R: Send + 'static>(
    register: impl FnOnce(&mut Registrar<'_>) -> R + Send + 'static,
) -> Result<(App, R), BoxError> {
    let returned = Arc::new(Mutex::new(None));
    let to = Arc::clone(&returned);
    let plan = plan(move |reg| *to.lock().unwrap() = Some(register(reg)))?;
    let parts = plan.into_parts();
    let environment = Environment { slots: parts.slots, ..Environment::detached() };
    let cx = Context::within("test", Default::default(), CancellationToken::new(), environment);
    for module in parts.modules {
        for (construct, deferred) in module.record.constructs.into_iter().zip(module.deferred) {
            let made = (construct.make)(cx.clone());
            match deferred {
                true => construct.slot.defer(made),
                false => contain(|| made).await?,
            }
        }
        for unit in module.record.units {
            if let Work::Setup(setup) = unit.work {
                setup(cx.clone()).await?;
            }
        }
    }
    let returned = returned.lock().unwrap().take().expect("planning registers the module");
    Ok((App { cx }, returned))
}

pub(crate) fn plan(
    register: impl FnOnce(&mut Registrar<'_>) + Send + 'static,
) -> Result<Plan, PlanError> {
    Plan::new([BoxModule::new(module_fn("test", register))])
}
