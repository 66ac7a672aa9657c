use std::{any::type_name, convert::Infallible};

use axum::{Router, routing::MethodRouter};
use http::StatusCode;

use super::{ApiHandler, operation::Described};

/// An axum router that remembers what its handlers take and give.
///
/// Written like axum's own: a path, and [`get`], [`post`] and their siblings around plain handlers.
///
/// # Examples
///
/// ```
/// use framework_http::{Json, Path, Problem, openapi::{ApiRouter, get}};
/// use http::StatusCode;
/// use schemars::JsonSchema;
/// use serde::Serialize;
///
/// /// Something that is for sale.
/// #[derive(Serialize, JsonSchema)]
/// struct Product {
///     /// What it is called.
///     name: String,
/// }
///
/// async fn show_product(Path(id): Path<u64>) -> Result<Json<Product>, Problem> {
///     Ok(Json(Product { name: format!("number {id}") }))
/// }
///
/// let router: ApiRouter = ApiRouter::new().route(
///     "/products/{id}",
///     get(show_product).problem(StatusCode::NOT_FOUND, "there is no such product"),
/// );
/// ```
#[derive(Debug)]
pub struct ApiRouter<S = ()> {
    router: Router<S>,
    operations: Vec<Described>,
}

/// The operations of one path: what [`get`] and its siblings make.
///
/// Whatever describes an operation is about the one that was added last:
/// `get(list).summary("All of them").post(add).deprecated()`.
#[derive(Debug)]
pub struct ApiMethods<S = ()> {
    methods: MethodRouter<S>,
    operations: Vec<Described>,
}

// ===== impl ApiRouter =====

impl<S> ApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    /// A router without routes.
    #[must_use]
    pub fn new() -> Self {
        Self { router: Router::new(), operations: Vec::new() }
    }

    /// Serves `path`, a template as axum takes it.
    ///
    /// # Panics
    ///
    /// Panics where axum does: if the path is none, or is there already with the same method.
    #[must_use]
    #[track_caller]
    pub fn route(mut self, path: &str, methods: ApiMethods<S>) -> Self {
        self.router = self.router.route(path, methods.methods);
        let placed = methods.operations.into_iter().map(|operation| operation.under(path, ""));
        self.operations.extend(placed);
        self
    }

    /// Serves routes that the document does not name.
    ///
    /// # Panics
    ///
    /// Panics if a route is there already.
    #[must_use]
    #[track_caller]
    pub fn undocumented(mut self, router: Router<S>) -> Self {
        self.router = self.router.merge(router);
        self
    }

    /// Serves the routes of both.
    ///
    /// # Panics
    ///
    /// Panics if both have a route.
    #[must_use]
    #[track_caller]
    pub fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.operations.extend(other.operations);
        self
    }

    /// Serves the routes of `other` under `prefix`.
    ///
    /// # Panics
    ///
    /// Panics where axum does: if the prefix is empty, or a route is there already.
    #[must_use]
    #[track_caller]
    pub fn nest(mut self, prefix: &str, other: Self) -> Self {
        self.router = self.router.nest(prefix, other.router);
        let prefix = prefix.trim_end_matches('/');
        let nested = other.operations.into_iter().map(|operation| {
            let path = operation.path.clone();
            operation.under(prefix, if path == "/" { "" } else { &path })
        });
        self.operations.extend(nested);
        self
    }

    /// Changes the router beneath, to put a layer around its routes for instance. Routes that are
    /// added here are not documented.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(Router<S>) -> Router<S>) -> Self {
        self.router = change(self.router);
        self
    }

    /// The router alone.
    pub fn into_router(self) -> Router<S> {
        self.router
    }

    pub(super) fn into_parts(self) -> (Router<S>, Vec<Described>) {
        (self.router, self.operations)
    }
}

impl<S> Default for ApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    fn default() -> Self {
        Self::new()
    }
}

// ===== impl ApiMethods =====

macro_rules! methods {
    ($($name:ident = $method:literal;)+) => {
        $(
            #[doc = concat!("Serves `", $method, "` with a plain axum handler.")]
            pub fn $name<H, T, S>(handler: H) -> ApiMethods<S>
            where
                H: ApiHandler<T, S>,
                T: 'static,
                S: Clone + Send + Sync + 'static,
            {
                ApiMethods::new().$name(handler)
            }
        )+

        impl<S> ApiMethods<S>
        where
            S: Clone + Send + Sync + 'static,
        {
            $(
                #[doc = concat!("Also serves `", $method, "`.")]
                ///
                /// # Panics
                ///
                /// Panics if the method is served already.
                #[must_use]
                #[track_caller]
                pub fn $name<H, T>(mut self, handler: H) -> Self
                where
                    H: ApiHandler<T, S>,
                    T: 'static,
                {
                    self.methods = self.methods.$name(handler);
                    let describe = <H as ApiHandler<T, S>>::describe;
                    self.operations.push(Described::new($method, type_name::<H>(), describe));
                    self
                }
            )+
        }
    };
}

methods! {
    get = "GET";
    post = "POST";
    put = "PUT";
    patch = "PATCH";
    delete = "DELETE";
}

impl<S> ApiMethods<S>
where
    S: Clone + Send + Sync + 'static,
{
    fn new() -> Self {
        Self { methods: MethodRouter::<S, Infallible>::new(), operations: Vec::new() }
    }

    fn describe(mut self, change: impl FnOnce(&mut Described)) -> Self {
        // Only `new` makes one without operations, and it is never seen without one.
        self.operations.last_mut().map(change);
        self
    }

    /// Sets the operation's id, which names it in generated clients; no other operation may have
    /// it. Defaults to the module's name and the handler's.
    #[must_use]
    pub fn id(self, id: impl Into<String>) -> Self {
        self.describe(|operation| operation.notes.id = Some(id.into()))
    }

    /// Says in one line what the operation does. Defaults to the handler's name in words.
    #[must_use]
    pub fn summary(self, line: impl Into<String>) -> Self {
        self.describe(|operation| operation.notes.summary = Some(line.into()))
    }

    /// Says more about the operation, in `CommonMark`.
    #[must_use]
    pub fn description(self, text: impl Into<String>) -> Self {
        self.describe(|operation| operation.notes.description = Some(text.into()))
    }

    /// Sorts the operation under `tag`, too; the module's name always is one.
    #[must_use]
    pub fn tag(self, tag: impl Into<String>) -> Self {
        self.describe(|operation| operation.notes.tags.push(tag.into()))
    }

    /// Says that nobody should begin to use the operation.
    #[must_use]
    pub fn deprecated(self) -> Self {
        self.describe(|operation| operation.notes.deprecated = true)
    }

    /// Says that the operation asks for the credentials of a scheme, which
    /// [`OpenApiModule::security_scheme`](super::OpenApiModule::security_scheme) describes. It only
    /// says so: checking them is for a middleware.
    #[must_use]
    pub fn secured_by(self, scheme: impl Into<String>) -> Self {
        self.describe(|operation| operation.notes.security.push(scheme.into()))
    }

    /// Says that the operation may answer with a problem document, and when. As soon as one is
    /// named, all are expected to be: nothing is said any more of problems with other statuses.
    #[must_use]
    pub fn problem(self, status: StatusCode, when: impl Into<String>) -> Self {
        self.describe(|operation| operation.notes.problems.push((status, when.into())))
    }

    /// Puts a change around the operations of this path, such as a layer.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(MethodRouter<S>) -> MethodRouter<S>) -> Self {
        self.methods = change(self.methods);
        self
    }
}
