use framework_core::CurrentRequest;
use tracing::{
    Event, Metadata, Span, Subscriber,
    level_filters::LevelFilter,
    span::{Attributes, Id, Record},
    subscriber::Interest,
};
use tracing_core::span::Current as CurrentSpan;

/// The target of the spans that are made because somebody asks for one.
const ASKED_TARGET: &str = "framework::request::asked";

/// A subscriber for which the span of a request is made when somebody asks for it.
pub(super) struct SpansOnDemand<S>(pub(super) S);

impl<S: Subscriber> Subscriber for SpansOnDemand<S> {
    fn current_span(&self) -> CurrentSpan {
        let current = self.0.current_span();
        if current.id().is_some() {
            return current;
        }
        let asked = CurrentRequest::with(|request| {
            let span: &Span = request.attached(span_of);
            Some(CurrentSpan::new(span.id()?, span.metadata()?))
        });
        asked.flatten().unwrap_or(current)
    }

    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        self.0.register_callsite(metadata)
    }

    fn on_register_dispatch(&self, subscriber: &tracing::Dispatch) {
        self.0.on_register_dispatch(subscriber);
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.0.enabled(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        self.0.max_level_hint()
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.0.new_span(span)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        self.0.record(span, values);
    }

    fn record_follows_from(&self, span: &Id, follows: &Id) {
        self.0.record_follows_from(span, follows);
    }

    fn event_enabled(&self, event: &Event<'_>) -> bool {
        self.0.event_enabled(event)
    }

    fn event(&self, event: &Event<'_>) {
        self.0.event(event);
    }

    fn enter(&self, span: &Id) {
        self.0.enter(span);
    }

    fn exit(&self, span: &Id) {
        self.0.exit(span);
    }

    fn clone_span(&self, id: &Id) -> Id {
        self.0.clone_span(id)
    }

    fn try_close(&self, id: Id) -> bool {
        self.0.try_close(id)
    }
}

fn span_of(request: &CurrentRequest) -> Span {
    tracing::info_span!(
        target: ASKED_TARGET,
        parent: None,
        "request",
        method = request.method(),
        route = request.route(),
        request_id = request.id(),
    )
}
