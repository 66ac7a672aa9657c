use std::{future, path::Path, sync::Arc, time::Duration};

use framework_core::{ClusterQuestion, ClusterView, is_planted};
use tokio::{task, time::sleep};

use super::{ReloadOutcome, ReloadTrigger, probation::Verdict};
use crate::{
    fallback::Keepsake,
    file_watch::{FileWatch, Fingerprint, SystemEvents},
    handle::ConfigHandle,
    store::Store,
};

/// The shortest time from the end of one reload to the next.
const PAUSE: Duration = Duration::from_millis(100);

/// How many workers may each be let go first, before a file that changed is asked about.
const MOST_TURNS: u32 = 5;

/// Runs the reloads that are asked for, and those for files that change, for ever: drop it to
/// stop. With `look` the files are watched, and looked at in that interval. A worker of a `cluster`
/// has all of it reload.
pub(crate) async fn serve(
    handle: ConfigHandle,
    cluster: Option<Arc<dyn ClusterView>>,
    look: Option<Duration>,
    allowed: impl Fn() -> bool,
) {
    let store = Arc::clone(handle.store());
    // Without files there is nothing to look at.
    let mut files = match look.filter(|_| !store.paths().is_empty()) {
        Some(look) => {
            let system = Box::<SystemEvents>::default();
            Some(FileWatch::start(Arc::clone(&store), system, look).await)
        }
        None => None,
    };
    if let Some(cluster) = &cluster
        && let Err(error) = cluster.ask(ClusterQuestion::ReloadIfMissed).await
    {
        tracing::warn!(error = %*error, "the cluster does not say whether it has reloaded");
    }
    // Whatever changed between loading and now sent its event to nobody.
    if let Some(files) = &files
        && !store.was_read_from(files.seen())
        && !is_unchanged(&handle).await
    {
        run(&handle, cluster.as_deref(), ReloadTrigger::File, Some(files.seen())).await;
    }
    loop {
        let trigger = tokio::select! {
            trigger = store.requests.next() => trigger,
            () = changed(files.as_mut()) => ReloadTrigger::File,
            verdict = store.probation.verdict() => {
                if allowed() {
                    judge(&handle, cluster.as_deref(), verdict).await;
                }
                continue;
            }
        };
        if allowed() {
            let seen = files.as_ref().map(FileWatch::seen);
            run(&handle, cluster.as_deref(), trigger, seen).await;
        } else {
            tracing::info!(%trigger, "the application stops: its configuration stays as it is");
        }
        if is_planted("no-pause") {
            continue;
        }
        sleep(PAUSE).await;
        if is_planted("forgets-while-busy") {
            sleep(PAUSE * 10).await;
            store.requests.forget();
        }
    }
}

/// Reloads this process, or has the `cluster` reload that it is a worker of.
async fn run(
    handle: &ConfigHandle,
    cluster: Option<&dyn ClusterView>,
    trigger: ReloadTrigger,
    seen: Option<&Fingerprint>,
) {
    let Some(cluster) = cluster.filter(|_| !is_planted("each-for-itself")) else {
        handle.reload_for(trigger).await;
        return;
    };
    if let (ReloadTrigger::File, Some(seen)) = (trigger, seen) {
        // All workers see the same files change; one of them asks, and the others need not.
        sleep(PAUSE * cluster.slot().min(MOST_TURNS)).await;
        if handle.store().has_attempted(seen) {
            return;
        }
    }
    if let Err(error) = cluster.ask(ClusterQuestion::Reload).await {
        tracing::warn!(%trigger, error = %*error, "the cluster cannot be asked to reload");
    }
}

/// Keeps what has held, and takes back what has not.
async fn judge(handle: &ConfigHandle, cluster: Option<&dyn ClusterView>, verdict: Verdict) {
    match verdict {
        Verdict::Failed { trial, obstacle } => {
            let cause = format!("it made {obstacle}");
            let Some(cluster) = cluster.filter(|_| trial.together) else {
                handle.go_back(&trial, cause).await;
                return;
            };
            handle.store().probation.leave_to_others(trial);
            let question = ClusterQuestion::TakeBackReload { cause: cause.clone() };
            if let Err(error) = cluster.ask(question).await {
                tracing::warn!(error = %*error, "the cluster cannot be asked: this worker goes back");
                handle.take_back(cause).await;
            }
        }
        Verdict::Held { ready: true } => keep(handle.store()).await,
        Verdict::Held { ready: false } => {
            tracing::info!("the application is not ready: its configuration is not kept as good");
        }
    }
}

