use framework_app::AppBuilder;
use framework_config::ConfigModule;

/// Reads the standard sources when the application is planned; the command line reads them itself.
pub(super) fn add(builder: AppBuilder) -> AppBuilder {
    let name = builder.name();
    builder.default_modules(ConfigModule::standard(name))
}
