use std::{
    borrow::Cow,
    sync::{Arc, OnceLock},
};

use axum::Router;
use framework_config::{Config, ConfigExt as _};
use framework_core::{BoxError, Context, Contribution, Module, Order, Registrar, Unclaimed};
use framework_di::Inject;
use http::StatusCode;

use super::{
    ApiDocument, ApiRouter, CommonProblem, OpenApiSettings, SecurityScheme,
    document::{About, assemble},
    operation::Described,
    serve,
};
use crate::{HttpExt as _, Routes};

/// The operations of one module.
#[derive(Debug)]
pub(super) struct Operations(pub(super) Vec<Described>);

impl Contribution for Operations {
    const KIND: &'static str = "operations of the HTTP interface";
    // Nobody is called: the document is made before anything starts.
    const ORDER: Order = Order::Independent;
    const UNCLAIMED: Unclaimed = Unclaimed::Ignore;
}

/// Words for [`Registrar`] about an interface that documents itself.
pub trait OpenApiExt: sealed::Sealed {
    /// Serves the routes of `router`, as [`HttpExt::routes`](crate::HttpExt::routes) does, and puts
    /// their operations into the document, with the module's name for a tag. Without an
    /// [`OpenApiModule`] in the application they are only served.
    ///
    /// # Examples
    ///
    /// ```
    /// use framework_core::module_fn;
    /// use framework_http::{Json, openapi::{ApiRouter, OpenApiExt, get}};
    ///
    /// async fn answer() -> Json<u32> {
    ///     Json(42)
    /// }
    ///
    /// let answers = module_fn("answers", |reg| {
    ///     reg.api::<()>(ApiRouter::new().route("/answer", get(answer)));
    /// });
    /// # let _ = answers;
    /// ```
    #[track_caller]
    fn api<S>(&mut self, router: ApiRouter<S>)
    where
        S: Inject + Clone;

    /// As [`api`](Self::api), and each request has a scope, which handlers take as
    /// [`RequestScope`](crate::RequestScope).
    #[track_caller]
    fn api_in_scope<S>(&mut self, router: ApiRouter<S>)
    where
        S: Inject + Clone;

    /// As [`api`](Self::api), with a state that `build_state` makes once.
    #[track_caller]
    fn api_with<S, F>(&mut self, router: ApiRouter<S>, build_state: F)
    where
        S: Clone + Send + Sync + 'static,
        F: Fn(&Context) -> Result<S, BoxError> + Send + Sync + 'static;

    /// Says that any operation may answer with a problem document of this status, and when:
    /// because of a middleware, for instance.
    #[track_caller]
    fn common_problem(&mut self, status: StatusCode, when: impl Into<Cow<'static, str>>);
}

impl OpenApiExt for Registrar<'_> {
    #[track_caller]
    fn api<S>(&mut self, router: ApiRouter<S>)
    where
        S: Inject + Clone,
    {
        let (router, operations) = router.into_parts();
        self.contribute(Operations(operations));
        self.routes(router);
    }

    #[track_caller]
    fn api_in_scope<S>(&mut self, router: ApiRouter<S>)
    where
        S: Inject + Clone,
    {
        let (router, operations) = router.into_parts();
        self.contribute(Operations(operations));
        self.routes_in_scope(router);
    }

    #[track_caller]
    fn api_with<S, F>(&mut self, router: ApiRouter<S>, build_state: F)
    where
        S: Clone + Send + Sync + 'static,
        F: Fn(&Context) -> Result<S, BoxError> + Send + Sync + 'static,
    {
        let (router, operations) = router.into_parts();
        self.contribute(Operations(operations));
        self.routes_with(router, build_state);
    }

    #[track_caller]
    fn common_problem(&mut self, status: StatusCode, when: impl Into<Cow<'static, str>>) {
        self.contribute(CommonProblem::new(status, when));
    }
}

