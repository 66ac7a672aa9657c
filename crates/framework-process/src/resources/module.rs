use std::{future::Future, sync::Arc};

use framework_config::{Config, ConfigExt as _};
use framework_core::{BoxError, Collected, Context, Inspect, Module, Registrar};
use futures_util::future::join_all;
use tokio::time::sleep;

use super::{
    Pressure, PressureAction, PressureChange, PressureLevel, ResourceMonitor, ResourceReader,
    ResourceSample, ResourceSettings, action::follow,
};

/// Watches memory and processor time, and has the application do without things before it runs out
/// of them.
///
/// It reads the section `resources`, which can change while the application runs, and provides
/// [`ResourceMonitor`] and the [`LoadControl`](framework_core::LoadControl) that the HTTP server
/// goes by. It does the [`PressureAction`]s that modules contribute, and tells the log when a level
/// changes, and now and then while there is pressure.
///
/// # Examples
///
/// ```
/// use framework_core::module_fn;
/// use framework_process::{PressureLevel, ResourceExt, ResourceMonitor};
/// use std::sync::{Arc, Mutex};
///
/// let cache = Arc::new(Mutex::new(vec![0_u8; 1 << 20]));
/// let catalog = module_fn("catalog", move |reg| {
///     reg.on_memory_pressure("shrink the cache", PressureLevel::Elevated, move |_cx, _change| {
///         let cache = Arc::clone(&cache);
///         async move {
///             *cache.lock().map_err(|_| "the cache is broken")? = Vec::new();
///             Ok(())
///         }
///     });
/// });
/// # let _ = catalog;
/// ```
#[derive(Clone, Debug, Default)]
pub struct ResourceModule {
    reader: ResourceReader,
    monitor: ResourceMonitor,
}

/// Words for [`Registrar`] about what to do when the process runs short of something.
pub trait ResourceExt: sealed::Sealed {
    /// Does `act` once when there is as little memory as `level` says: caches shrink, buffers are
    /// given back. For more say in it, contribute a [`PressureAction`].
    #[track_caller]
    fn on_memory_pressure<F, Fut>(&mut self, name: &'static str, level: PressureLevel, act: F)
    where
        F: Fn(Context, PressureChange) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), BoxError>> + Send + 'static;

    /// As [`on_memory_pressure`](Self::on_memory_pressure), for processor time: what can wait does.
    #[track_caller]
    fn on_cpu_pressure<F, Fut>(&mut self, name: &'static str, level: PressureLevel, act: F)
    where
        F: Fn(Context, PressureChange) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), BoxError>> + Send + 'static;
}

impl ResourceExt for Registrar<'_> {
    #[track_caller]
    fn on_memory_pressure<F, Fut>(&mut self, name: &'static str, level: PressureLevel, act: F)
    where
        F: Fn(Context, PressureChange) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        self.contribute(PressureAction::on_memory(name, level, act));
    }

    #[track_caller]
    fn on_cpu_pressure<F, Fut>(&mut self, name: &'static str, level: PressureLevel, act: F)
    where
        F: Fn(Context, PressureChange) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        self.contribute(PressureAction::on_cpu(name, level, act));
    }
}

// ===== impl ResourceModule =====

impl ResourceModule {
    /// Watches this process as the section `resources` says.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads what there is with `reader`. For tests.
    #[must_use]
    pub fn reader(mut self, reader: ResourceReader) -> Self {
        self.reader = reader;
        self
    }

    /// The monitor that the module also provides as a value, for use outside of modules.
    #[must_use]
    pub fn monitor(&self) -> ResourceMonitor {
        self.monitor.clone()
    }
}

impl Module for ResourceModule {
    fn name(&self) -> &'static str {
        "resources"
    }

    fn register(self, reg: &mut Registrar<'_>) {
        let Self { reader, monitor } = self;
        let settings = reg.config::<ResourceSettings>("resources");
        reg.provide_value(Arc::new(monitor.clone()));
        reg.provide_value(monitor.load());
        let actions = reg.collect::<PressureAction>();
        let inspected = monitor.clone();
        reg.contribute(Inspect::maybe(move || Some(inspected.last()?.to_json().to_string())));

        let watched = monitor.clone();
        reg.run("watch", move |cx| async move {
            Ok(async move {
                let log = tell(&watched, &settings);
                let watch = watched.run(reader, || settings.get().limits());
                tokio::select! {
                    () = cx.shutdown() => {}
                    ((), ()) = async { tokio::join!(watch, log) } => {}
                }
                Ok(())
            })
        });
        reg.run("act", move |cx| async move {
            Ok(async move {
                tokio::select! {
                    () = cx.shutdown() => {}
                    () = act(&cx, &actions, &monitor) => {}
                }
                Ok(())
            })
        });
    }
}

/// Follows the pressure with each action on its own: one that takes long holds no other up.
async fn act(cx: &Context, actions: &Collected<PressureAction>, monitor: &ResourceMonitor) {
    let each = cx.collected(actions).iter().map(|contributed| {
        let (shutdown, environment) = (cx.shutdown_token().clone(), Arc::clone(cx.environment()));
        let (module, id) = (contributed.module(), contributed.module_id());
        follow(contributed, Context::within(module, id, shutdown, environment), monitor.watch())
    });
    join_all(each).await;
    std::future::pending::<()>().await;
}

/// Tells the log of each change, and now and then of a pressure that lasts.
pub(super) async fn tell(monitor: &ResourceMonitor, settings: &Config<ResourceSettings>) {
    let mut changes = monitor.watch();
    let mut before = *changes.borrow_and_update();
    loop {
        let interval = settings.get().log_interval;
        let again = async {
            match before.level() {
                PressureLevel::Normal => std::future::pending().await,
                _ => sleep(interval).await,
            }
        };
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = again => {}
        }
        let now = *changes.borrow_and_update();
        line(before, now, &monitor.last().unwrap_or_default());
        before = now;
    }
}

fn line(before: Pressure, now: Pressure, sample: &ResourceSample) {
    let (memory, cpu) = (now.memory.as_str(), now.cpu.as_str());
    let (memory_ratio, rss_bytes) = (sample.memory_ratio, sample.memory.rss_bytes);
    let (cpu_ratio, loop_lag) = (sample.cpu_ratio, sample.loop_lag);
    macro_rules! say {
        ($level:ident, $text:literal) => {
            tracing::$level!(memory, cpu, memory_ratio, rss_bytes, cpu_ratio, ?loop_lag, $text)
        };
    }
    match (before.level(), now.level()) {
        (_, PressureLevel::Normal) => say!(info, "there is enough of everything again"),
        (before, now) if now > before => say!(warn, "the process runs short"),
        (before, now) if now < before => say!(info, "the process runs less short than before"),
        _ => say!(warn, "the process is still short"),
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Registrar<'_> {}
}
