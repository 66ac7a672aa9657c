use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use crate::fault::Faults;

/// The typed section of one module.
///
/// The type says everything about the section: its fields are the keys, their doc comments become
/// the annotated reference, and `Default` is what holds where nothing is set, so it should work as
/// it stands. Put `#[serde(default)]` on the struct, so that every key may be left out. Keys that
/// the struct does not have are refused with or without `deny_unknown_fields`. Leave
/// `#[serde(flatten)]` alone: what is inside one loses its place, and its unknown keys with it.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use framework_config::{Faults, Settings, duration};
/// use schemars::JsonSchema;
/// use serde::{Deserialize, Serialize};
///
/// /// The catalog of products.
/// #[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
/// #[serde(default, deny_unknown_fields)]
/// struct CatalogSettings {
///     /// How many products a page shows, 1 to 1000.
///     page_size: u32,
///     /// How long a page is cached.
///     #[serde(with = "duration")]
///     #[schemars(with = "String")]
///     ttl: Duration,
/// }
///
/// impl Default for CatalogSettings {
///     fn default() -> Self {
///         Self { page_size: 20, ttl: Duration::from_secs(60) }
///     }
/// }
///
/// impl Settings for CatalogSettings {
///     fn validate(&self, faults: &mut Faults) {
///         if !(1..=1000).contains(&self.page_size) {
///             faults.add("page_size", "must be from 1 to 1000");
///         }
///     }
/// }
/// ```
pub trait Settings:
    Default + Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static
{
    /// Adds to `faults` whatever the types cannot say: ranges, and values that do not go together.
    /// Finds nothing wrong unless it is written. It must be pure: it is also called for a
    /// configuration that never comes into force.
    ///
    /// When a value could not be read at all, its default stands in for it here.
    fn validate(&self, faults: &mut Faults) {
        let _ = faults;
    }

    /// The keys that are read only when a module starts, such as the size of a pool that is built
    /// then, written as in [`restart_keys`](Self::restart_keys). Until a module can be restarted
    /// alone, a reload treats them as those, but names them as what they are.
    #[must_use]
    fn module_keys() -> &'static [&'static str] {
        &[]
    }

    /// The keys that are read only when the application starts, such as the address of a listener:
    /// a reload that would change one of them is refused, and names it. Each is relative to the
    /// section and covers what is below it: `&["addr", "tls"]`; `&["*"]` covers the section.
    /// Every key can change while the application runs unless it is named here.
    #[must_use]
    fn restart_keys() -> &'static [&'static str] {
        &[]
    }
}
