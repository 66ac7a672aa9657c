//! The templates, and filling them in.

use minijinja::{Environment, UndefinedBehavior, Value, syntax::SyntaxConfig};

use super::error::NewError;

/// A template that is part of this program.
#[derive(Clone, Copy, Debug)]
pub(super) struct Template {
    name: &'static str,
    text: &'static str,
}

macro_rules! template {
    ($name:literal) => {
        Template { name: $name, text: include_str!(concat!("../../templates/", $name)) }
    };
}

pub(super) const APP_MANIFEST: Template = template!("app/Cargo.toml.j2");
pub(super) const APP_README: Template = template!("app/README.md.j2");
pub(super) const APP_BUILD: Template = template!("app/build.rs.j2");
pub(super) const APP_CONFIG: Template = template!("app/app.toml.j2");
pub(super) const APP_GITIGNORE: Template = template!("app/gitignore.j2");
pub(super) const APP_GREETING: Template = template!("app/greeting.rs.j2");
pub(super) const APP_LIB: Template = template!("app/lib.rs.j2");
pub(super) const APP_MAIN: Template = template!("app/main.rs.j2");
pub(super) const APP_TESTS: Template = template!("app/tests.rs.j2");
pub(super) const MODULE: Template = template!("module/module.rs.j2");

impl Template {
    /// Fills the template in. What it uses and is not given is an error, not an empty place.
    ///
    /// # Errors
    ///
    /// Returns an error if a variable is missing or the template is not one.
    pub(super) fn render(self, values: &Value) -> Result<String, NewError> {
        let mut templates = Environment::new();
        templates.set_undefined_behavior(UndefinedBehavior::Strict);
        // A line that is only a tag leaves nothing behind.
        templates.set_syntax(
            SyntaxConfig::builder()
                .keep_trailing_newline(true)
                .trim_blocks(true)
                .lstrip_blocks(true)
                .build()
                .expect("the delimiters are the defaults"),
        );
        let rendered = templates.render_named_str(self.name, self.text, values);
        rendered.map_err(|source| NewError::Template { template: self.name, source: source.into() })
    }
}

#[cfg(test)]
mod tests {
    use minijinja::context;

    use super::*;

    #[test]
    fn a_variable_that_is_not_given_is_an_error() {
        let error = APP_LIB.render(&context! {}).unwrap_err();
        assert_eq!(error.to_string(), "the template `app/lib.rs.j2` cannot be filled in");
    }
}
