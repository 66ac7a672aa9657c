use std::{
    collections::{HashSet, hash_map::RandomState},
    fmt,
    hash::BuildHasher,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use prometheus::core::{MetricVec, MetricVecBuilder};

/// A metric of one name: a series for each combination of its labels' values.
///
/// Take the series once and keep it, where you can: finding one takes a lock, counting does not.
#[derive(Clone)]
pub struct Family<M> {
    find: Find<M>,
    known: Arc<Known>,
}

type Find<M> = Arc<dyn Fn(&[&str]) -> M + Send + Sync>;

/// Which series a family has.
struct Known {
    labels: usize,
    hasher: RandomState,
    seen: Mutex<HashSet<u64>>,
}

/// A series that only grows.
#[derive(Clone)]
pub struct Counter(pub(super) prometheus::IntCounter);

/// A series that goes up and down.
#[derive(Clone)]
pub struct Gauge(pub(super) prometheus::Gauge);

/// A series of how values spread.
#[derive(Clone)]
pub struct Histogram(pub(super) prometheus::Histogram);

/// Why a metric cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetricError {
    /// There is a metric of this name already.
    #[error("the metric `{name}` is there already")]
    Taken {
        /// The full name.
        name: String,
    },
    /// The name is not one.
    #[error("`{name}` is not a metric's name: write it in `snake_case`")]
    Name {
        /// What was given.
        name: String,
    },
    /// A counter's name does not say that it counts.
    #[error("`{name}` only grows, so its name ends in `_total`")]
    Counter {
        /// What was given.
        name: String,
    },
    /// A label is not one, is named twice, or is taken by the format.
    #[error(
        "`{label}` cannot be a label of `{name}`: write each once, in `snake_case`, and not `le`"
    )]
    Label {
        /// The metric.
        name: String,
        /// The label.
        label: String,
    },
    /// The bounds of the buckets do not rise.
    #[error("the buckets of `{name}` do not rise from one number to the next")]
    Buckets {
        /// The metric.
        name: String,
    },
}

/// What stands in each label of the series that takes what a family has no room for.
const OVERFLOW: &str = "_other";

// ===== impl Family =====

impl<M: 'static> Family<M> {
    /// The series of `vec`, each as `wrap` makes it.
    pub(super) fn of<B>(labels: usize, vec: MetricVec<B>, wrap: fn(B::M) -> M) -> Self
    where
        B: MetricVecBuilder + 'static,
    {
        let find = move |values: &[&str]| wrap(vec.with_label_values(values));
        let (hasher, seen) = (RandomState::new(), Mutex::default());
        Self { find: Arc::new(find), known: Arc::new(Known { labels, hasher, seen }) }
    }

    /// The most series a family has. Whatever comes after shares one whose labels all say
    /// `_other`: a label with unbounded values, such as an id, costs memory here and in every
    /// database of metrics.
    pub const MAX_SERIES: usize = 1000;

    /// The series of these values, one for each label, in the order in which the labels were named.
    ///
    /// # Panics
    ///
    /// Panics when there are more or fewer values than labels.
    #[must_use]
    #[track_caller]
    pub fn with(&self, values: &[&str]) -> M {
        let labels = self.known.labels;
        assert!(values.len() == labels, "{labels} labels, but {} values", values.len());
        if self.known.admits(values) {
            return (self.find)(values);
        }
        (self.find)(&vec![OVERFLOW; labels])
    }
}

impl Known {
    fn admits(&self, values: &[&str]) -> bool {
        let hash = self.hasher.hash_one(values);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.contains(&hash) || (seen.len() < Family::<()>::MAX_SERIES && seen.insert(hash))
    }
}

pub(super) fn check_name(name: &str) -> Result<(), MetricError> {
    match is_snake_case(name) {
        true => Ok(()),
        false => Err(MetricError::Name { name: name.to_owned() }),
    }
}

pub(super) fn check_labels(name: &str, labels: &[&str]) -> Result<(), MetricError> {
    for (n, label) in labels.iter().enumerate() {
        if !is_snake_case(label) || *label == "le" || labels[..n].contains(label) {
            return Err(MetricError::Label { name: name.to_owned(), label: (*label).to_owned() });
        }
    }
    Ok(())
}

pub(super) fn check_buckets(name: &str, buckets: &[f64]) -> Result<(), MetricError> {
    let rising = buckets.windows(2).all(|pair| pair[0] < pair[1]);
    match !buckets.is_empty() && rising && buckets.iter().all(|bound| bound.is_finite()) {
        true => Ok(()),
        false => Err(MetricError::Buckets { name: name.to_owned() }),
    }
}

fn is_snake_case(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

// ===== impl Counter, Gauge, Histogram =====

impl Counter {
    /// Adds one.
    pub fn inc(&self) {
        self.0.inc();
    }

    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.inc_by(n);
    }

    /// What it has come to.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.get()
    }
}

impl Gauge {
    /// Sets it to `value`.
    pub fn set(&self, value: f64) {
        self.0.set(value);
    }

    /// Adds `change`, which may be negative.
    pub fn add(&self, change: f64) {
        self.0.add(change);
    }

    /// What it stands at.
    #[must_use]
    pub fn get(&self) -> f64 {
        self.0.get()
    }
}

impl Histogram {
    /// Takes in a value.
    pub fn observe(&self, value: f64) {
        self.0.observe(value);
    }

    /// Takes in a duration, in seconds.
    pub fn observe_duration(&self, duration: Duration) {
        self.observe(duration.as_secs_f64());
    }

    /// How many values it has taken in.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.get_sample_count()
    }
}

impl<M> fmt::Debug for Family<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Family").field("labels", &self.known.labels).finish_non_exhaustive()
    }
}

impl fmt::Debug for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Counter").field(&self.get()).finish()
    }
}

impl fmt::Debug for Gauge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Gauge").field(&self.get()).finish()
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Histogram").field(&self.count()).finish()
    }
}
