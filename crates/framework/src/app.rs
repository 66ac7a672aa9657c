use framework_app::AppBuilder;

use crate::layers;

/// The way in: [`App::builder`].
#[derive(Debug)]
#[non_exhaustive]
pub struct App;

impl App {
    /// Starts to describe the application called `name`: `kebab-case`, and stable, for it is part of
    /// the names of environment variables and metrics.
    ///
    /// The modules of each enabled layer are there by default; a module of the same type takes the
    /// place of a default.
    ///
    /// # Examples
    ///
    /// ```
    /// use framework::prelude::*;
    ///
    /// let app = App::builder("shop").modules(module_fn("catalog", |reg| {
    ///     reg.provide(|_cx| async { Ok(String::from("a product")) });
    /// }));
    /// assert!(app.plan()?.modules().iter().any(|module| module.name == "catalog"));
    /// # Ok::<(), framework::PlanError>(())
    /// ```
    pub fn builder(name: &'static str) -> AppBuilder {
        layers::add(framework_app::App::builder(name))
    }
}
