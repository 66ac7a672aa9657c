use framework_admin::AdminModule;
use framework_app::AppBuilder;

pub(super) fn add(builder: AppBuilder) -> AppBuilder {
    builder.codes(framework_admin::codes::CODES).default_modules(AdminModule::new())
}
