//! Logs: where they go, how they look, and how much of them there is.

mod json;
mod level;
#[cfg(test)]
mod lines;
mod output;
mod settings;

use std::{
    fmt,
    io::{self, IsTerminal},
    path::PathBuf,
};

use tracing::{Dispatch, Subscriber};
use tracing_subscriber::{
    Layer, Registry,
    filter::EnvFilter,
    fmt::{MakeWriter, layer},
    layer::{Layered, SubscriberExt},
    reload,
};

use self::json::JsonLines;
#[cfg(test)]
pub(crate) use self::lines::Lines;
pub use self::{
    level::{LogLevel, LogLevelError},
    output::LogOutput,
    settings::{LogFormat, LogSettings, TelemetrySettings},
};

/// The subscriber below every layer that writes or exports: it holds the spans and the filter.
pub type Filtered = Layered<reload::Layer<EnvFilter, Registry>, Registry>;

/// A layer that can be added to [`Telemetry`], for instance one that exports traces.
pub type BoxLayer = Box<dyn Layer<Filtered> + Send + Sync>;

/// The logs of a process, put together and not yet in force.
///
/// Only the binary calls [`install`](Self::install), once. Tests take a
/// [`dispatch`](Self::dispatch) for their own thread, so that no test sees the lines of another.
///
/// # Examples
///
/// ```
/// use framework_observability::{LogSettings, LogFormat, Telemetry, TelemetrySettings};
///
/// let log = LogSettings { format: LogFormat::Json, ..LogSettings::default() };
/// let telemetry = Telemetry::to_writer(&TelemetrySettings { log }, std::io::sink)?;
/// let level = telemetry.level();
/// tracing::dispatcher::with_default(&telemetry.dispatch(), || {
///     tracing::info!(products = 3, "warmed up");
///     level.set("debug").unwrap();
///     tracing::debug!("and now this, too");
/// });
/// # Ok::<(), framework_observability::TelemetryError>(())
/// ```
#[must_use = "nothing is logged before `install` or `dispatch`"]
pub struct Telemetry {
    base: Filtered,
    layers: Vec<BoxLayer>,
    level: LogLevel,
    output: Option<LogOutput>,
}

/// What stays of [`Telemetry`] once it is in force.
#[derive(Clone, Debug)]
pub struct TelemetryGuard {
    level: LogLevel,
    output: Option<LogOutput>,
}

/// Why there is nothing to log with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// The filter cannot be understood.
    #[error("cannot log")]
    Level(#[from] LogLevelError),
    /// The log file cannot be opened for writing.
    #[error("cannot open the log file `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The process logs through another subscriber already.
    #[error("this process logs already: telemetry can be installed once")]
    Installed,
}

// ===== impl Telemetry =====

impl Telemetry {
    /// Logs to `log.file`, or to standard error without one. A terminal gets colour, unless
    /// `NO_COLOR` is set.
    ///
    /// # Errors
    ///
    /// When the filter cannot be understood, or the log file cannot be opened.
    pub fn new(settings: &TelemetrySettings) -> Result<Self, TelemetryError> {
        let log = &settings.log;
        let output = match &log.file {
            Some(path) => LogOutput::file(path.clone())
                .map_err(|source| TelemetryError::File { path: path.clone(), source })?,
            None => LogOutput::stderr(),
        };
        let terminal = log.file.is_none() && io::stderr().is_terminal();
        let colour = terminal && !no_colour(std::env::var_os("NO_COLOR").as_deref());
        let format = log.format.or(terminal);
        let mut telemetry = Self::formatted(&log.level, format, colour, output.clone())?;
        telemetry.output = Some(output);
        Ok(telemetry)
    }

    /// Logs to `writer`, without colour; `log.file` does not count.
    ///
    /// # Errors
    ///
    /// When the filter cannot be understood.
    pub fn to_writer<W>(settings: &TelemetrySettings, writer: W) -> Result<Self, TelemetryError>
    where
        W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
    {
        let log = &settings.log;
        Self::formatted(&log.level, log.format.or(false), false, writer)
    }

    fn formatted<W>(
        level: &str,
        format: LogFormat,
        colour: bool,
        writer: W,
    ) -> Result<Self, TelemetryError>
    where
        W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
    {
        let (filter, handle) = reload::Layer::new(level::parse(level)?);
        let lines: BoxLayer = match format {
            LogFormat::Json => JsonLines::new(writer).boxed(),
            // An error while writing a line must not become a panic on a closed standard error.
            LogFormat::Auto | LogFormat::Pretty => {
                layer().with_ansi(colour).with_writer(writer).log_internal_errors(false).boxed()
            }
        };
        Ok(Self {
            base: tracing_subscriber::registry().with(filter),
            layers: vec![lines],
            level: LogLevel::of(level, handle),
            output: None,
        })
    }

    /// Adds a layer, which gets every span and event that passes the filter.
    pub fn layer(mut self, layer: BoxLayer) -> Self {
        self.layers.push(layer);
        self
    }

    /// The handle that shows and changes how much is logged.
    #[must_use]
    pub fn level(&self) -> LogLevel {
        self.level.clone()
    }

    /// Gives what [`tracing::dispatcher::with_default`] takes, and leaves the process alone.
    #[must_use]
    pub fn dispatch(self) -> Dispatch {
        Dispatch::new(self.into_subscriber())
    }

    /// Makes this the process's way to log.
    ///
    /// # Errors
    ///
    /// When the process has one already.
    pub fn install(self) -> Result<TelemetryGuard, TelemetryError> {
        let guard = TelemetryGuard { level: self.level.clone(), output: self.output.clone() };
        tracing::subscriber::set_global_default(self.into_subscriber())
            .map_err(|_| TelemetryError::Installed)?;
        Ok(guard)
    }

    fn into_subscriber(self) -> impl Subscriber + Send + Sync {
        self.base.with(self.layers)
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry")
            .field("level", &self.level)
            .field("output", &self.output)
            .field("layers", &self.layers.len())
            .finish()
    }
}

// ===== impl TelemetryGuard =====

impl TelemetryGuard {
    /// The handle that shows and changes how much is logged.
    #[must_use]
    pub fn level(&self) -> LogLevel {
        self.level.clone()
    }

    /// Opens the log file anew, after something moved the old one away. Without a log file this
    /// does nothing.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened; lines go on into the old one.
    pub fn reopen(&self) -> io::Result<()> {
        self.output.as_ref().map_or(Ok(()), LogOutput::reopen)
    }

    /// How many lines could not be written: the disk was full, or the other end of a pipe closed.
    #[must_use]
    pub fn lost_lines(&self) -> u64 {
        self.output.as_ref().map_or(0, LogOutput::lost_lines)
    }
}

/// The convention of no-color.org: set and not empty.
fn no_colour(variable: Option<&std::ffi::OsStr>) -> bool {
    variable.is_some_and(|value| !value.is_empty())
}

#[cfg(test)]
mod tests;
