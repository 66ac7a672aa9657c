//! The document of what modules serve, and the page that shows it.

use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, State},
    routing,
};
use framework_core::{BoxModule, module_fn};
use framework_http::{
    Created, HttpExt as _, HttpHandle, HttpModule, HttpSettings, Json, NoContent, Path, Problem,
    Query, RateLimitModule, RateLimitSettings, Valid,
    openapi::{
        ApiInput, ApiOperation, ApiRouter, OpenApiExt, OpenApiModule, OpenApiSettings,
        SecurityScheme, delete, get, post,
    },
};
use framework_registry::Plan;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::app::{App, plan};

/// Something that is for sale.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
struct Product {
    /// The name by which it is ordered.
    #[schemars(length(min = 1, max = 64))]
    sku: String,
    /// How many there are.
    #[serde(default)]
    stock: u32,
}

/// Which products.
#[derive(Debug, Deserialize, JsonSchema)]
struct Wanted {
    /// How many at most.
    limit: Option<u8>,
    /// Part of the name.
    name: String,
}

/// Products, and whether there are more.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Products {
    items: Vec<Product>,
    more: bool,
}

async fn list_products(
    State(_): State<()>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Products>, Problem> {
    let _ = (wanted.limit, wanted.name);
    Ok(Json(Products { items: Vec::new(), more: false }))
}

async fn add_product(Valid(Json(new)): Valid<Json<Product>>) -> Created<Product> {
    Created::new(new).at("/products/1")
}

async fn show_product(Path(id): Path<u32>) -> Result<Json<Product>, Problem> {
    Ok(Json(Product { sku: format!("A-{id}"), stock: 0 }))
}

async fn remove(Path((shelf, id)): Path<(String, u32)>) -> NoContent {
    let _ = (shelf, id);
    NoContent
}

fn catalog() -> BoxModule {
    let products = ApiRouter::new()
        .route("/products", get(list_products).tag("search").post(add_product))
        .route(
            "/products/{id}",
            get(show_product)
                .problem(StatusCode::NOT_FOUND, "there is no such product")
                .description("It is *looked up*."),
        );
    module("catalog", products)
}

fn shelves() -> BoxModule {
    let shelves = ApiRouter::new()
        .nest(
            "/shelves",
            ApiRouter::new().route(
                "/{shelf}/{id}",
                delete(remove).deprecated().secured_by("token").summary("Take it away"),
            ),
        )
        .undocumented(Router::new().route("/hidden", routing::get(async || "hidden")));
    module("shelves", shelves)
}

fn module(name: &'static str, router: ApiRouter<()>) -> BoxModule {
    BoxModule::new(module_fn(name, |reg| reg.api_with(router, |_| Ok(()))))
}

fn api() -> OpenApiModule {
    OpenApiModule::new("Shop", "1.0.0")
        .settings(OpenApiSettings::default())
        .security_scheme("token", SecurityScheme::bearer())
}

fn http() -> HttpModule {
    HttpModule::new()
        .settings(HttpSettings { addr: "127.0.0.1:0".to_owned(), ..HttpSettings::default() })
}

/// The document of an application with these modules.
#[track_caller]
fn document<const N: usize>(modules: [BoxModule; N]) -> Value {
    let api = api();
    let document = api.document();
    assert_eq!(document.get(), None, "there is nothing to document before the plan");
    let all = modules.into_iter().chain([BoxModule::new(api), BoxModule::new(http())]);
    Plan::new(all).unwrap_or_else(|error| panic!("{error}"));
    Value::clone(&document.get().unwrap())
}

/// What is wrong with an application of these modules.
#[track_caller]
fn mistakes<const N: usize>(modules: [BoxModule; N]) -> String {
    let all = modules.into_iter().chain([BoxModule::new(api()), BoxModule::new(http())]);
    Plan::new(all).unwrap_err().to_string()
}

async fn ask(handle: &HttpHandle, path: &str) -> (StatusCode, HeaderMap, String) {
    let response = handle.call(Request::get(path).body(Body::empty()).unwrap()).await;
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap())
}

#[test]
fn two_modules_make_one_document() {
    let document = document([catalog(), shelves()]);
    let mut shown = document.clone();
    // It is the same in every document, and has a test of its own.
    shown["components"]["schemas"]
        .as_object_mut()
        .unwrap()
        .retain(|name, _| !["Problem", "FieldError"].contains(&name.as_str()));
    insta::assert_snapshot!(format!("{shown:#}"));
    assert!(document["components"]["schemas"]["Problem"]["properties"]["errors"].is_object());
}

