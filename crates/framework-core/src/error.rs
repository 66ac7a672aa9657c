use std::{
    any::Any,
    error, fmt,
    future::Future,
    panic::{self, AssertUnwindSafe},
    pin::Pin,
    task,
};

use crate::BoxFuture;

/// Any error, once its type no longer matters.
pub type BoxError = Box<dyn error::Error + Send + Sync>;

/// Shows an error and everything that caused it, each after a colon.
///
/// An error's own text leaves its cause out, so whoever prints one prints it through this.
///
/// # Examples
///
/// ```
/// use framework_core::Chain;
///
/// let error: Box<dyn std::error::Error + Send + Sync> = "the disk is full".into();
/// assert_eq!(Chain(error.as_ref()).to_string(), "the disk is full");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Chain<'e>(pub &'e (dyn error::Error + 'static));

impl<'e> Chain<'e> {
    /// The error itself, then each cause in turn.
    pub fn iter(&self) -> impl Iterator<Item = &'e (dyn error::Error + 'static)> + use<'e> {
        std::iter::successors(Some(self.0), |error| error.source())
    }
}

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, error) in self.iter().enumerate() {
            let lead = if n == 0 { "" } else { ": " };
            write!(f, "{lead}{error}")?;
        }
        Ok(())
    }
}

/// The time to finish some work was over, and it was cut off.
///
/// A layer gives this as the cause of its own error, so that whoever runs the application knows
/// that work was lost, and the process ends with the exit code for that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("the time to finish was over")]
pub struct CutShort;

impl CutShort {
    /// Whether `error`, or a cause of it, is that work was cut off.
    #[must_use]
    pub fn is_cause_of(error: &(dyn error::Error + 'static)) -> bool {
        Chain(error).iter().any(|cause| cause.is::<Self>())
    }
}

/// Code panicked, and here is what it said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("panicked: {message}")]
pub struct PanicError {
    message: String,
}

impl PanicError {
    /// Reads the message out of what a panic carries.
    #[must_use]
    pub fn new(payload: &(dyn Any + Send)) -> Self {
        let text = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        Self { message: text.unwrap_or("no message").to_owned() }
    }

    /// What the panic said.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// A future that turns a panic of the one inside it into an error; made by [`contain`].
pub struct Contain<T> {
    // `None` once it has completed or panicked: a future that panicked must not be polled again.
    inner: Option<BoxFuture<Result<T, BoxError>>>,
}

/// Turns a panic in `make`, or in the future that it makes, into an error.
pub fn contain<T, F>(make: F) -> Contain<T>
where
    T: Send + 'static,
    F: FnOnce() -> BoxFuture<Result<T, BoxError>>,
{
    let inner = panic::catch_unwind(AssertUnwindSafe(make)).unwrap_or_else(|payload| {
        let error = PanicError::new(payload.as_ref());
        Box::pin(async move { Err(error.into()) })
    });
    Contain { inner: Some(inner) }
}

impl<T> Future for Contain<T> {
    type Output = Result<T, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> task::Poll<Self::Output> {
        let Some(inner) = self.inner.as_mut() else {
            return task::Poll::Ready(Err("polled after it had ended".into()));
        };
        let polled = panic::catch_unwind(AssertUnwindSafe(|| inner.as_mut().poll(cx)));
        let ended = match polled {
            Ok(task::Poll::Pending) => return task::Poll::Pending,
            Ok(task::Poll::Ready(result)) => result,
            Err(payload) => Err(PanicError::new(payload.as_ref()).into()),
        };
        self.inner = None;
        task::Poll::Ready(ended)
    }
}

impl<T> fmt::Debug for Contain<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contain").field("ended", &self.inner.is_none()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_an_error_with_its_message() {
        let late = contain::<(), _>(|| Box::pin(async { panic!("late {}", 1) }));
        let early = contain::<(), _>(|| panic!("early"));
        assert_eq!(late.await.unwrap_err().to_string(), "panicked: late 1");
        assert_eq!(early.await.unwrap_err().to_string(), "panicked: early");
    }

    #[test]
    fn a_chain_names_each_cause_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot migrate")]
        struct Outer(#[source] fmt::Error);
        let text = Chain(&Outer(fmt::Error)).to_string();
        assert!(text.starts_with("cannot migrate: an error occurred"), "{text}");
    }
}
