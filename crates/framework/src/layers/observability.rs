use framework_app::AppBuilder;
use framework_observability::{AppIdentity, ObservabilityModule};

pub(super) fn add(builder: AppBuilder) -> AppBuilder {
    let identity = AppIdentity::new(builder.name());
    builder.default_modules(ObservabilityModule::new(&identity))
}
