use std::sync::Arc;

use framework_core::BoxError;

use crate::arity::for_each_arity;

/// A function or closure of up to twelve arguments, which are [injected](crate::Inject).
///
/// One trait serves every form of call; the form shows in the output: any value, a `Result`, a
/// future of a `Result`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a constructor that can be injected",
    label = "expected a function of up to twelve owned arguments",
    note = "`scoped` and `transient` call it again and again, so it is `Clone` there"
)]
pub trait Constructor<Args>: Send + 'static {
    /// What the function returns.
    type Output;

    /// Calls the function.
    fn construct(self, args: Args) -> Self::Output;
}

/// What a constructor that can fail returns.
#[diagnostic::on_unimplemented(
    message = "a constructor that can fail returns a `Result`, and this one returns `{Self}`",
    note = "`inject`, `scoped` and `transient` take constructors that cannot fail"
)]
pub trait Fallible {
    /// What it returns if it does not fail.
    type Value;

    /// The value, or the error without its type.
    ///
    /// # Errors
    ///
    /// Returns the error that there is.
    fn into_result(self) -> Result<Self::Value, BoxError>;
}

impl<T, E: Into<BoxError>> Fallible for Result<T, E> {
    type Value = T;

    fn into_result(self) -> Result<T, BoxError> {
        self.map_err(Into::into)
    }
}

/// A function that wraps a value in another of the same type: it takes the value, and up to twelve
/// more, which are [injected](crate::Inject).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a decorator",
    label = "expected `fn(Arc<T>, …) -> Arc<T>`",
    note = "a decorator takes the value as its first argument and returns another of the same \
            type; the arguments after the first can be injected"
)]
pub trait Decorator<T: ?Sized, Args>: Clone + Send + Sync + 'static {
    /// Calls the function.
    fn decorate(self, inner: Arc<T>, args: Args) -> Arc<T>;
}

macro_rules! impl_for_functions {
    ($($arg:ident)*) => {
        impl<Call, Returned, $($arg),*> Constructor<($($arg,)*)> for Call
        where
            Call: FnOnce($($arg),*) -> Returned + Send + 'static,
        {
            type Output = Returned;

            #[allow(non_snake_case, reason = "each variable is called as its type")]
            fn construct(self, ($($arg,)*): ($($arg,)*)) -> Returned {
                self($($arg),*)
            }
        }

        impl<Call, Wrapped, $($arg),*> Decorator<Wrapped, ($($arg,)*)> for Call
        where
            Call: FnOnce(Arc<Wrapped>, $($arg),*) -> Arc<Wrapped> + Clone + Send + Sync + 'static,
            Wrapped: ?Sized,
        {
            #[allow(non_snake_case, reason = "each variable is called as its type")]
            fn decorate(self, inner: Arc<Wrapped>, ($($arg,)*): ($($arg,)*)) -> Arc<Wrapped> {
                self(inner, $($arg),*)
            }
        }
    };
}

for_each_arity!(impl_for_functions);
