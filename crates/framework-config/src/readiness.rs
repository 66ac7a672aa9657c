use std::{fmt, time::Duration};

/// Tells whether an application does its work, for whoever decides whether a configuration that has
/// just come into force may stay.
///
/// Given to [`ConfigHandle::follow_readiness`](crate::ConfigHandle::follow_readiness). The health
/// checks of `framework-observability` are one.
///
/// # Examples
///
/// ```
/// use framework_config::{Obstacle, Readiness};
///
/// struct Pool {
///     open: bool,
/// }
///
/// impl Readiness for Pool {
///     fn obstacles(&self) -> Vec<Obstacle> {
///         let closed = || Obstacle::new("pool", "no connection");
///         (!self.open).then(closed).into_iter().collect()
///     }
/// }
///
/// assert!(Pool { open: true }.obstacles().is_empty());
/// assert_eq!(Pool { open: false }.obstacles()[0].to_string(), "`pool`: no connection");
/// ```
pub trait Readiness: Send + Sync + 'static {
    /// What keeps the application from being ready; nothing if it is. Asked ten times a second
    /// while a configuration is on probation, so it must not wait.
    fn obstacles(&self) -> Vec<Obstacle>;

    /// A configuration is on probation for this long: look more often than usual. Does nothing
    /// unless it is written.
    fn look_closely(&self, time: Duration) {
        let _ = time;
    }
}

/// Something that keeps an application from being ready.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Obstacle {
    /// The module that does not work; where there are no modules, the section of what does not.
    pub module: String,
    /// Why not, for people.
    pub cause: String,
}

impl Obstacle {
    /// The module called `module` does not work, because of `cause`.
    #[must_use]
    pub fn new(module: impl Into<String>, cause: impl Into<String>) -> Self {
        Self { module: module.into(), cause: cause.into() }
    }
}

/// Shows the obstacle in one line.
impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.module, self.cause)
    }
}
