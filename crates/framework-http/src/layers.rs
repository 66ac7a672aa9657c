//! Middleware for all routes, each a module with a section of the configuration. Each is of use
//! without modules as well: its settings make a tower layer.

#[cfg(feature = "rate-limit")]
use framework_core::Registrar;
#[cfg(feature = "rate-limit")]
use http::StatusCode;

#[cfg(feature = "compression")]
pub(crate) mod compression;
#[cfg(feature = "cors")]
pub(crate) mod cors;
#[cfg(feature = "decompression")]
pub(crate) mod decompression;
#[cfg(feature = "rate-limit")]
pub(crate) mod rate_limit;
#[cfg(feature = "security-headers")]
pub(crate) mod security_headers;

/// A module that reads its section and puts one layer around all routes.
macro_rules! layer_module {
    (
        $(#[doc = $doc:literal])+
        $module:ident($settings:ident) = $name:literal, $section:literal, $stage:ident, $build:expr
        $(, answers $status:ident: $when:literal)?
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, Default)]
        pub struct $module {
            settings: Option<$settings>,
        }

        impl $module {
            #[doc = concat!("Does as the section `", $section, "` of the configuration says.")]
            #[must_use]
            pub fn new() -> Self {
                Self::default()
            }

            /// Takes these settings instead of those in the configuration.
            #[must_use]
            pub fn settings(mut self, settings: $settings) -> Self {
                self.settings = Some(settings);
                self
            }
        }

        impl framework_core::Module for $module {
            fn name(&self) -> &'static str {
                $name
            }

            fn register(self, reg: &mut framework_core::Registrar<'_>) {
                use framework_config::ConfigExt as _;
                let settings = match self.settings {
                    Some(settings) => framework_config::Config::fixed(settings),
                    None => reg.config::<$settings>($section),
                };
                let build: fn(&$settings) -> Result<_, framework_core::BoxError> = $build;
                let stage = crate::MiddlewareStage::$stage;
                $(crate::layers::document(reg, http::StatusCode::$status, $when);)?
                reg.contribute(crate::Middleware::built(stage, move |_| build(&settings.get())));
            }
        }
    };
}

use layer_module;

/// Says what a middleware answers, where there is a document to say it in.
#[cfg(all(feature = "openapi", feature = "rate-limit"))]
fn document(reg: &mut Registrar<'_>, status: StatusCode, when: &'static str) {
    reg.contribute(crate::openapi::CommonProblem::new(status, when));
}

#[cfg(all(not(feature = "openapi"), feature = "rate-limit"))]
fn document(_: &mut Registrar<'_>, _: StatusCode, _: &'static str) {}
