use std::{
    any::Any,
    fmt,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use arc_swap::ArcSwapOption;

use crate::{BoxError, BoxFuture, Chain, Contain, Context, Key, contain};

type DecorateFn<T> =
    Box<dyn Fn(&Context, Option<&dyn Any>, Arc<T>) -> Result<Arc<T>, BoxError> + Send + Sync>;

/// The cell that a value lives in once its provider has started.
///
/// Reading it takes no lock. It can be emptied and filled again, so a module that is started a
/// second time gives its readers the new value. Applications use [`Need`](crate::Need); slots are
/// for layers.
pub struct Slot<T: ?Sized> {
    key: Key,
    value: ArcSwapOption<Arc<T>>,
    // Says so at less cost than the value, of which there is none where each is made on demand.
    filled: AtomicBool,
    recipe: OnceLock<Box<dyn Any + Send + Sync>>,
    replacement: OnceLock<Box<dyn Any + Send + Sync>>,
    // What few slots have is out of the way, so that a slot is small.
    decorators: OnceLock<Box<Decorators<T>>>,
    deferred: OnceLock<Box<tokio::sync::Mutex<Deferred>>>,
}

/// What wraps a value. Filled while modules register; the first use closes the list, and from then
/// on reading it takes no lock.
struct Decorators<T: ?Sized> {
    open: Mutex<Vec<DecorateFn<T>>>,
    closed: OnceLock<Vec<DecorateFn<T>>>,
}

/// The making of a value that waits for its first use.
enum Deferred {
    Absent,
    // The future stays here while it is polled: whoever waits may be dropped at any time, and the
    // next to come goes on with it.
    Waiting(Contain<()>),
    Failed(DeferredError),
}

/// A value that is made on first use could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` could not be made: {cause}")]
pub struct DeferredError {
    key: String,
    cause: String,
}

impl<T: ?Sized + Send + Sync + 'static> Slot<T> {
    pub(crate) fn new(key: Key) -> Self {
        Self {
            key,
            value: ArcSwapOption::const_empty(),
            filled: AtomicBool::new(false),
            recipe: OnceLock::new(),
            replacement: OnceLock::new(),
            decorators: OnceLock::new(),
            deferred: OnceLock::new(),
        }
    }

    /// What the value is known by.
    #[must_use]
    pub fn key(&self) -> Key {
        self.key
    }

    /// The value, if it has been made.
    #[must_use]
    pub fn get(&self) -> Option<Arc<T>> {
        if !self.filled.load(Ordering::Acquire) {
            return None;
        }
        self.value.load().as_deref().map(Arc::clone)
    }

    /// Puts `value` in, in place of the one before.
    pub fn set(&self, value: Arc<T>) {
        self.value.store(Some(Arc::new(value)));
        self.filled.store(true, Ordering::Release);
    }

    /// The value; if it was put off until somebody wants it, makes it now. However many ask at
    /// once, it is made once.
    ///
    /// # Errors
    ///
    /// Returns an error if the value cannot be made, or if its module has not started.
    ///
    /// # Cancel safety
    ///
    /// When this future is dropped, the value goes on being made by whoever asks next.
    pub async fn resolve(&self) -> Result<Arc<T>, DeferredError> {
        if let Some(value) = self.get() {
            return Ok(value);
        }
        let Some(deferred) = self.deferred.get() else {
            return Err(self.error("its module has not started".to_owned()));
        };
        let mut deferred = deferred.lock().await;
        let made = match &mut *deferred {
            Deferred::Absent => Ok(()),
            Deferred::Failed(error) => return Err(error.clone()),
            Deferred::Waiting(making) => making.await,
        };
        let cause = match (made, self.get()) {
            (Ok(()), Some(value)) => {
                *deferred = Deferred::Absent;
                return Ok(value);
            }
            (Ok(()), None) => return Err(self.error("its module has not started".to_owned())),
            (Err(error), _) => Chain(error.as_ref()).to_string(),
        };
        let error = self.error(cause);
        *deferred = Deferred::Failed(error.clone());
        Err(error)
    }

    /// Adds a decorator; those added later wrap those before.
    pub(crate) fn add_decorator(&self, decorate: DecorateFn<T>) {
        let decorators = self.decorators.get_or_init(|| {
            Box::new(Decorators { open: Mutex::default(), closed: OnceLock::new() })
        });
        decorators.open.lock().unwrap_or_else(PoisonError::into_inner).push(decorate);
    }

    /// Wraps `value` in every decorator of the key. A layer that makes the value on demand hands
    /// its decorators, in `within`, what the value is made for: a scope.
    ///
    /// # Errors
    ///
    /// Returns the first error of a decorator.
    pub fn decorate(
        &self,
        cx: &Context,
        within: Option<&dyn Any>,
        value: Arc<T>,
    ) -> Result<Arc<T>, BoxError> {
        let Some(decorators) = self.decorators.get() else { return Ok(value) };
        let Decorators { open, closed } = decorators.as_ref();
        let closed = closed.get_or_init(|| {
            std::mem::take(&mut *open.lock().unwrap_or_else(PoisonError::into_inner))
        });
        closed.iter().try_fold(value, |value, decorate| decorate(cx, within, value))
    }

    /// Attaches how to make values of this key, for layers whose values are made on demand. Only
    /// the first recipe counts, unless there is a [replacement](Self::attach_replacement).
    pub fn attach<R: Any + Send + Sync>(&self, recipe: R) {
        let _ = self.recipe.set(Box::new(recipe));
    }

    /// Attaches a recipe that takes the place of the attached one, whichever comes first. Only the
    /// first replacement counts.
    pub fn attach_replacement<R: Any + Send + Sync>(&self, recipe: R) {
        let _ = self.replacement.set(Box::new(recipe));
    }

    /// The attached recipe, if there is one of this type.
    #[must_use]
    pub fn recipe<R: Any + Send + Sync>(&self) -> Option<&R> {
        self.replacement.get().or_else(|| self.recipe.get())?.downcast_ref()
    }

    fn error(&self, cause: String) -> DeferredError {
        DeferredError { key: self.key.to_string(), cause }
    }
}

