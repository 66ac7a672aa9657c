//! Typed sections of a layered configuration, each value with its origin.
//!
//! * [`Sources`] say where a configuration is read from; [`Loaded`] is what they said.
//! * [`Settings`] is the typed section of one module, [`Config`] the module's view of it.
//! * [`ConfigModule`] gives every module of an application its section, and [`ConfigReport`] shows
//!   what they amount to.
//! * [`ConfigError`] lists everything that is wrong, each [`Fault`] with its key, its origin, its
//!   cure and an [`Excerpt`] of the file.
//! * [`ConfigHandle`] reloads it while the application runs; [`Readiness`] decides whether what has
//!   come into force may stay.
//! * [`Secret`], [`ByteSize`] and [`duration`] are what settings are made of.
//!
//! # Examples
//!
//! ```
//! use std::time::Duration;
//!
//! use framework_config::{ByteSize, Faults, Secret, Settings, Sources};
//! use schemars::JsonSchema;
//! use serde::{Deserialize, Serialize};
//!
//! /// The catalog of products.
//! #[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
//! #[serde(default, deny_unknown_fields)]
//! pub struct CatalogSettings {
//!     /// How many products a page shows, 1 to 1000.
//!     pub page_size: u32,
//!     /// How long a page is cached.
//!     #[serde(with = "framework_config::duration")]
//!     #[schemars(with = "String")]
//!     pub ttl: Duration,
//!     /// What the supplier knows us by.
//!     pub token: Secret<String>,
//!     /// The largest picture that is taken.
//!     pub max_upload: ByteSize,
//! }
//!
//! impl Default for CatalogSettings {
//!     fn default() -> Self {
//!         Self {
//!             page_size: 20,
//!             ttl: Duration::from_secs(60),
//!             token: Secret::default(),
//!             max_upload: ByteSize::mib(2),
//!         }
//!     }
//! }
//!
//! impl Settings for CatalogSettings {
//!     fn validate(&self, faults: &mut Faults) {
//!         if self.page_size == 0 {
//!             faults.add("page_size", "must be at least 1");
//!         }
//!     }
//! }
//!
//! let sources = Sources::none().toml_text("app.toml", "[catalog]\nttl = \"1m 30s\"");
//! let settings: CatalogSettings = sources.load()?.section("catalog")?;
//! assert_eq!(settings.ttl, Duration::from_secs(90));
//! assert_eq!(settings.page_size, 20);
//!
//! let wrong = sources.set("catalog.page_siz=0").set("catalog.ttl=10").load()?;
//! let error = wrong.section::<CatalogSettings>("catalog").unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "\
//! error[E0402]: 2 problems in the configuration
//!
//!     catalog.page_siz     unknown key    --set   did you mean `catalog.page_size`?
//!     catalog.ttl = \"10\"   missing unit   --set   write \"10s\"
//! ",
//! );
//! # Ok::<(), framework_config::ConfigError>(())
//! ```

#![deny(missing_docs)]

mod bind;
mod byte_size;
mod codes;
mod config;
mod config_file;
mod config_settings;
mod de;
pub mod duration;
mod environment;
mod error;
mod excerpt;
mod fallback;
mod fault;
mod file_watch;
mod files;
mod handle;
mod include;
#[cfg(feature = "di")]
mod inject;
mod key_path;
mod layers;
mod live;
mod loaded;
mod module;
mod nearest;
mod node;
mod origin;
mod parse;
mod readiness;
mod reading;
mod redact;
mod reference;
mod reload;
mod report;
mod schema;
mod secret;
mod section;
mod settings;
mod snapshot;
mod sources;
mod store;
mod watch;

pub use self::{
    byte_size::{ByteSize, ByteSizeError},
    codes::CODES,
    config::{Config, ConfigGuard},
    config_file::{ConfigFile, ConfigFileError},
    config_settings::{BootFrom, ConfigSettings, OnRestartKeys},
    error::ConfigError,
    excerpt::Excerpt,
    fault::{Fault, Faults},
    handle::ConfigHandle,
    live::LiveConfig,
    loaded::Loaded,
    module::{ConfigExt, ConfigModule},
    origin::Origin,
    readiness::{Obstacle, Readiness},
    reload::{
        ConfigChange, Prepared, PreparedReload, ReloadClass, ReloadError, ReloadOutcome,
        ReloadOwner, ReloadRecord, ReloadTrigger,
    },
    report::{ConfigEntry, ConfigReport, Explanation, Overridden},
    secret::Secret,
    section::Section,
    settings::Settings,
    snapshot::{ConfigSnapshot, LastGood},
    sources::Sources,
    watch::{Changed, Changes},
};
