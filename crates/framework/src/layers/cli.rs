use framework_app::AppBuilder;
use framework_cli::AppModule;

/// What the command line reads is part of the configuration without it, too: one file serves an
/// application and its tests.
pub(super) fn add(builder: AppBuilder) -> AppBuilder {
    let module = AppModule::new();
    builder.adjust_budgets(module.adjust()).default_modules(module)
}
