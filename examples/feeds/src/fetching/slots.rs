use framework::prelude::*;
use tokio::sync::watch;

use crate::FeedsSettings;

/// Lets `feeds.max_concurrent_feeds` in at a time; the number may change while the application runs.
#[derive(Debug)]
pub(super) struct Slots {
    settings: Config<FeedsSettings>,
    taken: watch::Sender<usize>,
}

/// A place, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Slot<'s>(&'s Slots);

impl Slots {
    pub(super) fn new(settings: Config<FeedsSettings>) -> Self {
        Self { settings, taken: watch::Sender::new(0) }
    }

    /// Waits for a place. The caller sets the deadline.
    pub(super) async fn enter(&self) -> Slot<'_> {
        let mut taken = self.taken.subscribe();
        let mut settings = self.settings.watch();
        loop {
            if self.try_take() {
                return Slot(self);
            }
            tokio::select! {
                // The sender is ours, and lives as long as this.
                _ = taken.changed() => {}
                _ = settings.next() => {}
            }
        }
    }

    fn try_take(&self) -> bool {
        let limit = self.settings.get().max_concurrent_feeds;
        self.taken.send_if_modified(|taken| {
            let free = *taken < limit;
            *taken += usize::from(free);
            free
        })
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.0.taken.send_modify(|taken| *taken -= 1);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    fn slots(limit: usize) -> Slots {
        let settings = FeedsSettings { max_concurrent_feeds: limit, ..FeedsSettings::default() };
        Slots::new(Config::fixed(settings))
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_are_let_in_than_there_are_places_and_each_is_used_again() {
        let slots = slots(2);
        let (first, _second) = (slots.enter().await, slots.enter().await);
        let third = timeout(Duration::from_secs(60), slots.enter()).await;
        assert!(third.is_err(), "there is no third place");
        let (third, ()) = tokio::join!(slots.enter(), async { drop(first) });
        drop(third);
    }
}
