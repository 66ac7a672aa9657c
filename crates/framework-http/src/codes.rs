//! The codes of this crate's errors, each with its page.

use framework_core::ErrorCode;

/// Two routes collide.
pub static ROUTE_CONFLICT: ErrorCode = ErrorCode {
    id: "E0501",
    title: "two routes collide",
    page: "\
Two modules serve one path with one method, or two paths that the router cannot tell apart:
`/a/{x}` and `/a/{y}` match the same requests, and `/a/{*rest}` matches all that `/a/{x}` does.

The message shows both routes with the modules and the places that they come from. Rename one of
them, or serve both methods from one module. Paths that differ only in the name of a parameter
must use one name for it, even if their methods differ.",
};

/// A route takes the place of one of the server's own.
pub static RESERVED_ROUTE: ErrorCode = ErrorCode {
    id: "E0502",
    title: "a route takes a path of the server's own",
    page: "\
The server answers `/livez`, `/readyz`, `/startupz` and `/health` itself: load balancers and
orchestrators rely on what these say, so no module can take them over.

Serve the route at another path. To have a say in readiness, contribute a health check.",
};

/// Two modules have a fallback.
pub static TWO_FALLBACKS: ErrorCode = ErrorCode {
    id: "E0503",
    title: "two modules answer everything else",
    page: "\
A router's `fallback` answers every request that no route matches, whichever module the path looks
like. An application can have only one of these, and here two modules bring one.

Remove one of them, or bind it to a path of its own with a wildcard: `/docs/{*rest}`.",
};

/// Every code of this crate, in order.
pub static CODES: &[&ErrorCode] = &[&ROUTE_CONFLICT, &RESERVED_ROUTE, &TWO_FALLBACKS];
