use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use arc_swap::ArcSwap;
use framework_core::REQUEST_TARGET;
use tracing::{
    Metadata, Subscriber,
    level_filters::LevelFilter,
    span::{Attributes, Id, Record},
    subscriber::Interest,
};
use tracing_subscriber::{
    Layer,
    filter::{Directive, EnvFilter, Targets},
    layer::Context,
    registry::LookupSpan,
};

/// Decides what is logged, and can be changed while the process runs. Clones are one filter.
///
/// Rules about levels and targets are decided once for each place in the program that logs, so a
/// span costs no look at them. Only rules about spans and their values (`shop[request]=debug`) look
/// at each span, behind a lock.
#[derive(Clone, Debug)]
pub struct LogFilter {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    rules: ArcSwap<Rules>,
    // `rules` again as a flag, for the look at it that every span takes.
    follows_spans: AtomicBool,
    // Whether the spans of requests are made at once.
    shows_requests: AtomicBool,
}

#[derive(Debug)]
pub(super) enum Rules {
    Levels(Box<Targets>),
    Spans(Box<EnvFilter>),
}

// ===== impl Rules =====

impl Rules {
    /// Rules of these parts. What no part speaks of is logged if it is an error.
    pub(super) fn of(parts: &[&str], directives: Vec<Directive>) -> Self {
        Self::levels(parts).unwrap_or_else(|| {
            let none = EnvFilter::default();
            Self::Spans(Box::new(directives.into_iter().fold(none, EnvFilter::add_directive)))
        })
    }

    fn levels(parts: &[&str]) -> Option<Self> {
        let mut targets = Targets::new().with_default(LevelFilter::ERROR);
        for part in parts {
            if part.contains(['[', '{']) {
                return None;
            }
            let rules: Targets = part.parse().ok()?;
            if let Some(default) = rules.default_level() {
                targets = targets.with_default(default);
            }
            targets.extend(rules);
        }
        Some(Self::Levels(Box::new(targets)))
    }

    fn follow_spans(&self) -> bool {
        matches!(self, Self::Spans(_))
    }
}

// ===== impl LogFilter =====

impl LogFilter {
    pub(super) fn new(rules: Rules) -> Self {
        let follows_spans = AtomicBool::new(rules.follow_spans());
        let rules = ArcSwap::from_pointee(rules);
        let shows_requests = AtomicBool::new(false);
        Self { shared: Arc::new(Shared { rules, follows_spans, shows_requests }) }
    }

    /// Puts other rules in force, for every thread.
    pub(super) fn set(&self, rules: Rules) {
        let follows_spans = rules.follow_spans();
        self.shared.rules.store(Arc::new(rules));
        self.shared.follows_spans.store(follows_spans, Relaxed);
        // What was decided by the old rules is decided anew.
        tracing_core::callsite::rebuild_interest_cache();
    }

    /// Makes the span of a request at once, and not only if somebody asks for it.
    pub(super) fn show_requests(&self) {
        self.shared.shows_requests.store(true, Relaxed);
        tracing_core::callsite::rebuild_interest_cache();
    }

    /// Whether this is the span of a request that nobody has asked for.
    fn is_put_off(&self, metadata: &Metadata<'_>) -> bool {
        let Shared { follows_spans, shows_requests, .. } = &*self.shared;
        metadata.target() == REQUEST_TARGET
            && metadata.is_span()
            && !follows_spans.load(Relaxed)
            && !shows_requests.load(Relaxed)
    }

    /// Calls `tell` with the filter that follows spans, if there is one.
    fn with_spans(&self, tell: impl FnOnce(&EnvFilter)) {
        if self.shared.follows_spans.load(Relaxed)
            && let Rules::Spans(filter) = &**self.shared.rules.load()
        {
            tell(filter);
        }
    }
}

impl<S> Layer<S> for LogFilter
where
    S: Subscriber + for<'s> LookupSpan<'s>,
{
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.is_put_off(metadata) {
            return Interest::never();
        }
        match &**self.shared.rules.load() {
            Rules::Levels(targets) => Layer::<S>::register_callsite(&**targets, metadata),
            Rules::Spans(filter) => Layer::<S>::register_callsite(&**filter, metadata),
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, cx: Context<'_, S>) -> bool {
        if self.is_put_off(metadata) {
            return false;
        }
        match &**self.shared.rules.load() {
            Rules::Levels(targets) => Layer::enabled(&**targets, metadata, cx),
            Rules::Spans(filter) => Layer::enabled(&**filter, metadata, cx),
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        match &**self.shared.rules.load() {
            Rules::Levels(targets) => Layer::<S>::max_level_hint(&**targets),
            Rules::Spans(filter) => Layer::<S>::max_level_hint(&**filter),
        }
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, cx: Context<'_, S>) {
        self.with_spans(|filter| Layer::on_new_span(filter, attributes, id, cx));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, cx: Context<'_, S>) {
        self.with_spans(|filter| Layer::on_record(filter, id, values, cx));
    }

    fn on_enter(&self, id: &Id, cx: Context<'_, S>) {
        self.with_spans(|filter| Layer::on_enter(filter, id, cx));
    }

    fn on_exit(&self, id: &Id, cx: Context<'_, S>) {
        self.with_spans(|filter| Layer::on_exit(filter, id, cx));
    }

    fn on_close(&self, id: Id, cx: Context<'_, S>) {
        self.with_spans(|filter| Layer::on_close(filter, id, cx));
    }
}
