use serde_json::json;
use tokio::task::JoinSet;

use crate::shop::{Shop, one};

#[tokio::test]
async fn a_repeated_key_has_the_first_answer_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let shop = Shop::start(dir.path()).await;
    shop.stock_up(1).await;
    let mut client = shop.client();
    let placed = client.order(Some("k-1"), &one()).await.unwrap();
    let short = client.order(Some("k-2"), &one()).await.unwrap();
    assert_eq!((placed.status, short.status), (201, 409));
    assert_eq!(client.order(Some("k-1"), &one()).await.unwrap(), placed);

    shop.signal(rustix::process::Signal::TERM);
    assert_eq!(shop.ended().await, Some(0));
    let shop = Shop::start(dir.path()).await;
    let mut client = shop.client();
    assert_eq!(client.order(Some("k-1"), &one()).await.unwrap(), placed);
    client.order(Some("k-2"), &one()).await.unwrap().expect(409);
}

#[tokio::test]
async fn white_space_makes_no_other_order() {
    let dir = tempfile::tempdir().unwrap();
    let shop = Shop::start(dir.path()).await;
    shop.stock_up(2).await;
    let mut client = shop.client();
    let first = client.order(Some("k"), &one()).await.unwrap();
    let spaced = "{ \"items\" : [ { \"quantity\": 1, \"sku\": \"A-1\" } ] }";
    let again = client.post_text("/orders", &[("Idempotency-Key", "k")], spaced).await;
    assert_eq!(again, first);
}

#[tokio::test]
async fn a_key_that_comes_with_another_order_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let shop = Shop::start(dir.path()).await;
    shop.stock_up(5).await;
    let mut client = shop.client();
    client.order(Some("k"), &one()).await.unwrap().expect(201);
    let other = json!([{ "sku": "A-1", "quantity": 2 }]);
    let problem = client.order(Some("k"), &other).await.unwrap().expect(422);
    assert_eq!(problem["detail"], "the idempotency key `k` was used for another order");
    assert_eq!(shop.stock().await, 4);
}

#[tokio::test]
async fn of_concurrent_orders_with_one_key_one_is_placed_and_all_have_its_answer() {
    let dir = tempfile::tempdir().unwrap();
    let shop = Shop::start(dir.path()).await;
    shop.stock_up(100).await;
    let mut orders = JoinSet::new();
    for _ in 0..32 {
        let mut client = shop.client();
        orders.spawn(async move { client.order(Some("k"), &one()).await.unwrap() });
    }
    let answers = orders.join_all().await;
    assert_eq!(answers[0].status, 201, "{answers:?}");
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(shop.stock().await, 99);
}
