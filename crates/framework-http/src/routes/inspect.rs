use std::collections::BTreeMap;

use axum::Router;

/// What a router serves. An axum router tells nobody but its `Debug` output, so that is what is
/// read here; a test holds axum to the form. Should the form change, routes are no longer listed
/// and their conflicts are found when the routers are merged, at start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Inspected {
    /// Each path with its methods, by path.
    pub(super) routes: BTreeMap<String, Methods>,
    /// Whether the router answers what no route matches.
    pub(super) has_fallback: bool,
}

/// The methods that one path takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Methods {
    /// Whatever comes.
    Any,
    /// These.
    Some(Vec<&'static str>),
}

impl Methods {
    /// Whether a request with `method` goes to one of them.
    pub(super) fn take(&self, method: &http::Method) -> bool {
        match self {
            Self::Any => true,
            Self::Some(methods) => {
                // Where nobody takes HEAD itself, GET answers it.
                let head = *method == http::Method::HEAD && methods.contains(&"GET");
                head || methods.contains(&method.as_str())
            }
        }
    }
}

/// The methods as fields of axum's `MethodRouter`.
const FIELDS: [(&str, &str); 9] = [
    ("get: ", "GET"),
    ("head: ", "HEAD"),
    ("delete: ", "DELETE"),
    ("options: ", "OPTIONS"),
    ("patch: ", "PATCH"),
    ("post: ", "POST"),
    ("put: ", "PUT"),
    ("trace: ", "TRACE"),
    ("connect: ", "CONNECT"),
];

/// Lists what `router` serves; `None` if its `Debug` output is not understood.
pub(super) fn inspect<S>(router: &Router<S>) -> Option<Inspected> {
    parse(&format!("{router:?}"))
}

/// The paths of `router`, as templates; none if its `Debug` output is not understood.
pub(crate) fn paths<S>(router: &Router<S>) -> Vec<String> {
    inspect(router).map(|inspected| inspected.routes.into_keys().collect()).unwrap_or_default()
}

/// A path for people: the rest of a nested path has a name of axum's own.
pub(crate) fn shown(path: &str) -> String {
    path.replace("{*__private__axum_nest_tail_param}", "{*rest}")
}

fn parse(text: &str) -> Option<Inspected> {
    let routes = text.strip_prefix("Router { path_router: PathRouter { routes: {")?;
    let (routes, rest) = routes.split_once("}, node: Node { paths: {")?;
    let (paths, rest) = parse_paths(rest)?;
    let rest = rest.strip_prefix("} } }, fallback_router: ")?;
    let has_fallback = !rest.contains("default_fallback: true");
    let methods = parse_routes(routes)?;
    if methods.len() != paths.len() {
        return None;
    }
    let routes = paths.into_iter().map(|(id, path)| Some((path, methods.get(id)?.clone())));
    Some(Inspected { routes: routes.collect::<Option<_>>()?, has_fallback })
}

/// Reads `RouteId(1): "/a", RouteId(2): "/b"`, and gives back what follows.
fn parse_paths(mut text: &str) -> Option<(Vec<(&str, String)>, &str)> {
    let mut paths = Vec::new();
    while let Some(rest) = text.strip_prefix("RouteId(") {
        let (id, rest) = rest.split_once("): \"")?;
        let (path, rest) = parse_string(rest)?;
        paths.push((id, path));
        text = rest.strip_prefix(", ").unwrap_or(rest);
    }
    Some((paths, text))
}

/// Reads up to the closing quote.
fn parse_string(text: &str) -> Option<(String, &str)> {
    let mut unescaped = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((unescaped, &text[at + 1..])),
            '\\' => match chars.next()?.1 {
                same @ ('"' | '\\' | '\'') => unescaped.push(same),
                _ => return None,
            },
            _ => unescaped.push(c),
        }
    }
    None
}

/// Reads `RouteId(1): MethodRouter(MethodRouter { … }), RouteId(2): Route(Route)`.
fn parse_routes(text: &str) -> Option<BTreeMap<&str, Methods>> {
    let routes = text.split("RouteId(").skip(1).map(|route| {
        let (id, endpoint) = route.split_once("): ")?;
        Some((id, parse_endpoint(endpoint)?))
    });
    routes.collect()
}

fn parse_endpoint(text: &str) -> Option<Methods> {
    if text.starts_with("Route(Route)") {
        return Some(Methods::Any);
    }
    let fields = text.strip_prefix("MethodRouter(MethodRouter { ")?;
    let (methods, rest) = fields.split_once(", fallback: ")?;
    if !rest.starts_with("Default(") {
        return Some(Methods::Any);
    }
    let fields = methods.split(", ");
    if fields.clone().count() != FIELDS.len() {
        return None;
    }
    let mut taken = Vec::new();
    for (field, (prefix, method)) in fields.zip(FIELDS) {
        match field.strip_prefix(prefix)? {
            "None" => {}
            "Route" | "BoxedHandler" => taken.push(method),
            _ => return None,
        }
    }
    Some(Methods::Some(taken))
}

#[cfg(test)]
mod tests {
    use axum::{
        extract::State,
        routing::{any, delete, get, get_service, post},
    };

    use super::*;

    async fn plain() {}

    async fn stateful(State(_): State<u8>) {}

    /// The routes as text, a line each.
    fn lines<S>(router: &Router<S>) -> Vec<String> {
        let inspected = inspect(router).expect("the form of axum's output is the one known here");
        let line = |(path, methods): (String, Methods)| match methods {
            Methods::Any => format!("* {path}"),
            Methods::Some(methods) => format!("{} {path}", methods.join(",")),
        };
        let mut lines: Vec<_> = inspected.routes.into_iter().map(line).collect();
        lines.push(format!("fallback: {}", inspected.has_fallback));
        lines
    }

    #[test]
    fn every_form_of_route_is_listed_with_its_methods() {
        let nested = Router::new().route("/", get(stateful)).route("/q\"\\{z}", delete(plain));
        let router: Router<u8> = Router::new()
            .route("/a/{x}", get(stateful).post(plain))
            .route("/any", any(stateful))
            .nest("/n", nested)
            .merge(Router::new().route("/m", post(stateful)))
            .route_service("/service", get_service(get(plain)))
            .nest_service("/files", get_service(get(plain)));
        let expected = [
            "GET,POST /a/{x}",
            "* /any",
            "* /files",
            "* /files/",
            "* /files/{*__private__axum_nest_tail_param}",
            "POST /m",
            "GET /n",
            "DELETE /n/q\"\\{z}",
            "* /service",
            "fallback: false",
        ];
        assert_eq!(lines(&router), expected);
        assert_eq!(lines(&router.with_state::<()>(7)), expected);
    }

    #[test]
    fn a_router_with_nothing_in_it_and_a_fallback_of_its_own_are_told_apart() {
        assert_eq!(lines(&Router::<()>::new()), ["fallback: false"]);
        assert_eq!(lines(&Router::<()>::new().fallback(plain)), ["fallback: true"]);
    }

    #[test]
    fn what_is_not_understood_is_not_guessed() {
        for text in [
            "",
            "Router",
            "Router { path_router: PathRouter { routes: {}, node: Node { paths: {RouteId(1): \"/a\"} } }, fallback_router: x }",
            "Router { path_router: PathRouter { routes: {RouteId(1): Odd}, node: Node { paths: {RouteId(1): \"/a\"} } }, fallback_router: x }",
            "Router { path_router: PathRouter { routes: {}, node: Node { paths: {RouteId(1): \"/a",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
