use std::{
    fmt,
    future::Future,
    panic::{self, AssertUnwindSafe},
    pin::Pin,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use framework_core::BoxError;

use crate::{
    section::AnySettings,
    store::{Store, lock},
};

/// What an owner has prepared for a change of its section: opened, connected, built, but not used.
///
/// Either it is committed, at once after the change is in force, or it is dropped because
/// something else spoke against the change.
///
/// # Examples
///
/// ```
/// use std::sync::{Arc, Mutex};
///
/// use framework_config::Prepared;
///
/// let current = Arc::new(Mutex::new("old pool"));
/// let place = Arc::clone(&current);
/// let prepared = Prepared::new(move || *place.lock().unwrap() = "new pool");
/// drop(prepared);
/// assert_eq!(*current.lock().unwrap(), "old pool");
/// ```
#[must_use = "what was prepared comes into use only if it is returned"]
pub struct Prepared {
    commit: Option<Box<dyn FnOnce() + Send>>,
    abort: Option<Box<dyn FnOnce() + Send>>,
}

/// Keeps an owner in the list of those who are asked before its section changes; dropping this
/// takes it out.
#[must_use = "whoever drops this is not asked"]
pub struct ReloadOwner {
    // `None` for a section that never changes.
    place: Option<(Weak<Store>, u64)>,
}

/// Whoever is asked before a section changes, in the order in which they came.
#[derive(Default)]
pub(crate) struct Owners {
    list: Mutex<Vec<Arc<Owner>>>,
    next: AtomicU64,
}

pub(crate) type PrepareFuture = Pin<Box<dyn Future<Output = Result<Prepared, BoxError>> + Send>>;

type Prepare = Box<dyn Fn(Arc<AnySettings>, Arc<AnySettings>) -> PrepareFuture + Send + Sync>;

pub(crate) struct Owner {
    id: u64,
    pub(crate) name: String,
    pub(crate) section: usize,
    pub(crate) prepare: Prepare,
}

// ===== impl Prepared =====

impl Prepared {
    /// Calls `commit` when the change is in force. It must be quick and cannot fail: whatever can
    /// is to be done before.
    pub fn new(commit: impl FnOnce() + Send + 'static) -> Self {
        Self { commit: Some(Box::new(commit)), abort: None }
    }

    /// Agrees to the change, and has nothing to do for it.
    pub fn nothing() -> Self {
        Self { commit: None, abort: None }
    }

    /// Calls `abort` if the change does not come into force. What `commit` holds is dropped in any
    /// case, so this is for what a drop does not undo.
    pub fn or_abort(mut self, abort: impl FnOnce() + Send + 'static) -> Self {
        self.abort = Some(Box::new(abort));
        self
    }

    /// Puts into use what was prepared; an error is the text of a panic.
    pub(crate) fn commit(mut self) -> Result<(), String> {
        self.abort = None;
        let Some(commit) = self.commit.take() else { return Ok(()) };
        panic::catch_unwind(AssertUnwindSafe(commit)).map_err(|payload| text(payload.as_ref()))
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        self.commit = None;
        if let Some(abort) = self.abort.take() {
            // The panic hook has told; the others still have to be dropped.
            let _ = panic::catch_unwind(AssertUnwindSafe(abort));
        }
    }
}

fn text(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned()
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").field("empty", &self.commit.is_none()).finish()
    }
}

// ===== impl ReloadOwner, Owners =====

impl ReloadOwner {
    /// Owns a section that never changes.
    pub(crate) fn of_nothing() -> Self {
        Self { place: None }
    }
}

impl Drop for ReloadOwner {
    fn drop(&mut self) {
        let Some((store, id)) = self.place.take() else { return };
        if let Some(store) = store.upgrade() {
            lock(&store.owners.list).retain(|owner| owner.id != id);
        }
    }
}

impl fmt::Debug for ReloadOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReloadOwner").finish_non_exhaustive()
    }
}

impl Owners {
    pub(crate) fn all(&self) -> Vec<Arc<Owner>> {
        lock(&self.list).clone()
    }

    /// Adds an owner of the section at the index `section`.
    pub(crate) fn add(
        store: &Arc<Store>,
        name: String,
        section: usize,
        prepare: Prepare,
    ) -> ReloadOwner {
        let owners = &store.owners;
        let id = owners.next.fetch_add(1, Ordering::Relaxed);
        lock(&owners.list).push(Arc::new(Owner { id, name, section, prepare }));
        ReloadOwner { place: Some((Arc::downgrade(store), id)) }
    }
}
