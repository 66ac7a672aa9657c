use std::{fmt, panic::Location};

use framework_core::{Lifetime, Place, Stage};

use crate::{
    Reason,
    edge::{Names, Why},
    hash,
};

/// What an application consists of, and who waits for whom: a [`Plan`](crate::Plan) without its
/// code, for people and tools. Modules of a running application find theirs with
/// `cx.container().get::<Graph>()`.
///
/// Its `Display` form is stable enough to compare in a test: it changes when the application does,
/// and names no place in the source.
#[derive(Clone, Debug)]
pub struct Graph {
    pub(crate) modules: Vec<ModuleNode>,
    pub(crate) names: Names,
}

/// A module in its place in a [`Graph`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ModuleNode {
    /// The module's name.
    pub name: &'static str,
    /// The place in the source that added it.
    pub location: &'static Location<'static>,
    /// Its version, if it states one.
    pub version: Option<&'static str>,
    /// Whether the application can do without it.
    pub optional: bool,
    /// Whether everything that it does not rely on starts after it.
    pub foundation: bool,
    /// The modules that it waits for, by position in start order, each with every reason.
    pub waits_for: Vec<Wait>,
    /// The values that it provides, in the order in which they are made.
    pub values: Vec<ValueNode>,
    /// Its running code.
    pub units: Vec<(Stage, &'static str)>,
    /// What it contributes, and how many of each kind.
    pub contributes: Vec<(&'static str, usize)>,
    /// What it collects.
    pub collects: Vec<&'static str>,
}

/// That a module waits for another.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Wait {
    /// The position of the other module in start order.
    pub module: usize,
    // There is mostly one, which then takes no list.
    pub(crate) why: Why,
    more: Vec<Why>,
}

/// A value that a module provides.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ValueNode {
    /// What it is known by.
    pub key: String,
    /// How long it lives.
    pub lifetime: Lifetime,
    /// Whether it is made on first use.
    pub deferred: bool,
    /// Whether it takes the place of another.
    pub replacement: bool,
    /// What it is made from.
    pub takes: Vec<String>,
    /// The place in the source that provides it.
    pub location: &'static Location<'static>,
}

impl Graph {
    /// The modules, first to start first.
    #[must_use]
    pub fn modules(&self) -> &[ModuleNode] {
        &self.modules
    }

    /// A number that is the same for the same declarations, on every machine and in every run.
    #[must_use]
    pub fn hash(&self) -> u64 {
        hash::fnv1a(self.to_string().as_bytes())
    }

    /// Why a module waits, each reason once.
    pub fn reasons(&self, wait: &Wait) -> impl Iterator<Item = Reason> {
        wait.whys().map(|why| self.names.reason(why))
    }

    /// Every reason, in one line; that the other is a foundation only if there is no other.
    #[must_use]
    pub fn why(&self, wait: &Wait) -> String {
        let own = self.reasons(wait).filter(|reason| *reason != Reason::Foundation);
        let own: Vec<_> = own.map(|reason| reason.to_string()).collect();
        if own.is_empty() { Reason::Foundation.to_string() } else { own.join(", ") }
    }

    /// The fewest steps in which the modules can start, each as late as its place in it: a module
    /// is one level after the last of those that it waits for.
    #[must_use]
    pub fn levels(&self) -> Vec<usize> {
        let mut levels: Vec<usize> = Vec::with_capacity(self.modules.len());
        for module in &self.modules {
            let after = module.waits_for.iter().map(|wait| levels[wait.module] + 1);
            levels.push(after.max().unwrap_or(0));
        }
        levels
    }
}

impl Wait {
    pub(crate) fn new(module: usize, why: Why) -> Self {
        Self { module, why, more: Vec::new() }
    }

    pub(crate) fn whys(&self) -> impl Iterator<Item = Why> {
        std::iter::once(self.why).chain(self.more.iter().copied())
    }

    pub(crate) fn add(&mut self, why: Why) {
        if !self.whys().any(|known| known == why) {
            self.more.push(why);
        }
    }
}

impl ModuleNode {
    /// Whom the module waits for because of what it or they say, and not because the other is a
    /// foundation, for which everyone waits.
    pub fn own_waits(&self) -> impl Iterator<Item = &Wait> {
        self.waits_for.iter().filter(|wait| wait.whys().any(|why| why != Why::Foundation))
    }

    /// The place that added the module, as text.
    #[must_use]
    pub fn place(&self) -> String {
        Place::from(self.location).to_string()
    }
}

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for module in &self.modules {
            write!(f, "{module}")?;
            for (n, wait) in module.own_waits().enumerate() {
                let lead = if n == 0 { "after" } else { "and" };
                let other = self.modules[wait.module].name;
                write!(f, " {lead} {other} ({})", self.why(wait))?;
            }
            writeln!(f)?;
            module.values.iter().try_for_each(|value| writeln!(f, "    {value}"))?;
        }
        Ok(())
    }
}

/// The name, and what sets the module apart: `audit 1.2.0 (optional)`.
impl fmt::Display for ModuleNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        if let Some(version) = self.version {
            write!(f, " {version}")?;
        }
        match (self.foundation, self.optional) {
            (true, _) => f.write_str(" (foundation)"),
            (_, true) => f.write_str(" (optional)"),
            _ => Ok(()),
        }
    }
}

/// The key, how long it lives, and what it is made from: `Stock, scoped, from Pool, Clock`.
impl fmt::Display for ValueNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        if self.lifetime != Lifetime::Singleton {
            write!(f, ", {}", self.lifetime)?;
        }
        if self.deferred {
            f.write_str(", on first use")?;
        }
        if self.replacement {
            f.write_str(", as a replacement")?;
        }
        if !self.takes.is_empty() {
            write!(f, ", from {}", self.takes.join(", "))?;
        }
        Ok(())
    }
}
