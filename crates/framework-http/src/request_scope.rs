use std::{ops::Deref, sync::Arc};

use axum::extract::FromRequestParts;
use framework_di::{Scope, ScopeFactory};
use http::{Extensions, request::Parts};

use crate::{Deadline, Problem, link::RequestLink};

/// The scope of one request: every handler, extractor and middleware that takes it gets the same.
///
/// It is there for routes that are registered with
/// [`routes_in_scope`](crate::HttpExt::routes_in_scope), and ends when the last of those who took
/// it lets go of it. A request for which nobody takes it pays for no scope.
///
/// # Examples
///
/// ```
/// use axum::{Router, extract::State, routing::get};
/// use framework_core::module_fn;
/// use framework_di::{Inject, InjectExt, Scoped};
/// use framework_http::{HttpExt, Problem, RequestScope};
///
/// struct Cart;
///
/// #[derive(Clone, Inject)]
/// struct ShopState {
///     cart: Scoped<Cart>,
/// }
///
/// async fn show(State(state): State<ShopState>, scope: RequestScope) -> Result<String, Problem> {
///     let cart = scope.get(&state.cart)?;
///     # let _ = cart;
///     Ok("an empty cart".to_owned())
/// }
///
/// let shop = module_fn("shop", |reg| {
///     reg.scoped(|| Cart);
///     reg.routes_in_scope(Router::new().route("/cart", get(show)));
/// });
/// # let _ = shop;
/// ```
///
/// Constructors of scoped values may take the request's [`Deadline`].
#[derive(Clone, Debug)]
pub struct RequestScope {
    scope: Arc<Scope>,
    deadline: Deadline,
}

/// What is put into a request so that its scope can be opened when somebody takes it.
#[derive(Clone, Debug)]
pub(crate) struct Opener(pub(crate) ScopeFactory);

impl RequestScope {
    /// The scope of a request, opened now if nobody took it before; `None` for routes without one.
    /// For middleware, which has the request rather than its parts.
    pub fn of(extensions: &mut Extensions) -> Option<Self> {
        if let Some(open) = extensions.get::<Self>() {
            return Some(open.clone());
        }
        let deadline = Deadline::at(extensions.get().and_then(RequestLink::deadline));
        let Opener(scopes) = extensions.get()?;
        let opened = Self { scope: Arc::new(scopes.open()), deadline };
        extensions.insert(opened.clone());
        Some(opened)
    }

    /// The scope, to keep beyond the request: in a task that goes on after the answer.
    #[must_use]
    pub fn into_inner(self) -> Arc<Scope> {
        self.scope
    }

    /// When nobody waits for the request's answer any longer.
    #[must_use]
    pub fn deadline(&self) -> Deadline {
        self.deadline
    }
}

impl Deref for RequestScope {
    type Target = Scope;

    fn deref(&self) -> &Scope {
        &self.scope
    }
}

impl<S: Sync> FromRequestParts<S> for RequestScope {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        Self::of(&mut parts.extensions).ok_or_else(|| {
            Problem::internal(
                "a handler takes `RequestScope`, and its routes were registered with `routes`: \
                 register them with `routes_in_scope`",
            )
        })
    }
}

/// A value could not be made: not the client's fault.
impl From<framework_di::InjectError> for Problem {
    fn from(error: framework_di::InjectError) -> Self {
        Self::internal(error)
    }
}
