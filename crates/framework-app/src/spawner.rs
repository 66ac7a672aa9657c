use std::{
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
};

use framework_core::{BoxError, BoxFuture, ModuleId, Spawn, contain};
use tokio::task::JoinSet;

use crate::{Failure, runner::Shared};

/// Owns the tasks that modules spawn beside their units.
pub(crate) struct Tasks {
    shared: OnceLock<Weak<Shared>>,
    names: Vec<&'static str>,
    of_modules: Vec<Mutex<Owned>>,
}

/// The tasks of one module.
#[derive(Default)]
enum Owned {
    /// There has been none, as in most modules.
    #[default]
    None,
    Some(JoinSet<()>),
    /// The module has stopped, and gets no more.
    Ended,
}

impl Tasks {
    pub(crate) fn new(names: Vec<&'static str>) -> Self {
        let of_modules = names.iter().map(|_| Mutex::default()).collect();
        Self { shared: OnceLock::new(), names, of_modules }
    }

    /// Says where failures go. Only the first call counts.
    pub(crate) fn report_to(&self, shared: &Arc<Shared>) {
        let _ = self.shared.set(Arc::downgrade(shared));
    }

    /// Aborts what is left of a module's tasks, and waits until it is gone. Nothing can be spawned
    /// for the module after that.
    pub(crate) async fn end(&self, module: ModuleId) {
        let Some(owned) = self.of_modules.get(module.index()) else { return };
        let owned = mem::replace(&mut *lock(owned), Owned::Ended);
        if let Owned::Some(mut left) = owned {
            left.shutdown().await;
        }
    }
}

fn lock(owned: &Mutex<Owned>) -> MutexGuard<'_, Owned> {
    owned.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Spawn for Tasks {
    fn spawn(&self, module: ModuleId, name: &'static str, task: BoxFuture<Result<(), BoxError>>) {
        let Some(owned) = self.of_modules.get(module.index()) else { return };
        let mut owned = lock(owned);
        if matches!(*owned, Owned::None) {
            *owned = Owned::Some(JoinSet::new());
        }
        // A module that has stopped has nobody left to do the work for.
        let Owned::Some(tasks) = &mut *owned else { return };
        while tasks.try_join_next().is_some() {}
        let (module, shared) = (self.names[module.index()], self.shared.get().cloned());
        tasks.spawn(async move {
            if let Err(source) = contain(|| task).await
                && let Some(shared) = shared.and_then(|shared| shared.upgrade())
            {
                shared.note_failure(Failure::Task { module, task: name, source });
            }
        });
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks").field("modules", &self.names.len()).finish_non_exhaustive()
    }
}
