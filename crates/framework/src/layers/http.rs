use framework_app::AppBuilder;
use framework_http::HttpModule;

pub(super) fn add(builder: AppBuilder) -> AppBuilder {
    builder.codes(framework_http::codes::CODES).default_modules(HttpModule::new())
}