#[test]
fn a_parser_of_openapi_3_1_takes_the_document_and_finds_every_reference() {
    let document = document([catalog(), shelves()]);
    let spec = oas3::from_json(document.to_string()).unwrap();
    assert_eq!(spec.openapi, "3.1.0");
    let names: Vec<_> = spec
        .operations()
        .map(|(path, method, it)| (path, method.to_string(), it.operation_id.clone().unwrap()))
        .collect();
    assert_eq!(names.len(), 4, "{names:?}");
    for (_, _, operation) in spec.operations() {
        for response in operation.responses(&spec).values() {
            for media in response.content.values() {
                media.schema(&spec).unwrap();
            }
        }
        operation.parameters(&spec).unwrap();
    }
    // And those that the parser does not follow.
    let mut references = Vec::new();
    find(&document, &mut references);
    assert!(references.len() > 10);
    for reference in references {
        assert!(document.pointer(&reference[1..]).is_some(), "{reference} leads nowhere");
    }
}

fn find(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            references.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
            map.values().for_each(|value| find(value, references));
        }
        Value::Array(items) => items.iter().for_each(|value| find(value, references)),
        _ => {}
    }
}

#[test]
fn a_module_that_is_not_in_the_application_is_not_in_its_document() {
    let document = document([shelves()]);
    let paths: Vec<_> = document["paths"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(paths, ["/shelves/{shelf}/{id}"]);
    assert_eq!(document["tags"], json!([{ "name": "shelves" }]));
    assert_eq!(document["components"]["schemas"]["Product"], Value::Null);
}

#[test]
fn the_order_of_modules_changes_no_id_and_no_schema() {
    let (one, other) = (document([catalog(), shelves()]), document([shelves(), catalog()]));
    assert_eq!((&one["paths"], &one["components"]), (&other["paths"], &other["components"]));
}

#[test]
fn what_a_middleware_answers_is_documented_where_it_is_in_the_application() {
    let limited = || {
        let module = RateLimitModule::new().settings(RateLimitSettings::default());
        document([catalog(), BoxModule::new(module)])
    };
    let pointer = "/paths/~1products/get/responses/429";
    assert!(document([catalog()]).pointer(pointer).is_none());
    assert!(limited().pointer(pointer).is_some());

    let login = module_fn("login", |reg| {
        reg.common_problem(StatusCode::UNAUTHORIZED, "nobody is logged in");
    });
    let document = document([catalog(), BoxModule::new(login)]);
    let answer = document.pointer("/paths/~1products/post/responses/401").unwrap();
    assert_eq!(answer["description"], "nobody is logged in");
}

#[test]
fn problems_with_a_body_are_documented_for_operations_that_take_one() {
    let document = document([catalog()]);
    let statuses = |method: &str| -> Vec<String> {
        let answers = &document["paths"]["/products"][method]["responses"];
        answers.as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(statuses("get"), ["200", "400", "500", "503", "default"]);
    assert_eq!(statuses("post"), ["201", "400", "408", "413", "415", "422", "500", "503"]);
}

#[test]
fn an_operation_that_names_its_problems_is_closed() {
    let document = document([catalog()]);
    let answers = &document["paths"]["/products/{id}"]["get"]["responses"];
    assert_eq!(answers["404"]["description"], "there is no such product");
    assert_eq!(answers["default"], Value::Null);
}

#[test]
fn one_id_for_two_operations_is_a_mistake() {
    let operation = |path| ApiRouter::new().route(path, get(async || NoContent).id("answer"));
    let text = mistakes([module("a", operation("/a")), module("b", operation("/b"))]);
    assert!(text.starts_with("error[E0504]: two operations are called `answer`"), "{text}");
    for line in ["`a`: `GET /a`", "`b`: `GET /b`", "tests/it/openapi.rs"] {
        assert!(text.contains(line), "`{line}` in {text}");
    }
}

#[test]
fn ids_that_nobody_chose_never_collide() {
    let twice = ApiRouter::new()
        .route("/a/{id}", get(show_product))
        .route("/b/{id}", get(show_product))
        .route("/c", get(async || NoContent).post(async || NoContent));
    let document = document([catalog(), module("twice", twice)]);
    let id = |path: &str, method: &str| document["paths"][path][method]["operationId"].clone();
    assert_eq!(id("/products/{id}", "get"), "catalog_show_product");
    assert_eq!(id("/a/{id}", "get"), "twice_get_a_id");
    assert_eq!(id("/b/{id}", "get"), "twice_get_b_id");
    assert_eq!(id("/c", "get"), "twice_get_c");
    assert_eq!(id("/c", "post"), "twice_post_c");
}

mod other {
    use super::*;

    /// Something else by the same name.
    #[derive(Serialize, JsonSchema)]
    pub(super) struct Product {
        pub(super) weight: f64,
    }
}

#[test]
fn one_name_for_two_types_of_two_modules_is_a_mistake_and_for_like_ones_it_is_none() {
    let weighed = async || Json(other::Product { weight: 1.0 });
    let other = module("weighing", ApiRouter::new().route("/weight", get(weighed)));
    let text = mistakes([catalog(), other]);
    assert!(
        text.starts_with("error[E0505]: two modules call different things `Product`"),
        "{text}"
    );
    assert!(text.contains("`catalog`") && text.contains("`weighing`"), "{text}");
    assert!(text.contains("#[schemars(rename"), "{text}");

    let same = module("same", ApiRouter::new().route("/same/{id}", get(show_product)));
    let document = document([catalog(), same]);
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let named: Vec<_> = schemas.keys().filter(|name| name.contains("Product")).collect();
    assert_eq!(named, ["Product", "ProductInput", "Products"]);
}

#[test]
fn a_type_of_the_application_cannot_take_the_name_of_problem_documents() {
    #[derive(Serialize, JsonSchema)]
    #[schemars(rename = "Problem")]
    struct Mine {
        hard: bool,
    }
    let router = ApiRouter::new().route("/mine", get(async || Json(Mine { hard: true })));
    let text = mistakes([module("mine", router)]);
    assert!(text.starts_with("error[E0505]"), "{text}");
}

#[test]
fn a_security_scheme_that_nobody_describes_is_a_mistake() {
    let router = ApiRouter::new().route("/a", get(async || NoContent).secured_by("tokne"));
    let text = mistakes([module("a", router)]);
    assert!(text.starts_with("error[E0506]"), "{text}");
    assert!(text.contains("`tokne`") && text.contains("GET /a"), "{text}");
}

#[test]
fn without_the_module_the_routes_are_just_served() {
    let plan = plan([catalog(), shelves(), BoxModule::new(http())]);
    assert!(plan.to_string().contains("catalog"));
}

#[test]
fn an_extractor_of_ones_own_says_what_it_reads() {
    struct Language;
    impl ApiInput for Language {
        fn describe(operation: &mut ApiOperation<'_>) {
            operation.header::<String>("accept-language", false, "the language of the answer");
        }
    }
    impl<S: Sync> axum::extract::FromRequestParts<S> for Language {
        type Rejection = std::convert::Infallible;
        async fn from_request_parts(
            _: &mut http::request::Parts,
            _: &S,
        ) -> Result<Self, Self::Rejection> {
            Ok(Self)
        }
    }
    async fn greet(_: Language) -> &'static str {
        "hello"
    }
    let document = document([module("greet", ApiRouter::new().route("/", get(greet)))]);
    let expected = json!([{
        "name": "accept-language", "in": "header", "required": false,
        "description": "the language of the answer", "schema": { "type": "string" },
    }]);
    assert_eq!(document["paths"]["/"]["get"]["parameters"], expected);
}

#[test]
fn a_parameter_that_no_handler_reads_is_documented_all_the_same() {
    let router = ApiRouter::new().route("/files/{*rest}", get(async || NoContent));
    let document = document([module("files", router)]);
    let parameters = &document["paths"]["/files/{rest}"]["get"]["parameters"];
    let expected =
        json!([{ "name": "rest", "in": "path", "required": true, "schema": { "type": "string" } }]);
    assert_eq!(*parameters, expected);
}

#[test]
fn layers_go_around_routes_that_are_documented() {
    let router = ApiRouter::new()
        .route("/a", post(add_product).with(|methods| methods.layer(DefaultBodyLimit::max(10))))
        .with(|router| router.layer(DefaultBodyLimit::max(1000)));
    assert!(document([module("a", router)])["paths"]["/a"]["post"].is_object());
}

#[tokio::test]
async fn the_document_and_its_page_are_served_and_the_page_asks_nobody_else() {
    let (http, api) = (http(), api());
    let (handle, document) = (http.handle(), api.document());
    let _app = App::ready(plan([catalog(), BoxModule::new(http), BoxModule::new(api)])).await;

    let (status, headers, text) = ask(&handle, "/openapi.json").await;
    assert_eq!(
        (status, &headers["content-type"]),
        (StatusCode::OK, &"application/json".parse().unwrap())
    );
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), *document.get().unwrap());

    let mut resources = vec!["/docs".to_owned()];
    let mut seen = 0;
    while let Some(path) = resources.pop() {
        let (status, headers, text) = ask(&handle, &path).await;
        assert_eq!(status, 200, "{path}");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none';"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
        // Nothing that leads elsewhere, and nothing that the policy would stop.
        for foreign in
            ["http:", "https:", "url(", "@import", "=\"//", "innerHTML", "style=\"", "onclick"]
        {
            assert!(!text.contains(foreign), "`{foreign}` in {path}");
        }
        for (_, rest) in text.match_indices("=\"/").map(|(at, _)| text.split_at(at + 2)) {
            let found = rest.split('"').next().unwrap();
            if found != "/openapi.json" {
                resources.push(found.to_owned());
            }
        }
        assert!(!text.contains("<script>") && !text.contains("<style>"), "{path}");
        seen += 1;
    }
    assert_eq!(seen, 3, "the page, its script and its style");
}

