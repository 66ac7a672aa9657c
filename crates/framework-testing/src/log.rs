use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use framework_core::{BoxModule, Registrar, module_fn};

/// Lines in the order in which code wrote them. Clones write to the same lines.
///
/// # Examples
///
/// ```
/// let log = framework_testing::Log::default();
/// log.clone().write("first");
/// log.write("second");
/// assert_eq!(log.lines(), ["first", "second"]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Log {
    lines: Arc<Mutex<Vec<String>>>,
}

impl Log {
    /// Adds a line.
    pub fn write(&self, line: impl Into<String>) {
        self.locked().push(line.into());
    }

    /// The lines so far.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.locked().clone()
    }

    /// The lines so far, which are then forgotten.
    #[must_use]
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.locked())
    }

    fn locked(&self) -> MutexGuard<'_, Vec<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A module of a name and what it declares, which writes `+name` when everything in it has started
/// and `-name` when everything in it has stopped.
///
/// # Examples
///
/// ```
/// use framework_app::App;
/// use framework_testing::{Log, TestApp, noisy, paused};
///
/// let log = Log::default();
/// let app = App::builder("shop")
///     .module(noisy("orders", &log, |reg| drop(reg.need::<u16>())))
///     .module(noisy("data", &log, |reg| drop(reg.provide(|_cx| async { Ok(80_u16) }))));
/// paused(async { TestApp::start(app).await.stop().await }).unwrap();
/// assert_eq!(log.lines(), ["+data", "+orders", "-orders", "-data"]);
/// ```
#[must_use]
#[track_caller]
pub fn noisy(
    name: &'static str,
    log: &Log,
    declare: impl FnOnce(&mut Registrar<'_>) + Send + 'static,
) -> BoxModule {
    let (up, down) = (log.clone(), log.clone());
    BoxModule::new(module_fn(name, move |reg: &mut Registrar<'_>| {
        // Teardowns run last to first, so this one is the last.
        reg.teardown("noise", move |_cx| async move {
            down.write(format!("-{name}"));
            Ok(())
        });
        declare(reg);
        reg.setup("noise", move |_cx| async move {
            up.write(format!("+{name}"));
            Ok(())
        });
    }))
}
