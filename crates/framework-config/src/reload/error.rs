use std::time::Duration;

use framework_core::BoxError;

use crate::error::ConfigError;

/// Why a configuration did not come into force. Whatever was in force still is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// The sources cannot be read, or what they say is wrong.
    #[error("the configuration is wrong")]
    Invalid(#[from] ConfigError),
    /// Keys differ that are read only when the application starts.
    #[error("cannot change while the application runs: {}", restart_keys(keys, module_keys))]
    NeedsRestart {
        /// The keys that need another start of the application, in order.
        keys: Vec<String>,
        /// The keys that need another start of their module, in order.
        module_keys: Vec<String>,
    },
    /// This very configuration was in force, and was taken back.
    #[error(
        "the same configuration was in force before and was taken back, because {cause}; it is \
         refused until it changes"
    )]
    Quarantined {
        /// What it did.
        cause: String,
    },
    /// An owner does not want its section to become what it would be.
    #[error("`{owner}` refuses the change of `{section}`")]
    Vetoed {
        /// The name that the owner gave itself.
        owner: String,
        /// Its section.
        section: String,
        /// The reason.
        source: BoxError,
    },
    /// An owner, or the disk, took too long.
    #[error("`{what}` took longer than {after:?}")]
    TimedOut {
        /// Who it was waited for.
        what: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// Somebody was writing the files all the time.
    #[error("the files did not stop changing within {after:?}")]
    Unsettled {
        /// How long it was waited for.
        after: Duration,
    },
    /// The application is not planned, or its configuration was never right.
    #[error("there is no configuration in force that another one could replace")]
    NothingInForce,
    /// Reading ended in a panic, or the process is about to end.
    #[error("the sources could not be read to the end")]
    Interrupted(#[source] BoxError),
}

fn restart_keys(keys: &[String], module_keys: &[String]) -> String {
    let of_modules = match module_keys {
        [] => String::new(),
        keys => format!(
            "{} (read when the module starts; today that takes a restart of the application)",
            keys.join(", ")
        ),
    };
    let all = [keys.join(", "), of_modules];
    all.iter().filter(|it| !it.is_empty()).cloned().collect::<Vec<_>>().join(", ")
}