#[tokio::test]
async fn the_settings_say_where_the_document_is_and_whether() {
    let served = async |settings: OpenApiSettings| {
        let http = http();
        let handle = http.handle();
        let api = BoxModule::new(api().settings(settings));
        let _app = App::ready(plan([shelves(), BoxModule::new(http), api])).await;
        let mut found = Vec::new();
        for path in ["/openapi.json", "/docs", "/api.json", "/hidden"] {
            if ask(&handle, path).await.0 == 200 {
                found.push(path);
            }
        }
        found
    };
    let moved =
        OpenApiSettings { path: "/api.json".to_owned(), docs: String::new(), ..Default::default() };
    assert_eq!(served(moved).await, ["/api.json", "/hidden"]);
    let off = OpenApiSettings { enabled: false, ..Default::default() };
    assert_eq!(served(off).await, ["/hidden"]);
    assert_eq!(served(OpenApiSettings::default()).await, ["/openapi.json", "/docs", "/hidden"]);
}

#[tokio::test]
async fn a_route_in_the_place_of_the_document_is_found_when_the_server_starts() {
    let taken = BoxModule::new(module_fn("taken", |reg| {
        let router = Router::new().route("/docs", routing::get(async || "mine"));
        reg.routes_with(router, |_| Ok(()));
    }));
    let plan = plan([taken, BoxModule::new(http()), BoxModule::new(api())]);
    let error = App::start(plan).await.err().unwrap().to_string();
    assert!(error.contains("do not go with those of `taken`"), "{error}");
}

