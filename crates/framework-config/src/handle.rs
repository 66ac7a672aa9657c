use std::{sync::Arc, time::Duration};

use crate::{
    reload::{Mode, ReloadRecord, ReloadTrigger, reload, serve},
    report::ConfigReport,
    snapshot::ConfigSnapshot,
    store::Store,
};

/// What can be asked about the configuration of an application, from outside its modules, and
/// where it is reloaded.
///
/// Got from [`ConfigModule::handle`](crate::ConfigModule::handle), and by modules as a value:
/// `reg.need::<ConfigHandle>()`.
#[derive(Clone, Debug)]
pub struct ConfigHandle {
    store: Arc<Store>,
}

impl ConfigHandle {
    pub(crate) fn new(store: Arc<Store>) -> Self {
        Self { store }
    }

    /// What the configuration amounts to; `None` before the application is planned. If the
    /// configuration is wrong, the report has what may be configured, and perhaps not every value.
    #[must_use]
    pub fn report(&self) -> Option<Arc<ConfigReport>> {
        self.store.load().map(|snapshot| Arc::clone(snapshot.report()))
    }

    /// All sections as they are in force now, to be read together; `None` before the application
    /// is planned, or if its configuration is wrong.
    #[must_use]
    pub fn snapshot(&self) -> Option<ConfigSnapshot> {
        self.store.in_force().map(ConfigSnapshot::new)
    }

    /// Reads the sources again, and puts what they say into force if it is right, if every key
    /// that differs can change while the application runs, and if no owner of a section that
    /// differs refuses ([`Config::on_reload`](crate::Config::on_reload)). Else everything stays
    /// as it is.
    ///
    /// One reload runs at a time. All calls that are made while one runs are served by one more.
    ///
    /// # Cancel safety
    ///
    /// If this is dropped, the old configuration stays in force, or the new one is as a whole.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime.
    pub async fn reload(&self) -> Arc<ReloadRecord> {
        self.reload_for(ReloadTrigger::Call).await
    }

    /// Does what [`reload`](Self::reload) does, for another reason than a call.
    pub(crate) async fn reload_for(&self, trigger: ReloadTrigger) -> Arc<ReloadRecord> {
        self.store.flight.board(|| reload(&self.store, trigger, Mode::Apply)).await
    }

    /// Finds out what a [`reload`](Self::reload) would do, and does not do it. With `prepare`, the
    /// owners prepare too, and drop what they have prepared.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime.
    pub async fn dry_run(&self, prepare: bool) -> Arc<ReloadRecord> {
        let mode = Mode::DryRun { prepare };
        self.store.flight.alone(reload(&self.store, ReloadTrigger::Call, mode)).await
    }

    /// Asks for a reload and does not wait: the application's configuration module runs it as soon
    /// as it can. However often this is called meanwhile, one reload follows. Can be called from
    /// any thread, with or without a runtime.
    pub fn request_reload(&self, trigger: ReloadTrigger) {
        self.store.requests.ask(trigger);
    }

    /// Runs the reloads that are [asked for](Self::request_reload), at most ten in a second, and
    /// never completes: drop it to stop. With `look`, it also watches the files, which it looks at
    /// in that interval beside the events about them. The configuration module of an application
    /// runs this by itself.
    pub async fn run_reloads(&self, look: Option<Duration>) {
        serve(self.clone(), look, || true).await;
    }

    /// The last 20 reloads that changed something or were rejected, oldest first.
    #[must_use]
    pub fn history(&self) -> Vec<Arc<ReloadRecord>> {
        self.store.history.records()
    }

    /// Calls `observer` after each reload from now on, dry runs excepted. It must be quick.
    pub fn observe(&self, observer: impl Fn(&ReloadRecord) + Send + Sync + 'static) {
        self.store.history.observe(Arc::new(observer));
    }

    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.store
    }
}
