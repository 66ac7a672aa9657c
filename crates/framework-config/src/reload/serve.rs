use std::{future, sync::Arc, time::Duration};

use tokio::time::sleep;

use super::{ReloadOutcome, ReloadTrigger};
use crate::{
    file_watch::{FileWatch, SystemEvents},
    handle::ConfigHandle,
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
    if files.is_some() && !is_unchanged(&handle).await {
        handle.reload_for(ReloadTrigger::File).await;
    }
    loop {
        let trigger = tokio::select! {
            trigger = store.requests.next() => trigger,
            () = changed(files.as_mut()) => ReloadTrigger::File,
        };
        if allowed() {
            handle.reload_for(trigger).await;
        } else {
            tracing::info!(%trigger, "the application stops: its configuration stays as it is");
        }
        sleep(PAUSE).await;
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
