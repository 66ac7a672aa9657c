use std::{borrow::Cow, future::Future, pin::Pin};

use crate::Context;

/// How well something works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HealthStatus {
    /// It works.
    Healthy,
    /// It works, with something that an operator should know.
    Degraded,
    /// It does not work.
    Unhealthy,
}

impl HealthStatus {
    /// The status in lower case, as reports and metrics spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// What a [`Check`] saw: a status, and for people a word on why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    status: HealthStatus,
    detail: Option<Cow<'static, str>>,
}

impl Health {
    /// All is well.
    #[must_use]
    pub fn healthy() -> Self {
        Self { status: HealthStatus::Healthy, detail: None }
    }

    /// It works, but `detail` is worth knowing.
    #[must_use]
    pub fn degraded(detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status: HealthStatus::Degraded, detail: Some(detail.into()) }
    }

    /// It does not work, because of `detail`.
    #[must_use]
    pub fn unhealthy(detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status: HealthStatus::Unhealthy, detail: Some(detail.into()) }
    }

    /// How well it works.
    #[must_use]
    pub fn status(&self) -> HealthStatus {
        self.status
    }

    /// Why, in words.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }
}

/// How to find out whether something works.
///
/// # Examples
///
/// ```
/// use framework_core::{Check, Context, Health};
///
/// struct Queue {
///     waiting: usize,
/// }
///
/// impl Check for Queue {
///     async fn check(&self, _cx: &Context) -> Health {
///         if self.waiting < 1000 { Health::healthy() } else { Health::degraded("a long queue") }
///     }
/// }
/// ```
pub trait Check: Send + Sync + 'static {
    /// Looks, and says what it saw. Takes well under a second.
    ///
    /// The module may not have started: read its values with [`Context::try_get`].
    fn check(&self, cx: &Context) -> impl Future<Output = Health> + Send;
}

/// [`Check`] for lists of checks: a trait object cannot have an `async fn`.
pub trait DynCheck: Send + Sync {
    /// As [`Check::check`], boxed.
    fn check_dyn<'a>(
        &'a self,
        cx: &'a Context,
    ) -> Pin<Box<dyn Future<Output = Health> + Send + 'a>>;
}

impl<C: Check> DynCheck for C {
    fn check_dyn<'a>(
        &'a self,
        cx: &'a Context,
    ) -> Pin<Box<dyn Future<Output = Health> + Send + 'a>> {
        Box::pin(self.check(cx))
    }
}
