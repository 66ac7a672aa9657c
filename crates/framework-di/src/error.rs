use framework_core::{BoxError, Key, Lifetime};

/// Why an argument could not be had, or a value not be made.
///
/// A plan is checked before anything starts, so what is left are failures of constructors and what
/// only shows at run time: a scope that lacks its seed, or a module that is down.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InjectError {
    /// The value is not there: its module has not started, or has stopped.
    #[error("`{wanted}` has no value: its module is not running")]
    Absent {
        /// What was wanted.
        wanted: Key,
    },
    /// A scoped value was wanted where there is no scope.
    #[error("`{wanted}` lives in a scope, and was asked for outside of one")]
    OutsideScope {
        /// What was wanted.
        wanted: Key,
    },
    /// Whoever opened the scope did not [put the value in](crate::Scope::insert).
    #[error("`{wanted}` was not put into the scope")]
    Unseeded {
        /// What was wanted.
        wanted: Key,
    },
    /// The scope has the value already, and others may have read it.
    #[error("`{seeded}` is in the scope already")]
    SeededTwice {
        /// What was put in.
        seeded: Key,
    },
    /// The value and the scope are not of the same application.
    #[error("`{wanted}` belongs to another application than the scope")]
    OtherApplication {
        /// What was wanted.
        wanted: Key,
    },
    /// [`Lazy`](crate::Lazy) was asked for a value that is made on demand anyway.
    #[error("`{wanted}` is {lifetime}, and `Lazy` is for singletons: take the `Arc`")]
    NotLazy {
        /// What was wanted.
        wanted: Key,
        /// How long it lives.
        lifetime: Lifetime,
    },
    /// The constructor of a scoped or transient value failed, panicked, or could not be given an
    /// argument.
    #[error("`{made}` of module `{module}` could not be made")]
    Make {
        /// What was being made.
        made: Key,
        /// The module that offers it.
        module: &'static str,
        /// What went wrong.
        source: BoxError,
    },
}
