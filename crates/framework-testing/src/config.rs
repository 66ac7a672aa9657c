//! The configuration of an application under test: what the test says and nothing else.

use framework_app::AppBuilder;
use framework_config::{ConfigModule, Sources};

/// Where an application under test reads its configuration.
#[derive(Clone, Debug, Default)]
pub(crate) struct TestConfig {
    texts: Vec<String>,
    assignments: Vec<String>,
    as_is: bool,
}

impl TestConfig {
    pub(crate) fn text(&mut self, toml: impl Into<String>) {
        self.texts.push(toml.into());
    }

    pub(crate) fn set(&mut self, assignment: impl Into<String>) {
        self.assignments.push(assignment.into());
    }

    pub(crate) fn as_is(&mut self) {
        self.as_is = true;
    }

    /// Gives `app` this configuration, in place of files and of the environment. Ports are free ones
    /// of this machine.
    #[track_caller]
    pub(crate) fn apply(&self, app: AppBuilder) -> AppBuilder {
        if self.as_is {
            return app;
        }
        // `PORT` counts only where there is a section `http`, and so does the host it is put to; no
        // application has its configuration below a file.
        let mut sources = Sources::standard(app.name())
            .profile("test")
            .dir("/dev/null")
            .env([("PORT", "0")])
            .toml_text("test defaults", "[http]\naddr = \"127.0.0.1:0\"");
        for (n, text) in self.texts.iter().enumerate() {
            sources = sources.toml_text(format!("test configuration {}", n + 1), text);
        }
        if app.module_names().any(|name| name == "admin") {
            sources = sources.set("admin.addr=127.0.0.1:0");
        }
        sources = self.assignments.iter().fold(sources, Sources::set);
        app.replace_module(ConfigModule::from(sources))
    }
}