/// Keeps the configuration in force for a start on which the files are broken.
async fn keep(store: &Arc<Store>) {
    let Some(snapshot) = store.in_force().filter(|it| it.last_good().is_none()) else { return };
    let Some((fallback, keepsake)) = snapshot.keepsake().cloned() else { return };
    let Some(path) = fallback.path().map(Path::to_owned) else { return };
    let path = path.display();
    match &*keepsake {
        Keepsake::Files(files) if files.is_empty() => {}
        Keepsake::Files(_) => {
            let profile = snapshot.report().profile().to_owned();
            let kept = task::spawn_blocking(move || fallback.keep(&profile, &keepsake)).await;
            match kept.unwrap_or_else(|error| Err(error.into())) {
                Ok(true) => tracing::info!(%path, "the configuration has proved good, and is kept"),
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(%path, %error, "the configuration cannot be kept for a bad day");
                }
            }
        }
        Keepsake::Secrets(keys) => {
            let keys = keys.join(", ");
            tracing::warn!(
                keys,
                "the configuration is not kept for a bad day, because secrets stand in its files: \
                 refer to them by ${{file:…}} or ${{env:…}}"
            );
        }
    }
}

async fn is_unchanged(handle: &ConfigHandle) -> bool {
    matches!(handle.dry_run(false).await.outcome, ReloadOutcome::Unchanged)
}

async fn changed(files: Option<&mut FileWatch>) {
    match files {
        Some(files) => files.changed().await,
        None => future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use framework_core::{BoxError, BoxFuture};
    use tokio::{sync::mpsc, task::JoinSet, time::timeout};

    use super::*;
    use crate::{live::LiveConfig, sources::Sources};

    /// A cluster that tells what it is asked, and of which this is the worker in a slot.
    #[derive(Debug)]
    struct Cluster {
        slot: u32,
        asked: mpsc::UnboundedSender<ClusterQuestion>,
    }

    impl ClusterView for Cluster {
        fn slot(&self) -> u32 {
            self.slot
        }

        fn ask(&self, question: ClusterQuestion) -> BoxFuture<Result<String, BoxError>> {
            let _ = self.asked.send(question);
            Box::pin(future::ready(Ok("{}".to_owned())))
        }
    }

    #[tokio::test]
    async fn a_worker_has_its_cluster_reload_and_keeps_what_it_has() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app.toml");
        fs::write(&path, "").unwrap();
        let mut config = LiveConfig::new(Sources::standard("shop").dir(directory.path()));
        let settings = config.section::<crate::ConfigSettings>("config");
        let handle = config.load().unwrap();
        let (asked, mut questions) = mpsc::unbounded_channel();
        let cluster = Arc::new(Cluster { slot: 0, asked });
        let (mut running, own) = (JoinSet::new(), handle.clone());
        running.spawn(async move { serve(own, Some(cluster), None, || true).await });
        let mut next = async || timeout(Duration::from_secs(20), questions.recv()).await.unwrap();
        assert_eq!(next().await, Some(ClusterQuestion::ReloadIfMissed));
        fs::write(&path, "[config]\nwatch = false\n").unwrap();
        handle.request_reload(ReloadTrigger::Signal);
        assert_eq!(next().await, Some(ClusterQuestion::Reload));
        assert!(settings.get().watch, "it has reloaded by itself");
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_need_not_ask_for_what_another_has_asked_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app.toml");
        fs::write(&path, "").unwrap();
        let mut config = LiveConfig::new(Sources::standard("shop").dir(directory.path()));
        config.section::<crate::ConfigSettings>("config");
        let handle = config.load().unwrap();
        let (asked, mut questions) = mpsc::unbounded_channel();
        let cluster = Cluster { slot: 1, asked };
        let paths = handle.store().paths();
        let ask = async || {
            let seen = Fingerprint::take(paths.iter().map(|path| path.as_path()));
            run(&handle, Some(&cluster), ReloadTrigger::File, Some(&seen)).await;
        };

        fs::write(&path, "[config]\nwatch = \"sometimes\"\n").unwrap();
        ask().await;
        assert_eq!(questions.try_recv().ok(), Some(ClusterQuestion::Reload));
        // Refused, but read.
        assert!(handle.prepare_reload(ReloadTrigger::Call).await.is_err());
        ask().await;
        assert!(questions.try_recv().is_err(), "it has asked again");
        fs::write(&path, "[config]\nwatch = true\n").unwrap();
        ask().await;
        assert_eq!(questions.try_recv().ok(), Some(ClusterQuestion::Reload));
    }
}
