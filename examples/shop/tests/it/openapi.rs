//! The document of the shop says what the shop does.

use serde_json::{Value, json};

use crate::{
    client::{Answer, Client},
    shop::{Shop, one, product},
};

async fn document(client: &mut Client) -> Value {
    client.get("/openapi.json").await.expect(200)
}

/// Each operation with the statuses that it may answer with, a line each.
fn operations(document: &Value) -> String {
    let fields = |value: &Value| value.as_object().cloned().expect("it is an object");
    let mut lines = Vec::new();
    for (path, methods) in fields(&document["paths"]) {
        for (method, operation) in fields(&methods) {
            let answers: Vec<_> =
                fields(&operation["responses"]).into_iter().map(|it| it.0).collect();
            lines.push(format!("{} {path}: {}", method.to_uppercase(), answers.join(" ")));
        }
    }
    lines.join("\n")
}

#[tokio::test]
async fn the_document_names_every_operation_with_all_of_its_answers() {
    let dir = tempfile::tempdir().unwrap();
    let shop = Shop::start(dir.path()).await;
    let document = document(&mut shop.client()).await;
    insta::assert_snapshot!(operations(&document), @"
    GET /categories: 200 400 500 503
    POST /categories: 201 400 408 413 415 422 500 503
    POST /orders: 201 400 408 409 413 415 422 500 503
    GET /orders/{id}: 200 400 404 500 503
    GET /products: 200 400 500 503
    POST /products: 201 400 408 409 413 415 422 500 503
    GET /products/{id}: 200 400 404 500 503
    ");
    assert_eq!(document["info"]["title"], "shop");
    assert_eq!(document["tags"], json!([{ "name": "catalog" }, { "name": "ordering" }]));
}

#[tokio::test]
async fn everything_in_the_document_is_explained() {
    let dir = tempfile::tempdir().unwrap();
    let shop = Shop::start(dir.path()).await;
    let document = document(&mut shop.client()).await;
    let schemas = document["components"]["schemas"].as_object().unwrap();
    assert_eq!(schemas.len(), 12, "{:?}", schemas.keys());
    for (name, schema) in schemas {
        assert!(schema["description"].is_string(), "{name}");
        for (field, schema) in schema["properties"].as_object().unwrap() {
            assert!(schema["description"].is_string(), "{name}.{field}");
        }
    }
}

/// What was answered must be in the document, with this media type.
#[track_caller]
fn is_documented(document: &Value, operation: (&str, &str), answer: &Answer) {
    let (method, path) = operation;
    let answers = &document["paths"][path][method]["responses"];
    let documented = &answers[answer.status.to_string()];
    assert!(documented["description"].is_string(), "{method} {path}: {answer:?}");
    assert!(documented["content"][&answer.content_type].is_object(), "{method} {path}: {answer:?}");
}

#[tokio::test]
async fn whatever_the_shop_answers_is_in_its_document() {
    let dir = tempfile::tempdir().unwrap();
    let shop = Shop::start(dir.path()).await;
    let mut client = shop.client();
    let document = document(&mut client).await;

    let category = json!({ "name": "all" });
    let mut homeless = product("B-1", 1);
    homeless["category"] = json!(7);
    let order = json!({ "items": one() });
    let posts = [
        ("/categories", category.clone(), 201),
        ("/categories", json!({ "name": "" }), 422),
        ("/products", product("A-1", 1), 201),
        ("/products", product("A-1", 1), 409),
        ("/products", homeless, 422),
        ("/orders", order.clone(), 201),
        ("/orders", order.clone(), 409),
        ("/orders", json!({ "items": [{ "sku": "?", "quantity": 1 }] }), 422),
    ];
    for (path, body, status) in posts {
        let answer = client.post(path, &body).await;
        assert_eq!(answer.status, status, "{path} {answer:?}");
        is_documented(&document, ("post", path), &answer);
    }
    for path in ["/categories", "/products", "/orders"] {
        let no_json = client.post_text(path, &[], "{").await;
        let no_type = client.send("POST", path, &[], "{}").await.unwrap();
        let too_large = client.post_text(path, &[], &" ".repeat(3 << 20)).await;
        assert_eq!([no_json.status, no_type.status, too_large.status], [400, 415, 413]);
        for answer in [no_json, no_type, too_large] {
            is_documented(&document, ("post", path), &answer);
        }
    }
    let gets = [
        ("/categories", "/categories", 200),
        ("/products", "/products?limit=0", 400),
        ("/products/{id}", "/products/1", 200),
        ("/products/{id}", "/products/9", 404),
        ("/products/{id}", "/products/x", 400),
        ("/orders/{id}", "/orders/1", 200),
        ("/orders/{id}", "/orders/9", 404),
    ];
    for (path, asked, status) in gets {
        let answer = client.get(asked).await;
        assert_eq!(answer.status, status, "{asked} {answer:?}");
        is_documented(&document, ("get", path), &answer);
    }
}

#[tokio::test]
async fn the_document_says_where_created_things_are() {
    let dir = tempfile::tempdir().unwrap();
    let shop = Shop::start(dir.path()).await;
    let document = document(&mut shop.client()).await;
    for path in ["/products", "/orders"] {
        let header = &document["paths"][path]["post"]["responses"]["201"]["headers"]["location"];
        assert!(header.is_object(), "{path}");
    }
}
