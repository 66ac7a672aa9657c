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
    // An `Arc<T>`.
    value: Box<dyn Any + Send + Sync>,
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
        make: impl FnOnce() -> Result<Arc<T>, InjectError>,
    ) -> Option<Result<Arc<T>, InjectError>> {
        let cell = self.cell(place)?;
        if let Some(made) = cell.get() {
            return Some(Ok(made.read()));
        }
        let mut own = None;
        let made = cell.get_or_try_init(|| {
            let value = make()?;
            own = Some(Arc::clone(&value));
            // What this value is made of is in the list by now.
            let before = self.last.swap(place.index, AcqRel);
            Ok(Made { before, value: Box::new(value) })
        });
        Some(made.map(|made| own.unwrap_or_else(|| made.read())))
    }

    fn cell(&self, place: &Place) -> Option<&Cell> {
        let layout = place.layout.address();
        let is_own = self.layout.load(Relaxed) == layout || {
            let first = self.layout.compare_exchange(0, layout, Relaxed, Relaxed);
            first.map_or_else(|found| found == layout, |_| true)
        };
        if !is_own {
            return None;
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

impl Made {
    fn read<T: ?Sized + Send + Sync + 'static>(&self) -> Arc<T> {
        let value: Option<&Arc<T>> = self.value.downcast_ref();
        Arc::clone(value.expect("a place is of one type"))
    }
}
