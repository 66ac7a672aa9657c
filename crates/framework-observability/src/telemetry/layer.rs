use std::io::Write;

use framework_core::CurrentRequest;
use tracing::{
    Event, Level, Subscriber,
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer,
    fmt::{
        MakeWriter,
        format::Writer,
        time::{FormatTime, SystemTime},
    },
    layer::Context,
    registry::{LookupSpan, Scope},
};

use super::{json, pretty, values::Values};

/// Writes each event as one line, with the values of the spans around it.
pub(super) struct LineLayer<W> {
    writer: W,
    look: Look,
}

/// What lines look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Json,
    Pretty { colour: bool },
}

/// What a line is made of.
pub(super) struct Line {
    pub(super) time: String,
    pub(super) level: Level,
    /// Several processes may write to one log: the workers of a cluster do.
    pub(super) pid: u32,
    pub(super) target: &'static str,
    pub(super) message: String,
    pub(super) values: Values,
    /// The names and values of the spans around the event, the outermost first.
    pub(super) spans: Vec<(&'static str, Values)>,
}

/// The request that a span began in.
struct Of(CurrentRequest);

impl<W> LineLayer<W> {
    pub(super) fn new(look: Look, writer: W) -> Self {
        Self { writer, look }
    }
}

impl<S, W> Layer<S> for LineLayer<W>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    W: for<'w> MakeWriter<'w> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, cx: Context<'_, S>) {
        let Some(span) = cx.span(id) else { return };
        let mut values = Values::with_capacity(attributes.fields().len());
        attributes.record(&mut values);
        let mut extensions = span.extensions_mut();
        extensions.insert(values);
        if span.parent().is_none()
            && let Some(request) = CurrentRequest::with(|request| request.copy())
        {
            extensions.insert(Of(request));
        }
    }

    fn on_record(&self, id: &Id, record: &Record<'_>, cx: Context<'_, S>) {
        let Some(span) = cx.span(id) else { return };
        // A value may panic when it is to be shown, and the line about that needs the lock.
        let Some(mut values) = span.extensions().get::<Values>().cloned() else { return };
        record.record(&mut values);
        span.extensions_mut().replace(values);
    }

    fn on_event(&self, event: &Event<'_>, cx: Context<'_, S>) {
        let line = line(event, &cx);
        let text = match self.look {
            Look::Json => json::render(line),
            Look::Pretty { colour } => pretty::render(&line, colour),
        };
        // The writer counts what it cannot write; there is nowhere else to complain.
        let _ = self.writer.make_writer_for(event.metadata()).write_all(&text);
    }
}

fn line<S>(event: &Event<'_>, cx: &Context<'_, S>) -> Line
where
    S: Subscriber + for<'s> LookupSpan<'s>,
{
    let mut spans = Vec::new();
    for span in cx.event_scope(event).into_iter().flat_map(Scope::from_root) {
        let extensions = span.extensions();
        if spans.is_empty()
            && let Some(Of(request)) = extensions.get()
        {
            spans.push(("request", Values::text(&request.fields())));
        }
        let values = extensions.get::<Values>().cloned().unwrap_or_default();
        spans.push((span.name(), values));
    }
    if spans.is_empty()
        && let Some(request) = CurrentRequest::with(|request| Values::text(&request.fields()))
    {
        spans.push(("request", request));
    }
    let mut values = Values::default();
    event.record(&mut values);
    let metadata = event.metadata();
    Line {
        time: now(),
        level: *metadata.level(),
        pid: std::process::id(),
        target: metadata.target(),
        message: values.take_text("message").unwrap_or_default(),
        values,
        spans,
    }
}

/// The time in UTC as RFC 3339 has it, in microseconds.
fn now() -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = SystemTime.format_time(&mut Writer::new(&mut text));
    text
}
