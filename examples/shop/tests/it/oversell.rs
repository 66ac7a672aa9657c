use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use serde_json::json;
use tokio::task::JoinSet;

use crate::shop::{Shop, one};

/// Places one order after the other on one connection until `orders` are placed by all together.
async fn buy(shop: Arc<Shop>, left: Arc<AtomicU32>) -> Vec<u16> {
    let (mut client, mut answers) = (shop.client(), Vec::new());
    let take = |left: u32| left.checked_sub(1);
    while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
        answers.push(client.order(None, &one()).await.expect("the shop answers").status);
    }
    answers
}

#[tokio::test]
async fn of_a_thousand_concurrent_orders_for_500_things_exactly_500_succeed() {
    let dir = tempfile::tempdir().unwrap();
    let shop = Arc::new(Shop::start(dir.path()).await);
    shop.stock_up(500).await;

    let left = Arc::new(AtomicU32::new(1000));
    let mut clients = JoinSet::new();
    for _ in 0..64 {
        clients.spawn(buy(Arc::clone(&shop), Arc::clone(&left)));
    }
    let answers = clients.join_all().await.concat();
    let count = |status| answers.iter().filter(|answer| **answer == status).count();
    assert_eq!((count(201), count(409), answers.len()), (500, 500, 1000));

    assert_eq!(shop.stock().await, 0);
    let mut client = shop.client();
    client.get("/orders/500").await.expect(200);
    client.get("/orders/501").await.expect(404);
}

#[tokio::test]
async fn an_order_of_several_lines_takes_all_of_them_or_none() {
    let dir = tempfile::tempdir().unwrap();
    let shop = Arc::new(Shop::start(dir.path()).await);
    shop.stock_up(100).await;
    let mut client = shop.client();
    client.post("/products", &crate::shop::product("B-1", 10)).await.expect(201);

    // Half of them name the products the other way round, as in a deadlock.
    let (there, back) = (["A-1", "B-1"], ["B-1", "A-1"]);
    let mut orders = JoinSet::new();
    for skus in [there, back].into_iter().cycle().take(40) {
        let items = skus.map(|sku| json!({ "sku": sku, "quantity": 1 }));
        let mut client = shop.client();
        orders.spawn(async move { client.order(None, &json!(items)).await.unwrap().status });
    }
    let answers = orders.join_all().await;
    assert_eq!(answers.iter().filter(|status| **status == 201).count(), 10, "{answers:?}");
    assert_eq!(shop.stock().await, 90);
    assert_eq!(client.get("/products/2").await.expect(200)["stock"], 0);
}
