use std::{
    any::Any,
    iter,
    sync::{
        Arc, OnceLock,
        atomic::{
            AtomicUsize,
            Ordering::{AcqRel, Relaxed},
        },
    },
};

use once_cell::sync::OnceCell;

use crate::InjectError;

/// How many scoped values the application has; what a [`Table`] is sized by.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    places: AtomicUsize,
}

/// Where in the table of each scope one value goes.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    layout: Arc<Layout>,
    index: usize,
}

/// The values of one scope, by place.
///
/// Made values are linked from the last back to the first, so the order of their making costs no
/// second allocation.
pub(crate) struct Table {
    // Where the layout is, once there is a value. The scope's context keeps it there: the recipe of
    // each value has it.
    layout: AtomicUsize,
    // Few cells are in the scope itself, which then allocates nothing but the values.
    few: [Cell; FEW],
    more: OnceLock<Box<[Cell]>>,
    last: AtomicUsize,
}

const FEW: usize = 4;

/// A thread that waits here waits for a value that its own is made of: the plan refuses cycles, so it
/// does not wait for itself.
type Cell = OnceCell<Made>;

struct Made {
    before: usize,
    value: Kept,
}

type Kept = Arc<dyn Any + Send + Sync>;

/// How values of a type are kept.
pub(crate) struct Keeper<T: ?Sized> {
    keep: fn(Arc<T>) -> Kept,
    read: fn(&Kept) -> Option<Arc<T>>,
}

/// No place: the end of the list.
const NONE: usize = usize::MAX;

// ===== impl Layout =====

impl Layout {
    pub(crate) fn add(self: &Arc<Self>) -> Place {
        let index = self.places.fetch_add(1, Relaxed);
        Place { layout: Arc::clone(self), index }
    }

    fn address(self: &Arc<Self>) -> usize {
        Arc::as_ptr(self).addr()
    }
}

// ===== impl Table =====

impl Table {
    /// The value of a place, made now if there is none; `None` if the place is of another
    /// application.
    pub(crate) fn get_or_make<T: ?Sized + Send + Sync + 'static>(
        &self,
        place: &Place,
        keeper: Keeper<T>,
        make: impl FnOnce() -> Result<Arc<T>, InjectError>,
    ) -> Option<Result<Arc<T>, InjectError>> {
        let cell = self.cell(place)?;
        if let Some(made) = cell.get() {
            return keeper.read(made).map(Ok);
        }
        let mut own = None;
        let made = cell.get_or_try_init(|| {
            let value = make()?;
            own = Some(Arc::clone(&value));
            // What this value is made of is in the list by now.
            let before = self.last.swap(place.index, AcqRel);
            Ok(Made { before, value: (keeper.keep)(value) })
        });
        match made {
            Ok(made) => own.or_else(|| keeper.read(made)).map(Ok),
            Err(error) => Some(Err(error)),
        }
    }

    fn cell(&self, place: &Place) -> Option<&Cell> {
        let layout = place.layout.address();
        match self.layout.load(Relaxed) {
            // Not exchanged, which costs each scope more than it tells: of two threads that come
            // first with places of different applications, one would find a value of another type.
            0 => self.layout.store(layout, Relaxed),
            own if own != layout => return None,
            _ => {}
        }
        let Some(at) = place.index.checked_sub(FEW) else { return self.few.get(place.index) };
        let more = self.more.get_or_init(|| {
            let places = place.layout.places.load(Relaxed);
            iter::repeat_with(Cell::default).take(places.saturating_sub(FEW)).collect()
        });
        more.get(at)
    }

    /// How many values have been made.
    pub(crate) fn made(&self) -> usize {
        let cells = self.few.iter().chain(self.more.get().into_iter().flatten());
        cells.filter(|cell| cell.get().is_some()).count()
    }
}

impl Default for Table {
    fn default() -> Self {
        Self {
            layout: AtomicUsize::new(0),
            few: Default::default(),
            more: OnceLock::new(),
            last: AtomicUsize::new(NONE),
        }
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        let mut more = self.more.take().unwrap_or_default();
        let mut next = *self.last.get_mut();
        loop {
            let cell = match next.checked_sub(FEW) {
                None => self.few.get_mut(next),
                Some(at) => more.get_mut(at),
            };
            let Some(made) = cell.and_then(Cell::take) else { return };
            next = made.before;
        }
    }
}

// ===== impl Keeper =====

impl<T: ?Sized> Keeper<T> {
    /// `None` if it is another type's: the place is one of another application.
    fn read(&self, made: &Made) -> Option<Arc<T>> {
        (self.read)(&made.value)
    }
}

impl<T: Send + Sync + 'static> Keeper<T> {
    /// Keeps a value where it is.
    pub(crate) fn sized() -> Self {
        Self { keep: |value| value, read: |kept| Arc::clone(kept).downcast().ok() }
    }
}

impl<T: ?Sized + Send + Sync + 'static> Keeper<T> {
    /// Keeps the pointer to a value, which may be a trait object.
    pub(crate) fn pointer() -> Self {
        Self { keep: |value| Arc::new(value), read: |kept| kept.downcast_ref().cloned() }
    }
}

impl<T: ?Sized> Clone for Keeper<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for Keeper<T> {}
