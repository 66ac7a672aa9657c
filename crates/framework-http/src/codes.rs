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

/// Two operations have one id in the `OpenAPI` document.
pub static OPERATION_CONFLICT: ErrorCode = ErrorCode {
    id: "E0504",
    title: "two operations are called the same",
    page: "\
The id of an operation names it in the OpenAPI document, in links to it and in clients that are
generated from it, so no two can share one. By default it is made of the names of the module and
the handler; it was given at the route, by `.id(\"…\")`, for at least one of these.

Give one of them another id.",
};

/// Two modules call different types the same in the `OpenAPI` document.
pub static SCHEMA_CONFLICT: ErrorCode = ErrorCode {
    id: "E0505",
    title: "two types are called the same in the document",
    page: "\
The OpenAPI document of an application has one list of schemas, and each goes by its type's name.
Two modules use types of one name that look different. None of them is renamed in silence: clients
are generated from these names, and would change whenever a module is added.

Rename one of the types in the document: `#[schemars(rename = \"CatalogItem\")]`. Types that look the
same may share a name.",
};

/// An operation is secured by something that the document does not describe.
pub static UNKNOWN_SECURITY: ErrorCode = ErrorCode {
    id: "E0506",
    title: "a security scheme is not described",
    page: "\
A route says by `.secured_by(\"…\")` what clients have to show, and the document does not say what that
is: a client could not call the operation.

Describe it where the module of the document is made:
`OpenApiModule::new(…).security_scheme(\"token\", SecurityScheme::bearer())`.",
};

/// Every code of this crate, in order.
pub static CODES: &[&ErrorCode] = &[
    &ROUTE_CONFLICT,
    &RESERVED_ROUTE,
    &TWO_FALLBACKS,
    &OPERATION_CONFLICT,
    &SCHEMA_CONFLICT,
    &UNKNOWN_SECURITY,
];