#[test]
fn paths_that_cannot_be_served_are_refused_by_their_keys() {
    use framework_config::{Faults, Settings as _};
    let faults = |path: &str, docs: &str| {
        let mut faults = Faults::new();
        let (path, docs) = (path.to_owned(), docs.to_owned());
        OpenApiSettings { path, docs, enabled: true }.validate(&mut faults);
        faults.len()
    };
    assert_eq!(faults("/openapi.json", "/docs"), 0);
    assert_eq!(faults("/openapi.json", ""), 0);
    assert_eq!(faults("", "docs"), 2);
    assert_eq!(faults("/{id}", "/a\"b"), 2);
    assert_eq!(faults("/docs", "/docs"), 1);
}

#[tokio::test]
async fn applications_with_clones_of_one_module_have_each_their_own_document() {
    let (api, one, other) = (api(), http(), http());
    let handles = (one.handle(), other.handle());
    let modules = |http, module| [BoxModule::new(http), BoxModule::new(api.clone()), module];
    let plans = (plan(modules(one, catalog())), plan(modules(other, shelves())));
    let _apps = (App::ready(plans.0).await, App::ready(plans.1).await);
    let paths = async |handle| {
        let document: Value = serde_json::from_str(&ask(handle, "/openapi.json").await.2).unwrap();
        document["paths"].as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(paths(&handles.0).await, ["/products", "/products/{id}"]);
    assert_eq!(paths(&handles.1).await, ["/shelves/{shelf}/{id}"]);
    let last = api.document().get().unwrap();
    assert!(last["paths"]["/shelves/{shelf}/{id}"].is_object(), "that of the last plan");
}
