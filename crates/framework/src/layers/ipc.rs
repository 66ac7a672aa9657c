use framework_app::AppBuilder;

pub(super) fn add(builder: AppBuilder) -> AppBuilder {
    builder.codes(framework_process::codes::CODES)
}
