use std::{sync::Arc, time::Duration};

use crate::{
    error::ConfigError,
    readiness::Readiness,
    reload::{PreparedReload, ReloadRecord, ReloadTrigger, Trial, dry_run, go_back, reload, serve},
    report::ConfigReport,
    snapshot::{ConfigSnapshot, LastGood, Snapshot},
    sources::Sources,
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
    /// One reload runs at a time. All calls that are made while one runs are served by one more. In
    /// a cluster, this is about the worker that it is called in:
    /// [`request_reload`](Self::request_reload) is for all of them.
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
        self.store.flight.board(|| reload(&self.store, trigger)).await
    }

    /// Takes back the configuration that is on probation.
    pub(crate) async fn go_back(&self, trial: &Trial, cause: String) -> Arc<ReloadRecord> {
        self.store.flight.alone(go_back(&self.store, trial, cause)).await
    }

    /// Finds out what a [`reload`](Self::reload) would do, and does not do it. With `prepare`, the
    /// owners prepare too, and drop what they have prepared.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime.
    pub async fn dry_run(&self, prepare: bool) -> Arc<ReloadRecord> {
        self.store.flight.alone(dry_run(&self.store, prepare)).await
    }

    /// Does all of a [`reload`](Self::reload) that can fail, and waits to be told whether to do the
    /// rest: the first half of a reload in two phases, for several processes that reload together
    /// or not at all. Until the answer is dropped or committed, other reloads wait.
    ///
    /// # Errors
    ///
    /// Returns the record of the reload if it is refused. It counts in the
    /// [history](Self::history), and is not logged.
    ///
    /// # Cancel safety
    ///
    /// If this is dropped, what was prepared is dropped.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// use framework_config::{LiveConfig, ReloadTrigger, Sources};
    ///
    /// # tokio::runtime::Runtime::new()?.block_on(async {
    /// let (one, other) = (LiveConfig::new(Sources::none()), LiveConfig::new(Sources::none()));
    /// let (one, other) = (one.load()?, other.load()?);
    /// let both = (
    ///     one.prepare_reload(ReloadTrigger::Call).await,
    ///     other.prepare_reload(ReloadTrigger::Call).await,
    /// );
    /// if let (Ok(one), Ok(other)) = both {
    ///     one.commit();
    ///     other.commit();
    /// }
    /// # Ok::<(), framework_config::ConfigError>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn prepare_reload(
        &self,
        trigger: ReloadTrigger,
    ) -> Result<PreparedReload, Arc<ReloadRecord>> {
        let alone = self.store.flight.wait().await;
        PreparedReload::prepare(&self.store, trigger, alone).await
    }

    /// Puts the configuration before the one in force back, and keeps that one from coming into
    /// force again, as if it had failed its probation because of `cause`: for a process beside which
    /// another one failed with it. `None` if there is nothing to go back to: without a
    /// [probation](crate::ConfigSettings::confirm), or after the start.
    pub async fn take_back(&self, cause: String) -> Option<Arc<ReloadRecord>> {
        let trial = self.store.probation.take()?;
        Some(self.go_back(&trial, cause).await)
    }

    /// Asks for a reload and does not wait: the application's configuration module runs it as soon
    /// as it can. However often this is called meanwhile, one reload follows. In a worker of a
    /// cluster, it is one of all workers. Can be called from any thread, with or without a runtime.
    pub fn request_reload(&self, trigger: ReloadTrigger) {
        self.store.requests.ask(trigger);
    }

    /// Runs the reloads that are [asked for](Self::request_reload), at most ten in a second, and
    /// never completes: drop it to stop. With `look`, it also watches the files, which it looks at
    /// in that interval beside the events about them. The configuration module of an application
    /// runs this by itself.
    pub async fn run_reloads(&self, look: Option<Duration>) {
        serve(self.clone(), None, look, || true).await;
    }

    /// Asks `readiness`, while a configuration is on probation, whether it may stay; only the first
    /// that is given counts. Without one, every configuration stays.
    pub fn follow_readiness(&self, readiness: impl Readiness) {
        self.store.probation.follow(Arc::new(readiness));
    }

    /// Set while the application runs on the configuration that was good last, because its files
    /// are broken.
    #[must_use]
    pub fn last_good(&self) -> Option<LastGood> {
        self.store.in_force()?.last_good().map(|it| LastGood::clone(it))
    }

    /// Why the application cannot start, or could not start on its files; `None` before it is
    /// planned, and if nothing is wrong.
    #[must_use]
    pub fn error(&self) -> Option<Arc<ConfigError>> {
        self.store.refused()
    }

    /// Finds out what other sources would amount to in this application. Nothing changes. Blocks on
    /// files.
    ///
    /// # Errors
    ///
    /// Returns an error that lists everything that is wrong, also before the application is planned
    /// in so far as no section is known then.
    pub fn try_sources(&self, sources: &Sources) -> Result<Arc<ConfigReport>, ConfigError> {
        let basis = self.store.basis();
        let sections = basis.map(|basis| basis.sections()).unwrap_or_default();
        let loaded = sources.load().map_err(|error| error.revealed(&sections))?;
        let (snapshot, faults) = Snapshot::bind(&loaded, &sections, 1);
        match ConfigError::of(faults) {
            Some(error) => Err(error),
            None => Ok(Arc::clone(snapshot.report())),
        }
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
