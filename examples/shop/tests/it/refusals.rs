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
        let place = if error["pointer"].is_string() { &error["pointer"] } else { &error["parameter"] };
        format!(" [{} {}]", text(place), text(&error["detail"]))
    });
    text(&document["detail"]) + &errors.collect::<String>()
}

async fn order(client: &mut Client, items: Value) -> Answer {
    client.order(None, &items).await.unwrap()
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
        @""
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
        @""
    );
    assert_eq!(shop.stock().await, 5, "nothing was sold");
}