/// Documents the interface of the application, and serves the document and a page that shows it.
///
/// It gathers the operations that modules contribute by [`OpenApiExt::api`]: what is not in the
/// application is not in its document. Operations and schemas that two modules call the same are
/// found before anything starts. It reads the section `openapi`.
///
/// # Examples
///
/// ```
/// use framework_core::{BoxModule, module_fn};
/// use framework_http::{Json, Problem, openapi::{ApiRouter, OpenApiExt, OpenApiModule, get}};
/// use framework_http::HttpModule;
/// use framework_registry::Plan;
///
/// async fn answer() -> Result<Json<u32>, Problem> {
///     Ok(Json(42))
/// }
///
/// let api = OpenApiModule::new("Answers", "1.0.0").settings(Default::default());
/// let document = api.document();
/// let answers = module_fn("answers", |reg| {
///     reg.api::<()>(ApiRouter::new().route("/answer", get(answer)));
/// });
/// # let http = HttpModule::new().settings(Default::default());
/// Plan::new([BoxModule::new(answers), BoxModule::new(api), BoxModule::new(http)])?;
/// let document = document.get().unwrap();
/// assert_eq!(document["paths"]["/answer"]["get"]["operationId"], "answers_answer");
/// # Ok::<(), framework_registry::PlanError>(())
/// ```
#[derive(Clone, Debug)]
pub struct OpenApiModule {
    about: About,
    settings: Option<OpenApiSettings>,
    document: ApiDocument,
}

impl OpenApiModule {
    /// Documents the interface of an application with this name and version:
    /// `OpenApiModule::new("shop", env!("CARGO_PKG_VERSION"))`.
    #[must_use]
    pub fn new(title: impl Into<String>, version: impl Into<String>) -> Self {
        let (title, version) = (title.into(), version.into());
        let about = About { title, version, description: None, security: Default::default() };
        Self { about, settings: None, document: ApiDocument::default() }
    }

    /// Says what the application is for, in `CommonMark`.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.about.description = Some(text.into());
        self
    }

    /// Describes how clients show who they are, for operations that are
    /// [`secured_by`](super::ApiMethods::secured_by) this.
    #[must_use]
    pub fn security_scheme(mut self, name: impl Into<String>, scheme: SecurityScheme) -> Self {
        self.about.security.insert(name.into(), scheme);
        self
    }

    /// Takes these settings instead of those in the configuration.
    #[must_use]
    pub fn settings(mut self, settings: OpenApiSettings) -> Self {
        self.settings = Some(settings);
        self
    }

    /// The document, to be had without serving anything: it is there as soon as the application
    /// was planned with this module.
    #[must_use]
    pub fn document(&self) -> ApiDocument {
        self.document.clone()
    }
}

impl Module for OpenApiModule {
    fn name(&self) -> &'static str {
        "openapi"
    }

    fn register(self, reg: &mut Registrar<'_>) {
        let Self { about, settings, document } = self;
        let settings = match settings {
            Some(settings) => Config::fixed(settings),
            None => reg.config::<OpenApiSettings>("openapi"),
        };
        let (operations, common) = (reg.collect::<Operations>(), reg.collect::<CommonProblem>());
        // Of this application alone: another may be planned with a clone of the module.
        let made = Arc::new(OnceLock::new());
        let served = Arc::clone(&made);
        reg.gate("openapi", move |view| {
            let (whole, issues) =
                assemble(&about, view.collected(&operations), view.collected(&common));
            document.set(Arc::clone(made.get_or_init(|| Arc::new(whole))));
            issues
        });
        // Its paths are settings, so they are known when the server starts.
        reg.contribute(Routes::at_start(move |_cx| {
            let settings: Arc<OpenApiSettings> = settings.get();
            if !settings.enabled {
                return Ok(Router::new());
            }
            let document = served.get().ok_or("the application was not planned")?;
            Ok(serve::router(&settings, document))
        }));
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for framework_core::Registrar<'_> {}
}
