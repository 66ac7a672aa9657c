use std::{fmt, future, sync::Arc};

use futures_util::{Stream, stream};
use tokio::sync::watch;

use crate::config::Config;

/// One section changed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Changed<T> {
    /// The section as it was seen last.
    pub old: Arc<T>,
    /// The section as it is in force now.
    pub new: Arc<T>,
}

/// Follows the changes of one section; made by [`Config::watch`].
///
/// Changes that come faster than they are taken are one change: from what was seen last to what is
/// in force now. Whatever other sections do is not seen.
pub struct Changes<T> {
    config: Config<T>,
    seen: Arc<T>,
    // `None` for a section that never changes.
    generations: Option<watch::Receiver<u64>>,
}

impl<T: Send + Sync + 'static> Changes<T> {
    pub(crate) fn new(
        config: Config<T>,
        seen: Arc<T>,
        generations: Option<watch::Receiver<u64>>,
    ) -> Self {
        Self { config, seen, generations }
    }

    /// Completes at the next change; never, if none comes, so put it beside the shutdown in a
    /// `select!`.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: a change counts as seen only when this completes.
    pub async fn next(&mut self) -> Changed<T> {
        loop {
            let Some(generations) = &mut self.generations else { future::pending().await };
            generations.borrow_and_update();
            let new = self.config.get();
            if !Arc::ptr_eq(&self.seen, &new) {
                let old = std::mem::replace(&mut self.seen, Arc::clone(&new));
                return Changed { old, new };
            }
            if generations.changed().await.is_err() {
                self.generations = None;
            }
        }
    }

    /// The changes as a stream, which never ends.
    pub fn into_stream(self) -> impl Stream<Item = Changed<T>> + Send {
        stream::unfold(self, |mut changes| async {
            let changed = changes.next().await;
            Some((changed, changes))
        })
    }
}

impl<T> fmt::Debug for Changes<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Changes").field(&self.config).finish()
    }
}
