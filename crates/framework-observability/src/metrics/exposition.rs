use std::fmt::{self, Write};

use prometheus::proto::{Metric, MetricFamily, MetricType};

/// The metrics of an application, written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposition {
    /// What to answer as `Content-Type`.
    pub content_type: &'static str,
    /// The metrics.
    pub text: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Text,
    OpenMetrics,
}

// The encoder of the `prometheus` crate knows no OpenMetrics; both formats come from one place, so
// that they cannot differ in more than they must.
pub(super) fn render(families: &[MetricFamily], accept: Option<&str>) -> Exposition {
    let format = Format::negotiate(accept);
    let mut text = String::with_capacity(16 * 1024);
    // Writing to a string cannot fail.
    let _ = write_all(&mut text, families, format);
    Exposition { content_type: format.content_type(), text }
}

impl Format {
    /// `OpenMetrics` if it is asked for, and not less wanted than the text format.
    fn negotiate(accept: Option<&str>) -> Self {
        let wanted = |media| accept.and_then(|accept| quality(accept, media));
        let open = wanted("application/openmetrics-text").unwrap_or(0.0);
        let text = wanted("text/plain").unwrap_or(0.0);
        if open > 0.0 && open >= text { Self::OpenMetrics } else { Self::Text }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// How much a media type is wanted, 0 to 1; 1 unless an `Accept` header says otherwise.
fn quality(accept: &str, media: &str) -> Option<f32> {
    accept.split(',').find_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let named = parts.next()?.eq_ignore_ascii_case(media);
        let mut quality = || parts.find_map(|part| part.strip_prefix("q=")?.parse().ok());
        named.then(|| quality().unwrap_or(1.0))
    })
}

fn write_all(out: &mut String, families: &[MetricFamily], format: Format) -> fmt::Result {
    for family in families {
        write_family(out, family, format)?;
    }
    match format {
        Format::Text => Ok(()),
        Format::OpenMetrics => out.write_str("# EOF\n"),
    }
}

fn write_family(out: &mut String, family: &MetricFamily, format: Format) -> fmt::Result {
    let name = family.name();
    let kind = family.get_field_type();
    // In OpenMetrics `_total` belongs to the sample, and not to the family.
    let titled = match (format, kind) {
        (Format::OpenMetrics, MetricType::COUNTER) => name.strip_suffix("_total").unwrap_or(name),
        _ => name,
    };
    writeln!(out, "# HELP {titled} {}", Escaped(family.help(), false))?;
    writeln!(out, "# TYPE {titled} {}", kind_name(kind, format))?;
    for metric in family.get_metric() {
        match kind {
            MetricType::COUNTER => {
                sample(out, name, metric, None, metric.get_counter().get_value())?;
            }
            MetricType::GAUGE => sample(out, name, metric, None, metric.get_gauge().get_value())?,
            MetricType::HISTOGRAM => write_histogram(out, name, metric)?,
            // Nothing here makes these.
            MetricType::SUMMARY | MetricType::UNTYPED => {}
        }
    }
    Ok(())
}

fn write_histogram(out: &mut String, name: &str, metric: &Metric) -> fmt::Result {
    let histogram = metric.get_histogram();
    let count = histogram.get_sample_count() as f64;
    let bucket = format!("{name}_bucket");
    for one in histogram.get_bucket().iter().filter(|one| one.upper_bound().is_finite()) {
        sample(out, &bucket, metric, Some(one.upper_bound()), one.cumulative_count() as f64)?;
    }
    sample(out, &bucket, metric, Some(f64::INFINITY), count)?;
    sample(out, &format!("{name}_sum"), metric, None, histogram.get_sample_sum())?;
    sample(out, &format!("{name}_count"), metric, None, count)
}

fn sample(
    out: &mut String,
    name: &str,
    metric: &Metric,
    le: Option<f64>,
    value: f64,
) -> fmt::Result {
    out.write_str(name)?;
    let mut separator = '{';
    for label in metric.get_label() {
        write!(out, "{separator}{}=\"{}\"", label.name(), Escaped(label.value(), true))?;
        separator = ',';
    }
    if let Some(bound) = le {
        write!(out, "{separator}le=\"{}\"", Bound(bound))?;
        separator = ',';
    }
    let end = if separator == '{' { "" } else { "}" };
    writeln!(out, "{end} {}", Number(value))
}

fn kind_name(kind: MetricType, format: Format) -> &'static str {
    match kind {
        MetricType::COUNTER => "counter",
        MetricType::GAUGE => "gauge",
        MetricType::HISTOGRAM => "histogram",
        MetricType::SUMMARY => "summary",
        MetricType::UNTYPED if format == Format::Text => "untyped",
        MetricType::UNTYPED => "unknown",
    }
}

/// A value as both formats spell it.
struct Number(f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            value if value.is_finite() => write!(f, "{value}"),
            value if value.is_nan() => f.write_str("NaN"),
            value if value > 0.0 => f.write_str("+Inf"),
            _ => f.write_str("-Inf"),
        }
    }
}

/// A bucket's bound, which `OpenMetrics` wants with a point; the text format takes that as well.
struct Bound(f64);

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bound if bound.is_finite() => write!(f, "{bound:?}"),
            bound => Number(bound).fmt(f),
        }
    }
}

/// Text with its backslashes and line feeds escaped, and for labels its quotes.
struct Escaped<'t>(&'t str, bool);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '"' if self.1 => f.write_str("\\\"")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}
