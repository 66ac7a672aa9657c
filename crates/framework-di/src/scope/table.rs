use std::{
    any::Any,
    ops::{Deref, DerefMut},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

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
    // Where the layout is. The scope's context keeps it there: the recipe of each value has it.
    layout: usize,
    places: usize,
    cells: Cells,
    last: AtomicUsize,
}

/// Few cells are in the scope itself, which then allocates nothing but the values.
enum Cells {
    Few([Cell; FEW]),
    Many(Box<[Cell]>),
}

const FEW: usize = 4;

#[derive(Default)]
pub(crate) struct Cell {
    value: OnceLock<Made>,
    // Held while the value is made. A thread that waits here waits for a value that its own is
    // made of: the plan refuses cycles, so it does not wait for itself.
    making: Mutex<()>,
}

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
        let index = self.places.fetch_add(1, Ordering::Relaxed);
        Place { layout: Arc::clone(self), index }
    }

    pub(crate) fn table(self: &Arc<Self>) -> Table {
        let places = self.places.load(Ordering::Relaxed);
        let cells = match places {
            0..=FEW => Cells::Few(Default::default()),
            many => Cells::Many(std::iter::repeat_with(Cell::default).take(many).collect()),
        };
        Table { layout: self.address(), places, cells, last: AtomicUsize::new(NONE) }
    }

    fn address(self: &Arc<Self>) -> usize {
        Arc::as_ptr(self).addr()
    }
}

impl Deref for Cells {
    type Target = [Cell];

    fn deref(&self) -> &[Cell] {
        match self {
            Self::Few(cells) => cells,
            Self::Many(cells) => cells,
        }
    }
}

impl DerefMut for Cells {
    fn deref_mut(&mut self) -> &mut [Cell] {
        match self {
            Self::Few(cells) => cells,
            Self::Many(cells) => cells,
        }
    }
}

// ===== impl Place =====

impl Place {
    pub(crate) fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }
}

// ===== impl Table =====

impl Table {
    /// The cell of a place, if the place is of the same application.
    pub(crate) fn cell(&self, place: &Place) -> Option<(usize, &Cell)> {
        let known = place.index < self.places && self.layout == place.layout.address();
        self.cells.get(place.index).filter(|_| known).map(|cell| (place.index, cell))
    }

    pub(crate) fn get_or_make<T: ?Sized + Send + Sync + 'static>(
        &self,
        (index, cell): (usize, &Cell),
        make: impl FnOnce() -> Result<Arc<T>, InjectError>,
    ) -> Result<Arc<T>, InjectError> {
        if let Some(made) = cell.value.get() {
            return Ok(made.read());
        }
        let _making = cell.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = cell.value.get() {
            return Ok(made.read());
        }
        let value = make()?;
        let kept: Box<dyn Any + Send + Sync> = Box::new(Arc::clone(&value));
        // What this value is made of is in the list by now.
        let before = self.last.swap(index, Ordering::AcqRel);
        cell.value.get_or_init(|| Made { before, value: kept });
        Ok(value)
    }

    /// How many values have been made.
    pub(crate) fn made(&self) -> usize {
        self.cells.iter().filter(|cell| cell.value.get().is_some()).count()
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        let mut next = *self.last.get_mut();
        while let Some(made) = self.cells.get_mut(next).and_then(|cell| cell.value.take()) {
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
