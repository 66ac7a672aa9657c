use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use framework_core::BoxError;
use tokio::time::Instant;

use super::{Claim, ClaimId, Fingerprint, IdempotencyStore, StoredResponse};

/// Keeps responses in memory: for one process, and for tests. They are gone with the process.
#[derive(Debug)]
pub struct MemoryIdempotencyStore {
    keep: Duration,
    max_entries: usize,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    next: u64,
    by_key: HashMap<String, Entry>,
}

#[derive(Debug)]
struct Entry {
    fingerprint: Fingerprint,
    claim: ClaimId,
    until: Instant,
    response: Option<StoredResponse>,
}

impl MemoryIdempotencyStore {
    /// Keeps each response for a day, and 10 000 of them at most; beyond that, requests with a new
    /// key are refused.
    #[must_use]
    pub fn new() -> Self {
        let keep = Duration::from_hours(24);
        Self { keep, max_entries: 10_000, entries: Mutex::default() }
    }

    /// Sets for how long a response is kept. Defaults to 24 h.
    #[must_use]
    pub fn keep(mut self, time: Duration) -> Self {
        self.keep = time;
        self
    }

    /// Sets how many responses are kept at most. Defaults to 10 000.
    #[must_use]
    pub fn max_entries(mut self, limit: usize) -> Self {
        self.max_entries = limit;
        self
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryIdempotencyStore {
    fn default() -> Self {
        Self::new()
    }
}

impl Entry {
    fn claim(&self, fingerprint: Fingerprint) -> Claim {
        match &self.response {
            _ if self.fingerprint != fingerprint => Claim::Mismatch,
            Some(response) => Claim::Done(response.clone()),
            None => Claim::InProgress,
        }
    }
}

impl IdempotencyStore for MemoryIdempotencyStore {
    async fn claim(
        &self,
        key: &str,
        fingerprint: Fingerprint,
        lease: Duration,
    ) -> Result<Claim, BoxError> {
        let (now, mut entries) = (Instant::now(), self.entries());
        if let Some(entry) = entries.by_key.get(key).filter(|entry| entry.until > now) {
            return Ok(entry.claim(fingerprint));
        }
        if entries.by_key.len() >= self.max_entries {
            entries.by_key.retain(|_, entry| entry.until > now);
            if entries.by_key.len() >= self.max_entries {
                return Err("there is no room for another key".into());
            }
        }
        entries.next += 1;
        let claim = ClaimId(entries.next);
        let entry = Entry { fingerprint, claim, until: now + lease, response: None };
        entries.by_key.insert(key.to_owned(), entry);
        Ok(Claim::New(claim))
    }

    async fn complete(
        &self,
        key: &str,
        claim: ClaimId,
        response: StoredResponse,
    ) -> Result<(), BoxError> {
        if let Some(entry) = self.entries().by_key.get_mut(key).filter(|entry| entry.claim == claim)
        {
            entry.until = Instant::now() + self.keep;
            entry.response = Some(response);
        }
        Ok(())
    }

    fn release(&self, key: &str, claim: ClaimId) {
        let mut entries = self.entries();
        if entries.by_key.get(key).is_some_and(|entry| entry.claim == claim) {
            entries.by_key.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, StatusCode};

    use super::*;

    const LEASE: Duration = Duration::from_secs(60);
    const ONE: Fingerprint = Fingerprint([1; 32]);

    fn response(body: &'static str) -> StoredResponse {
        let body = Bytes::from_static(body.as_bytes());
        StoredResponse { status: StatusCode::OK, headers: HeaderMap::new(), body }
    }

    async fn new(store: &MemoryIdempotencyStore, key: &str) -> ClaimId {
        match store.claim(key, ONE, LEASE).await.unwrap() {
            Claim::New(claim) => claim,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_lost_the_lease_can_neither_answer_nor_release() {
        let store = MemoryIdempotencyStore::new();
        let first = new(&store, "a").await;
        assert!(matches!(store.claim("a", ONE, LEASE).await, Ok(Claim::InProgress)));
        tokio::time::advance(LEASE).await;
        let second = new(&store, "a").await;
        store.complete("a", first, response("late")).await.unwrap();
        store.release("a", first);
        assert!(matches!(store.claim("a", ONE, LEASE).await, Ok(Claim::InProgress)));
        store.complete("a", second, response("done")).await.unwrap();
        let Ok(Claim::Done(kept)) = store.claim("a", ONE, LEASE).await else { panic!("not kept") };
        assert_eq!(kept, response("done"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_store_refuses_new_keys_until_old_ones_are_over() {
        let store = MemoryIdempotencyStore::new().max_entries(2);
        new(&store, "a").await;
        new(&store, "b").await;
        assert!(store.claim("c", ONE, LEASE).await.is_err());
        tokio::time::advance(LEASE).await;
        new(&store, "c").await;
    }
}
