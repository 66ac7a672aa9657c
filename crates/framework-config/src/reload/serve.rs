use std::{future, path::Path, sync::Arc, time::Duration};

use framework_core::is_planted;
use tokio::{task, time::sleep};

use super::{ReloadOutcome, ReloadTrigger, probation::Verdict};
use crate::{
    fallback::Keepsake,
    file_watch::{FileWatch, SystemEvents},
    handle::ConfigHandle,
    store::Store,
};

/// The shortest time from the end of one reload to the next.
const PAUSE: Duration = Duration::from_millis(100);

/// Runs the reloads that are asked for, and those for files that change, for ever: drop it to
/// stop. With `look` the files are watched, and looked at in that interval.
pub(crate) async fn serve(
    handle: ConfigHandle,
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
    // Whatever changed between loading and now sent its event to nobody.
    if let Some(files) = &files
        && !store.was_read_from(files.seen())
        && !is_unchanged(&handle).await
    {
        handle.reload_for(ReloadTrigger::File).await;
    }
    loop {
        let trigger = tokio::select! {
            trigger = store.requests.next() => trigger,
            () = changed(files.as_mut()) => ReloadTrigger::File,
            verdict = store.probation.verdict() => {
                if allowed() {
                    judge(&handle, verdict).await;
                }
                continue;
            }
        };
        if allowed() {
            handle.reload_for(trigger).await;
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

/// Keeps what has held, and takes back what has not.
async fn judge(handle: &ConfigHandle, verdict: Verdict) {
    match verdict {
        Verdict::Failed { trial, obstacle } => {
            handle.go_back(&trial, format!("it made {obstacle}")).await;
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
