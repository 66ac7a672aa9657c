use framework_app::AppBuilder;

/// Only what `explain` knows: clients belong to the modules that declare them.
pub(super) fn add(builder: AppBuilder) -> AppBuilder {
    builder.codes(framework_client::CODES)
}
