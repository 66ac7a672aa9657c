use std::panic::{AssertUnwindSafe, catch_unwind};

use axum::Router;
use framework_core::{BoxError, Context, Contributed, PanicError};

use super::Routes;
use crate::{Stack, StackService, middleware::Middleware};

/// The routes of the modules do not make one router.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AssembleError {
    /// The state of a module's routes cannot be built.
    #[error("the state of the routes of `{module}` cannot be built")]
    State {
        /// The module.
        module: &'static str,
        /// Why.
        source: BoxError,
    },
    /// The middleware of a module cannot be built.
    #[error("the middleware of `{module}` cannot be built")]
    Middleware {
        /// The module.
        module: &'static str,
        /// Why.
        source: BoxError,
    },
    /// The routes of a module collide with those of another one.
    #[error("the routes of `{module}` do not go with those of {}", list(others))]
    Merge {
        /// The module.
        module: &'static str,
        /// The modules whose routes were there before.
        others: Vec<&'static str>,
        /// What the router said.
        source: PanicError,
    },
}

/// Makes one router of everything that was contributed, with the stack around it.
pub(crate) fn assemble(
    cx: &Context,
    routes: &[Contributed<Routes>],
    middleware: &[Contributed<Middleware>],
    probes: Router,
    stack: Stack,
) -> Result<StackService<Router>, AssembleError> {
    let mut router = Router::new();
    let mut others = Vec::new();
    for contributed in routes {
        let module = contributed.module();
        let built = contributed.item().build(cx);
        let built = built.map_err(|source| AssembleError::State { module, source })?;
        router = merge(router, built).map_err(|source| AssembleError::Merge {
            module,
            others: others.clone(),
            source,
        })?;
        others.push(module);
    }
    // The plan allows one at most. What is not understood is taken for one: a router that has none
    // then answers in its own words, which is better than to replace one that it has.
    let has_fallback = routes
        .iter()
        .any(|routes| routes.item().inspected().is_none_or(|inspected| inspected.has_fallback));
    // No middleware around the probes: who asks them brings no token.
    let wrapped = Middleware::wrap(cx, router, middleware);
    let wrapped =
        wrapped.map_err(|(module, source)| AssembleError::Middleware { module, source })?;
    let router = wrapped.merge(probes);
    Ok(if has_fallback { stack.apply_keeping_fallback(router) } else { stack.apply(router) })
}

/// Merges two routers. The plan has found what collides, unless axum no longer shows its routes
/// the way that is known here; then merging panics.
fn merge(router: Router, other: Router) -> Result<Router, PanicError> {
    catch_unwind(AssertUnwindSafe(|| router.merge(other)))
        .map_err(|payload| PanicError::new(payload.as_ref()))
}

fn list(modules: &[&str]) -> String {
    let quoted: Vec<_> = modules.iter().map(|module| format!("`{module}`")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use framework_core::Chain;

    use super::*;

    #[test]
    fn a_panic_while_merging_becomes_an_error_that_names_the_modules() {
        let router = || Router::new().route("/a", get(async || ()));
        let source = merge(router(), router()).unwrap_err();
        let error = AssembleError::Merge { module: "b", others: vec!["a", "c"], source };
        let text = Chain(&error).to_string();
        assert!(text.starts_with("the routes of `b` do not go with those of `a`, `c`: "), "{text}");
        assert!(text.contains("/a"), "{text}");
    }
}
