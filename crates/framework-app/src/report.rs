use std::{fmt, fmt::Write as _, sync::Arc, time::Duration};

use framework_core::{Stage, Startup};
use serde_json::json;
use tokio::time::Instant;

use crate::budgets::text;

/// Where the time of a start went.
///
/// Its `Display` form is for people: the whole, the critical path and what shortening each of its
/// modules would save, then each module with its time.
#[derive(Clone, Debug)]
pub struct StartReport {
    pub(crate) took: Duration,
    pub(crate) modules: Vec<ModuleStart>,
}

/// How one module started.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ModuleStart {
    /// The module.
    pub name: &'static str,
    /// The modules that it waited for, by position in this report.
    pub waited_for: Vec<usize>,
    /// When it began, from the begin of the whole start; `None` if it never did.
    pub began: Option<Duration>,
    /// How long it took; zero if it did not come to its end.
    pub took: Duration,
    /// Each piece of its code: what kind, its name, when it began, how long it took.
    pub steps: Vec<(Stage, Arc<str>, Duration, Duration)>,
}

/// What is noted while a module starts.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    began: Option<Instant>,
    ended: Option<Instant>,
    steps: Vec<(Stage, Arc<str>, Instant, Duration)>,
}

impl Timeline {
    pub(crate) fn begin(&mut self) {
        self.began = Some(Instant::now());
    }

    pub(crate) fn end(&mut self) {
        self.ended = Some(Instant::now());
    }

    /// Notes a piece of code that has just ended, while the module is starting.
    pub(crate) fn step(&mut self, stage: Stage, unit: &Arc<str>, begun: Instant) {
        if self.ended.is_none() {
            self.steps.push((stage, Arc::clone(unit), begun, begun.elapsed()));
        }
    }

    pub(crate) fn report(
        &self,
        name: &'static str,
        waited_for: Vec<usize>,
        origin: Instant,
    ) -> ModuleStart {
        let since = |at: Instant| at.saturating_duration_since(origin);
        let steps = self
            .steps
            .iter()
            .map(|(stage, unit, begun, took)| (*stage, Arc::clone(unit), since(*begun), *took));
        let steps = steps.collect();
        let took = match (self.began, self.ended) {
            (Some(began), Some(ended)) => ended - began,
            _ => Duration::ZERO,
        };
        ModuleStart { name, waited_for, began: self.began.map(since), took, steps }
    }
}

impl StartReport {
    /// How long the whole start took.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.took
    }

    /// The modules, in start order.
    #[must_use]
    pub fn modules(&self) -> &[ModuleStart] {
        &self.modules
    }

    /// The chain of modules whose times add up to the whole: each but the first waited last for the
    /// one before it.
    #[must_use]
    pub fn critical_path(&self) -> Vec<&ModuleStart> {
        let end = |module: &ModuleStart| module.began.map_or(Duration::ZERO, |at| at + module.took);
        let mut at = self.modules.iter().max_by_key(|module| end(module));
        let mut path = Vec::new();
        while let Some(module) = at {
            path.push(module);
            let before = module.waited_for.iter().map(|&before| &self.modules[before]);
            at = before.max_by_key(|module| end(module));
        }
        path.reverse();
        path
    }

    /// How much shorter the start would have been if the module called `name` had taken no time,
    /// with everything else as it was.
    #[must_use]
    pub fn saving(&self, name: &str) -> Duration {
        self.makespan(None).saturating_sub(self.makespan(Some(name)))
    }

    /// The length of the longest path, with one module free of charge.
    fn makespan(&self, free: Option<&str>) -> Duration {
        let mut ends: Vec<Duration> = Vec::with_capacity(self.modules.len());
        for module in &self.modules {
            let ready = module.waited_for.iter().map(|&before| ends[before]).max();
            let took = if free == Some(module.name) { Duration::ZERO } else { module.took };
            ends.push(ready.unwrap_or_default() + took);
        }
        ends.into_iter().max().unwrap_or_default()
    }

    /// The start as a trace in the Chrome trace-event format, which <https://ui.perfetto.dev>
    /// opens: one track a module, one slice a piece of code.
    #[must_use]
    pub fn to_perfetto(&self) -> String {
        let micros = |time: Duration| time.as_nanos() as f64 / 1000.0;
        let slice = |track: usize, name: &str, kind: &str, at: Duration, took: Duration| {
            json!({
                "name": name, "cat": kind, "ph": "X", "pid": 1, "tid": track,
                "ts": micros(at), "dur": micros(took),
            })
        };
        let mut events = Vec::new();
        for (n, module) in self.modules.iter().enumerate() {
            let track = n + 1;
            let name = json!({ "name": module.name });
            events.push(
                json!({ "name": "thread_name", "ph": "M", "pid": 1, "tid": track, "args": name }),
            );
            let Some(began) = module.began else { continue };
            events.push(slice(track, module.name, "module", began, module.took));
            for (stage, unit, at, took) in &module.steps {
                events.push(slice(track, unit, stage.as_str(), *at, *took));
            }
        }
        json!({ "displayTimeUnit": "ms", "traceEvents": events }).to_string()
    }
}

/// For those who show the report and do not name this crate.
impl Startup for StartReport {
    fn took(&self) -> Duration {
        self.took
    }

    /// Times are in milliseconds from the begin of the start; `saving_ms` is how much shorter it
    /// would have been if the module had taken no time.
    fn to_json(&self) -> String {
        let millis = |time: Duration| time.as_secs_f64() * 1000.0;
        let name = |module: &ModuleStart| module.name;
        let modules = self.modules.iter().map(|module| {
            let waited_for = module.waited_for.iter().map(|&at| self.modules[at].name);
            let steps = module.steps.iter().map(|(stage, unit, began, took)| {
                json!({
                    "stage": stage.as_str(), "unit": &**unit,
                    "began_ms": millis(*began), "took_ms": millis(*took),
                })
            });
            json!({
                "name": module.name,
                "waited_for": waited_for.collect::<Vec<_>>(),
                "began_ms": module.began.map(millis),
                "took_ms": millis(module.took),
                "saving_ms": millis(self.saving(module.name)),
                "steps": steps.collect::<Vec<_>>(),
            })
        });
        let modules: Vec<_> = modules.collect();
        json!({
            "took_ms": millis(self.took),
            "critical_path": self.critical_path().into_iter().map(name).collect::<Vec<_>>(),
            "modules": modules,
        })
        .to_string()
    }

    fn to_trace(&self) -> String {
        self.to_perfetto()
    }
}

impl fmt::Display for StartReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "started {} modules in {}", self.modules.len(), text(self.took))?;
        let path = self.critical_path();
        let mut line = String::new();
        for (n, module) in path.iter().enumerate() {
            let lead = if n == 0 { "" } else { " -> " };
            let _ = write!(line, "{lead}{} {}", module.name, text(module.took));
        }
        writeln!(f, "critical path {}: {line}", text(self.makespan(None)))?;
        let mut slowest: Vec<_> = self.modules.iter().collect();
        slowest.sort_by_key(|module| std::cmp::Reverse(module.took));
        for module in slowest.into_iter().take(10).filter(|module| !module.took.is_zero()) {
            let (took, saving) = (text(module.took), text(self.saving(module.name)));
            writeln!(f, "    {:24} {took:>10}   without it {saving} less", module.name)?;
        }
        Ok(())
    }
}