impl<T: ?Sized> fmt::Debug for Slot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let filled = self.value.load().is_some();
        f.debug_struct("Slot")
            .field("key", &self.key)
            .field("filled", &filled)
            .finish_non_exhaustive()
    }
}

/// A [`Slot`] of any type.
pub trait AnySlot: Send + Sync + fmt::Debug {
    /// What the value is known by.
    fn key(&self) -> Key;

    /// Whether there is a value.
    fn is_filled(&self) -> bool;

    /// Lets go of the value. Called in the reverse order of construction when a module stops.
    fn clear(&self);

    /// Puts off `make`, which fills the slot, until somebody asks for the value.
    fn defer(&self, make: BoxFuture<Result<(), BoxError>>);

    /// The slot itself, to look at as its own type.
    fn as_any(&self) -> &(dyn Any + Send + Sync);

    /// The slot itself, to keep.
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

impl<T: ?Sized + Send + Sync + 'static> AnySlot for Slot<T> {
    fn key(&self) -> Key {
        self.key
    }

    fn is_filled(&self) -> bool {
        self.filled.load(Ordering::Acquire)
    }

    fn clear(&self) {
        self.filled.store(false, Ordering::Release);
        self.value.store(None);
        if let Some(Ok(mut deferred)) = self.deferred.get().map(|deferred| deferred.try_lock()) {
            *deferred = Deferred::Absent;
        }
    }

    fn defer(&self, make: BoxFuture<Result<(), BoxError>>) {
        let deferred = self.deferred.get_or_init(|| Box::new(Deferred::Absent.into()));
        if let Ok(mut deferred) = deferred.try_lock() {
            *deferred = Deferred::Waiting(contain(|| make));
        }
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync) {
        self
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::poll_fn,
        sync::atomic::{AtomicUsize, Ordering},
        task::Poll,
    };

    use super::*;

    #[test]
    fn a_replacement_recipe_counts_in_either_order() {
        let (before, after) = (slot(), slot());
        before.attach_replacement("new");
        before.attach("old");
        after.attach("old");
        after.attach_replacement("new");
        assert_eq!([before.recipe(), after.recipe()], [Some(&"new"); 2]);
    }

    fn slot() -> Arc<Slot<u8>> {
        Arc::new(Slot::new(Key::of::<u8>()))
    }

    /// A maker that is pending once before it fills the slot, and counts its runs.
    fn maker(slot: &Arc<Slot<u8>>, runs: &Arc<AtomicUsize>) -> BoxFuture<Result<(), BoxError>> {
        let (slot, runs) = (Arc::clone(slot), Arc::clone(runs));
        Box::pin(async move {
            let mut waited = false;
            poll_fn(|cx| {
                cx.waker().wake_by_ref();
                if std::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            runs.fetch_add(1, Ordering::Relaxed);
            slot.set(Arc::new(7));
            Ok(())
        })
    }

    #[tokio::test]
    async fn a_deferred_value_is_made_once_however_many_wait() {
        let (slot, runs) = (slot(), Arc::default());
        slot.defer(maker(&slot, &runs));
        let (a, b, c) = tokio::join!(slot.resolve(), slot.resolve(), slot.resolve());
        assert_eq!([*a.unwrap(), *b.unwrap(), *c.unwrap()], [7, 7, 7]);
        assert_eq!(runs.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_waiter_that_goes_away_leaves_the_making_to_the_next() {
        let (slot, runs) = (slot(), Arc::default());
        slot.defer(maker(&slot, &runs));
        let mut first = Box::pin(slot.resolve());
        poll_fn(|cx| {
            assert!(first.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        drop(first);
        assert_eq!(*slot.resolve().await.unwrap(), 7);
        assert_eq!(runs.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_failed_making_tells_everyone_why() {
        let slot = slot();
        slot.defer(Box::pin(async { Err("no route to host".into()) }));
        for _ in 0..2 {
            let error = slot.resolve().await.unwrap_err();
            assert_eq!(error.to_string(), "`u8` could not be made: no route to host");
        }
    }

    #[tokio::test]
    async fn a_cleared_slot_is_empty_and_can_be_filled_again() {
        let slot = slot();
        slot.set(Arc::new(1));
        slot.clear();
        assert_eq!(slot.get(), None);
        assert!(slot.resolve().await.unwrap_err().to_string().contains("has not started"));
        slot.set(Arc::new(2));
        assert_eq!(slot.get().as_deref(), Some(&2));
    }
}
