//! What was acknowledged is there, however the process came to its end.

use std::{collections::HashMap, sync::Arc};

use rustix::process::Signal;
use serde_json::Value;
use tokio::{sync::mpsc, task::JoinSet};

use crate::{
    client::Answer,
    shop::{Shop, one},
};

const STOCK: i64 = 1_000_000;

/// Places orders, each with a key of its own, for as long as the shop answers. Gives the key of the
/// one that was not answered.
async fn buy(
    shop: Arc<Shop>,
    name: usize,
    acknowledged: mpsc::UnboundedSender<(String, Answer)>,
) -> String {
    let mut client = shop.client();
    let mut n = 0;
    loop {
        n += 1;
        let key = format!("{name}-{n}");
        let Ok(answer) = client.order(Some(&key), &one()).await else { return key };
        let _ = acknowledged.send((key, answer));
    }
}

/// Ends the shop by `signal` while 16 clients place orders, starts it again, and compares. Gives the
/// exit code.
async fn end_during_load(signal: Signal) -> Option<i32> {
    let dir = tempfile::tempdir().expect("there is a place for temporary files");
    let shop = Arc::new(Shop::start(dir.path()).await);
    shop.stock_up(STOCK).await;

    let (sender, mut acknowledged) = mpsc::unbounded_channel();
    let mut clients = JoinSet::new();
    for name in 0..16 {
        clients.spawn(buy(Arc::clone(&shop), name, sender.clone()));
    }
    drop(sender);
    let mut answers = HashMap::new();
    while let Some((key, answer)) = acknowledged.recv().await {
        answers.insert(key, answer);
        if answers.len() == 300 {
            shop.signal(signal);
        }
    }
    let unanswered = clients.join_all().await;
    let shop = Arc::into_inner(shop).expect("all clients have ended");
    let code = shop.ended().await;

    compare(&Shop::start(dir.path()).await, &answers, &unanswered).await;
    code
}

async fn compare(shop: &Shop, answers: &HashMap<String, Answer>, unanswered: &[String]) {
    let mut client = shop.client();
    let sold = STOCK - shop.stock().await;
    for answer in answers.values() {
        let order = answer.expect(201);
        let found = client.get(&format!("/orders/{}", order["id"])).await.expect(200);
        assert_eq!(found, order, "an acknowledged order is as it was acknowledged");
    }
    let mut orders = 0;
    while client.get(&format!("/orders/{}", orders + 1)).await.status == 200 {
        orders += 1;
    }
    assert_eq!(sold, orders, "each order has taken its stock, and nothing else has");
    let acknowledged = count(answers.len());
    let open = count(unanswered.len());
    assert!((acknowledged..=acknowledged + open).contains(&orders), "{orders} orders");

    // Whoever had no answer asks again, and has one order whatever became of the first attempt.
    let mut ids: Vec<Value> = answers.values().map(|answer| answer.json()["id"].clone()).collect();
    for key in unanswered {
        ids.push(
            client.order(Some(key), &one()).await.expect("the shop answers").expect(201)["id"]
                .clone(),
        );
    }
    ids.sort_by_key(Value::as_i64);
    ids.dedup();
    assert_eq!(ids.len(), answers.len() + unanswered.len(), "no two keys share an order");
    assert_eq!(STOCK - shop.stock().await, acknowledged + open);
}

fn count(len: usize) -> i64 {
    len.try_into().expect("there are not that many")
}

#[tokio::test]
async fn a_kill_during_load_loses_no_acknowledged_order() {
    assert_eq!(end_during_load(Signal::KILL).await, None);
}

#[tokio::test]
async fn being_told_to_stop_during_load_loses_no_acknowledged_order_and_ends_with_0() {
    assert_eq!(end_during_load(Signal::TERM).await, Some(0));
}
