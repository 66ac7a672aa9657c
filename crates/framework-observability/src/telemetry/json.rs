use std::{fmt, io::Write};

use serde_json::{Map, Value};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
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
    registry::{LookupSpan, Scope, SpanRef},
};

/// Writes each event as one line of JSON.
///
/// `timestamp`, `level`, `target`, `message`, the event's own values under `fields`, the names of
/// the spans around it under `span` (`request:query`), and beside them the values of those spans:
/// `request_id`, `module`. Of two spans with one value the inner one counts; a value whose name is
/// taken stands under `span.` and its name.
///
/// The formatter of `tracing-subscriber` nests the values of each span in a list, where a search
/// for a request's id does not find them.
pub(super) struct JsonLines<W> {
    writer: W,
}

const RESERVED: [&str; 6] = ["timestamp", "level", "target", "message", "fields", "span"];

/// The values of one span, kept with it.
#[derive(Default)]
struct Values(Map<String, Value>);

impl<W> JsonLines<W> {
    pub(super) fn new(writer: W) -> Self {
        Self { writer }
    }
}

impl<S, W> Layer<S> for JsonLines<W>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    W: for<'w> MakeWriter<'w> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, cx: Context<'_, S>) {
        let Some(span) = cx.span(id) else { return };
        let mut values = Values::default();
        attributes.record(&mut values);
        span.extensions_mut().insert(values);
    }

    fn on_record(&self, id: &Id, record: &Record<'_>, cx: Context<'_, S>) {
        let Some(span) = cx.span(id) else { return };
        if let Some(values) = span.extensions_mut().get_mut::<Values>() {
            record.record(values);
        }
    }

    fn on_event(&self, event: &Event<'_>, cx: Context<'_, S>) {
        let mut line = Map::new();
        let scope = cx.event_scope(event).into_iter().flat_map(Scope::from_root);
        let mut path = String::new();
        for span in scope {
            add_span(&mut line, &mut path, &span);
        }
        if !path.is_empty() {
            line.insert("span".to_owned(), path.into());
        }
        add_event(&mut line, event);
        let Ok(mut text) = serde_json::to_vec(&line) else { return };
        text.push(b'\n');
        // The writer counts what it cannot write; there is nowhere else to complain.
        let _ = self.writer.make_writer_for(event.metadata()).write_all(&text);
    }
}

fn add_span<'s, R: LookupSpan<'s>>(
    line: &mut Map<String, Value>,
    path: &mut String,
    span: &SpanRef<'s, R>,
) {
    if !path.is_empty() {
        path.push(':');
    }
    path.push_str(span.name());
    let extensions = span.extensions();
    let Some(values) = extensions.get::<Values>() else { return };
    for (name, value) in &values.0 {
        let name = match RESERVED.contains(&name.as_str()) {
            true => format!("span.{name}"),
            false => name.clone(),
        };
        line.insert(name, value.clone());
    }
}

fn add_event(line: &mut Map<String, Value>, event: &Event<'_>) {
    let mut values = Values::default();
    event.record(&mut values);
    let Values(mut fields) = values;
    let meta = event.metadata();
    line.insert("timestamp".to_owned(), now().into());
    line.insert("level".to_owned(), meta.level().as_str().into());
    line.insert("target".to_owned(), meta.target().into());
    let message = fields.remove("message").unwrap_or_else(|| "".into());
    line.insert("message".to_owned(), message);
    if !fields.is_empty() {
        line.insert("fields".to_owned(), Value::Object(fields));
    }
}

/// The time in UTC as RFC 3339 has it, in microseconds.
fn now() -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = SystemTime.format_time(&mut Writer::new(&mut text));
    text
}

impl Values {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        // A raw identifier's `r#` is Rust's business.
        let name = field.name().trim_start_matches("r#");
        self.0.insert(name.to_owned(), value.into());
    }
}

impl Visit for Values {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no word for what is not a number.
        match value.is_finite() {
            true => self.put(field, value),
            false => self.put(field, value.to_string()),
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let chain = std::iter::successors(Some(value), |error| error.source());
        let texts: Vec<_> = chain.map(ToString::to_string).collect();
        self.put(field, texts.join(": "));
    }
}
