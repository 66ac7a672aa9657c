//! Every way to get something wrong, and that each answer is a problem document which says what.

use serde_json::{Value, json};

use crate::{
    client::{Answer, Client},
    shop::{Shop, one, product},
};

/// The answer must be a problem document with `status`; its detail and its errors, in one line.
#[track_caller]
fn problem(answer: &Answer, status: u16) -> String {
    let document = answer.expect(status);
    assert_eq!(document["status"], status);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let errors = document["errors"].as_array().cloned().unwrap_or_default();
    let errors = errors.iter().map(|error| {
        let place =
            if error["pointer"].is_string() { &error["pointer"] } else { &error["parameter"] };
        format!(" [{} {}]", text(place), text(&error["detail"]))
    });
    text(&document["detail"]) + &errors.collect::<String>()
}

async fn order(client: &mut Client, items: Value) -> Answer {
    client.order(None, &items).await.expect("the shop answers")
}

#[tokio::test]
async fn products_and_categories_are_checked() {
    let dir = tempfile::tempdir().unwrap();
    let shop = Shop::start(dir.path()).await;
    shop.stock_up(1).await;
    let mut client = shop.client();

    let nameless = client.post("/categories", &json!({ "name": "  " })).await;
    let wrong = json!({
        "sku": "s".repeat(65), "name": "", "price_cents": -1, "category": 1, "stock": -1,
    });
    let wrong = client.post("/products", &wrong).await;
    let mut homeless = product("B-1", 1);
    homeless["category"] = json!(7);
    let homeless = client.post("/products", &homeless).await;
    let mut fraction = product("B-1", 1);
    fraction["price_cents"] = json!(2.5);
    let fraction = client.post("/products", &fraction).await;
    let again = client.post("/products", &product("A-1", 1)).await;
    insta::assert_snapshot!(
        [
            problem(&nameless, 422),
            problem(&wrong, 422),
            problem(&homeless, 422),
            problem(&fraction, 422),
            problem(&again, 409),
            problem(&client.get("/products/2").await, 404),
            problem(&client.get("/products?limit=0").await, 400),
            problem(&client.get("/products?limit=1001").await, 400),
            problem(&client.get("/products?after=x").await, 400),
        ]
        .join("\n"),
        @"
    the body is JSON, and not what this operation takes [/name must not be blank]
    the body is JSON, and not what this operation takes [/name must not be empty] [/price_cents must not be negative] [/sku must have at most 64 characters] [/stock must not be negative]
    there is no category 7 [/category is no category's id]
    the body is JSON, and not what this operation takes [/price_cents must be a whole number]
    there is a product `A-1` already [/sku is taken]
    there is no product 2
    the query is not what this operation takes [limit must be from 1 to 1000]
    the query is not what this operation takes [limit must be from 1 to 1000]
    the query is not what this operation takes [after must be a whole number]
    "
    );
}

#[tokio::test]
async fn orders_are_checked() {
    let dir = tempfile::tempdir().unwrap();
    let shop = Shop::start(dir.path()).await;
    shop.stock_up(5).await;
    let mut client = shop.client();
    let mut dear = product("DEAR", 5);
    dear["price_cents"] = json!(i64::MAX);
    client.post("/products", &dear).await.expect(201);

    let of = |quantity: i64| json!([{ "sku": "A-1", "quantity": quantity }]);
    let too_long = "k".repeat(256);
    let body = json!({ "items": one() }).to_string();
    insta::assert_snapshot!(
        [
            problem(&order(&mut client, json!([])).await, 422),
            problem(&order(&mut client, of(0)).await, 422),
            problem(&order(&mut client, of(-1)).await, 422),
            problem(&order(&mut client, of(1001)).await, 422),
            problem(&order(&mut client, of(6)).await, 409),
            problem(&order(&mut client, json!([one()[0], one()[0]])).await, 422),
            problem(&order(&mut client, json!([{ "sku": "NO-1", "quantity": 1 }])).await, 422),
            problem(&order(&mut client, json!([{ "sku": "DEAR", "quantity": 2 }])).await, 422),
            problem(&order(&mut client, json!([{ "sku": "A-1", "quantity": "1" }])).await, 422),
            problem(&client.post_text("/orders", &[], "{\"items\": [").await, 400),
            problem(&client.post_text("/orders", &[], "[]").await, 422),
            problem(&client.post_text("/orders", &[("idempotency-key", &too_long)], &body).await, 400),
            problem(&client.post_text("/orders", &[("idempotency-key", "a b")], &body).await, 400),
            problem(&client.send("POST", "/orders", &[], &body).await.unwrap(), 415),
            problem(&client.get("/orders/1").await, 404),
            problem(&client.get("/nowhere").await, 404),
            problem(&client.send("DELETE", "/orders", &[], "").await.unwrap(), 405),
        ]
        .join("\n"),
        @r#"
    the body is JSON, and not what this operation takes [/items must not be empty]
    the body is JSON, and not what this operation takes [/items/0/quantity must be at least 1]
    the body is JSON, and not what this operation takes [/items/0/quantity must be at least 1]
    the request has values that cannot be used [/items/0/quantity must be from 1 to 1000]
    there is not enough of `A-1`
    the request has values that cannot be used [/items/1/sku is in the order already]
    there is no product `NO-1`
    the order costs more than can be counted
    the body is JSON, and not what this operation takes [/items/0/quantity must be a whole number]
    the body is not JSON [ EOF while parsing a list]
    the body is JSON, and not what this operation takes [ must be an object]
    an idempotency key has 1 to 255 characters, each of them visible ASCII
    an idempotency key has 1 to 255 characters, each of them visible ASCII
    the body must be JSON, with `content-type: application/json`
    there is no order 1
    nothing is served at `/nowhere`
    `/orders` does not take `DELETE`
    "#
    );
    assert_eq!(shop.stock().await, 5, "nothing was sold");
}
