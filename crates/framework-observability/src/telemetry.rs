//! Logs: where they go, how they look, and how much of them there is.

mod filter;
mod json;
mod layer;
mod level;
#[cfg(test)]
mod lines;
mod output;
mod panics;
mod pretty;
mod settings;
mod subscriber;
mod values;

use std::{
    fmt,
    io::{self, IsTerminal},
    path::PathBuf,
};

use tracing::Dispatch;
use tracing_subscriber::{
    Layer, Registry,
    fmt::MakeWriter,
    layer::{Layered, SubscriberExt},
};

#[cfg(test)]
pub(crate) use self::lines::Lines;
pub use self::{
    filter::LogFilter,
    level::{LogLevel, LogLevelError},
    output::LogOutput,
    settings::{LogFormat, LogSettings, TelemetrySettings},
};
use self::{
    layer::{LineLayer, Look},
    panics::tell_of_panics,
    subscriber::SpansOnDemand,
};

/// The subscriber below every layer that writes or exports: it holds the spans and the filter.
pub type Filtered = Layered<LogFilter, Registry>;

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
    filter: LogFilter,
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
        let filter = LogFilter::new(level::parse(level)?);
        let look = match format {
            LogFormat::Json => Look::Json,
            LogFormat::Auto | LogFormat::Pretty => Look::Pretty { colour },
        };
        let lines: BoxLayer = LineLayer::new(look, writer).boxed();
        Ok(Self {
            base: tracing_subscriber::registry().with(filter.clone()),
            filter: filter.clone(),
            layers: vec![lines],
            level: LogLevel::of(level, filter),
            output: None,
        })
    }

    /// Adds a layer, which gets every span and event that passes the filter.
    pub fn layer(mut self, layer: BoxLayer) -> Self {
        self.filter.show_requests();
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
        let alone = self.layers.len() == 1;
        let subscriber = self.base.with(self.layers);
        // A layer of somebody else's wants to see the spans themselves, from the beginning.
        if alone { Dispatch::new(SpansOnDemand(subscriber)) } else { Dispatch::new(subscriber) }
    }

    /// Makes this the process's way to log. Panics are logged too from now on, with their place and,
    /// where `RUST_BACKTRACE` asks for it, the way there; by the hook that was there before only
    /// where nothing is logged.
    ///
    /// # Errors
    ///
    /// When the process has one already.
    pub fn install(self) -> Result<TelemetryGuard, TelemetryError> {
        let guard = TelemetryGuard { level: self.level.clone(), output: self.output.clone() };
        tracing::dispatcher::set_global_default(self.dispatch())
            .map_err(|_| TelemetryError::Installed)?;
        tell_of_panics();
        Ok(guard)
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

    /// Opens the log file anew, after something moved the old one away: afterwards nobody writes to
    /// that one. Without a log file this does nothing.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened, and lines go on into the old one; or when a line takes
    /// longer than five seconds to be written there.
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
