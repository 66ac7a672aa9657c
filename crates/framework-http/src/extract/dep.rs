use std::{
    convert::Infallible,
    future::{Future, ready},
    ops::Deref,
    sync::Arc,
};

use axum::extract::FromRequestParts;
use framework_di::Provide;
use http::request::Parts;

/// One service out of a router's state.
///
/// The state is built once, when the server starts; a request copies a pointer.
///
/// # Examples
///
/// ```
/// use axum::{Router, routing::get};
/// use framework_di::Inject;
/// use framework_http::Dep;
/// use std::sync::Arc;
///
/// struct Products(Vec<&'static str>);
///
/// #[derive(Clone, Inject)]
/// struct CatalogState {
///     products: Arc<Products>,
/// }
///
/// async fn list(Dep(products): Dep<Products>) -> String {
///     products.0.join(", ")
/// }
///
/// let router: Router<CatalogState> = Router::new().route("/products", get(list));
/// ```
#[derive(Debug)]
pub struct Dep<T: ?Sized>(pub Arc<T>);

impl<T: ?Sized> Clone for Dep<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: ?Sized> Deref for Dep<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<S, T> FromRequestParts<S> for Dep<T>
where
    T: ?Sized + Send + Sync + 'static,
    S: Provide<T> + Send + Sync,
{
    type Rejection = Infallible;

    fn from_request_parts(
        _: &mut Parts,
        state: &S,
    ) -> impl Future<Output = Result<Self, Infallible>> + Send {
        ready(Ok(Self(Arc::clone(state.provide()))))
    }
}
