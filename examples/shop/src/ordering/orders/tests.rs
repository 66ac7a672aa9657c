use std::{
    sync::Mutex,
    time::{Duration, SystemTime},
};

use framework::core::BoxFuture;
use tokio::sync::Notify;

use super::*;
use crate::{
    catalog::{self, Categories, NewCategory, NewProduct, Products, Wanted},
    infra::{DatabaseSettings, run_migrations},
    ordering::{self, Recorded},
};

/// A shop with one product `A`, of which there are five for 10 cents each.
struct Rig {
    database: Arc<Database>,
    products: Products,
    orders: Orders,
    clock: Arc<FakeClock>,
    _dir: tempfile::TempDir,
}

/// A clock that goes where it is put.
#[derive(Debug)]
struct FakeClock(Mutex<SystemTime>);

impl FakeClock {
    fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Duration {
        self.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap()
    }

    fn wall(&self) -> SystemTime {
        *self.0.lock().unwrap()
    }

    fn sleep(&self, _duration: Duration) -> BoxFuture<()> {
        Box::pin(std::future::pending())
    }
}

impl Rig {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", dir.path().join("app.db").display());
        let settings = DatabaseSettings { url, ..DatabaseSettings::default() };
        let database = Arc::new(Database::open(&settings).await.unwrap());
        let migrations = [("catalog", catalog::MIGRATIONS), ("ordering", ordering::MIGRATIONS)];
        run_migrations(&database, &migrations, true).await.unwrap();
        let clock = Arc::new(FakeClock(Mutex::new(SystemTime::UNIX_EPOCH + DAY * 20_000)));
        let settings = Config::fixed(OrderingSettings::default());
        let inventory = Arc::new(Inventory);
        let orders =
            Orders::new(Arc::clone(&database), inventory, settings, Arc::clone(&clock) as _);
        let products = Products::new(Arc::clone(&database));
        let category = Categories::new(Arc::clone(&database));
        category.add(NewCategory { name: "all".to_owned() }).await.unwrap();
        let rig = Self { database, products, orders, clock, _dir: dir };
        rig.product("A", 10, 5).await;
        rig
    }

    async fn product(&self, sku: &str, price_cents: i64, stock: i64) {
        let (sku, name) = (sku.to_owned(), sku.to_owned());
        let new = NewProduct { sku, name, price_cents, category: 1, stock };
        self.products.add(new).await.unwrap();
    }

    async fn stock(&self) -> i64 {
        self.products.find(1).await.unwrap().unwrap().stock
    }

    async fn restock(&self, stock: i64) {
        let mut tx = self.database.write().await.unwrap();
        let update = sqlx::query("UPDATE products SET stock = ? WHERE id = 1").bind(stock);
        update.execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn place(&self, key: &str, items: &[(&str, i64)]) -> Result<Answer, PlaceError> {
        let key = IdempotencyKey::parse(key).unwrap();
        self.orders.place(&order(items), Some(&key)).await
    }
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn order(items: &[(&str, i64)]) -> NewOrder {
    let wanted =
        |(sku, quantity): &(&str, i64)| Wanted { sku: (*sku).to_owned(), quantity: *quantity };
    NewOrder { items: items.iter().map(wanted).collect() }
}

fn placed(answer: Answer) -> Order {
    match answer {
        Answer::Placed(order) => order,
        Answer::Refused(refusal) => panic!("refused: {refusal}"),
    }
}

fn refused(answer: Answer) -> String {
    match answer {
        Answer::Placed(order) => panic!("placed: {order:?}"),
        Answer::Refused(refusal) => refusal.to_string(),
    }
}

#[tokio::test]
async fn an_order_takes_its_stock_and_can_be_found() {
    let rig = Rig::new().await;
    rig.product("B", 7, 1).await;
    let order = placed(rig.place("k", &[("B", 1), ("A", 2)]).await.unwrap());
    assert_eq!(order.total_cents, 27);
    assert_eq!(rig.stock().await, 3);
    assert_eq!(rig.orders.find(order.id).await.unwrap(), Some(order));
    assert_eq!(rig.orders.find(99).await.unwrap(), None);
}

#[tokio::test]
async fn a_refused_order_takes_nothing() {
    let rig = Rig::new().await;
    rig.product("B", i64::MAX, 9).await;
    let reason = refused(rig.place("1", &[("A", 1), ("X", 1), ("Y", 1)]).await.unwrap());
    assert_eq!(reason, "there is no product `X`, `Y`");
    let reason = refused(rig.place("2", &[("B", 1), ("A", 6)]).await.unwrap());
    assert_eq!(reason, "there is not enough of `A`");
    let reason = refused(rig.place("3", &[("A", 1), ("B", 2)]).await.unwrap());
    assert_eq!(reason, "the order costs more than can be counted");
    assert_eq!(rig.stock().await, 5);
    assert_eq!(rig.orders.find(1).await.unwrap(), None);
}

#[tokio::test]
async fn a_repeated_key_has_the_first_answer_whatever_has_changed_since() {
    let rig = Rig::new().await;
    let first = rig.place("placed", &[("A", 4)]).await.unwrap();
    let short = rig.place("short", &[("A", 2)]).await.unwrap();
    rig.restock(100).await;
    assert_eq!(rig.place("placed", &[("A", 4)]).await.unwrap(), first);
    assert_eq!(rig.place("short", &[("A", 2)]).await.unwrap(), short);
    assert_eq!(rig.stock().await, 100);
}

#[tokio::test]
async fn a_key_that_comes_with_another_order_is_refused() {
    let rig = Rig::new().await;
    rig.place("k", &[("A", 1)]).await.unwrap();
    let error = rig.place("k", &[("A", 2)]).await.unwrap_err();
    assert_eq!(error.to_string(), "the idempotency key `k` was used for another order");
    assert_eq!(rig.stock().await, 4);
}

#[tokio::test]
async fn a_key_is_forgotten_when_its_time_is_over_and_not_before() {
    let rig = Rig::new().await;
    let first = placed(rig.place("k", &[("A", 1)]).await.unwrap());
    rig.clock.advance(DAY - Duration::from_secs(1));
    assert_eq!(placed(rig.place("k", &[("A", 1)]).await.unwrap()).id, first.id);
    rig.clock.advance(Duration::from_secs(1));
    assert_ne!(placed(rig.place("k", &[("A", 1)]).await.unwrap()).id, first.id);
    assert_eq!(rig.stock().await, 3);
}

/// Writes orders down, or fails.
struct Journal {
    fails: bool,
}

impl OrderEvents for Journal {
    fn placed<'a>(&'a self, tx: &'a mut WriteTx, order: &'a Order) -> Recorded<'a> {
        Box::pin(async move {
            sqlx::query("INSERT INTO journal VALUES (?)").bind(order.id).execute(&mut **tx).await?;
            if self.fails { Err("the journal is full".into()) } else { Ok(()) }
        })
    }
}

async fn journal(rig: &Rig) -> Vec<i64> {
    let mut reader = rig.database.read().await.unwrap();
    sqlx::query_scalar("SELECT id FROM journal").fetch_all(&mut *reader).await.unwrap()
}

async fn with_journal(fails: bool) -> Rig {
    let mut rig = Rig::new().await;
    let mut tx = rig.database.write().await.unwrap();
    sqlx::query("CREATE TABLE journal (id)").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    rig.orders = rig.orders.events(Some(Arc::new(Journal { fails })));
    rig
}

#[tokio::test]
async fn an_event_is_there_exactly_when_its_order_is() {
    let rig = with_journal(false).await;
    let order = placed(rig.place("k", &[("A", 1)]).await.unwrap());
    rig.place("k", &[("A", 1)]).await.unwrap();
    rig.place("more", &[("A", 9)]).await.unwrap();
    assert_eq!(journal(&rig).await, [order.id]);
}

#[tokio::test]
async fn an_order_that_cannot_be_made_known_is_not_placed_and_can_be_tried_again() {
    let mut rig = with_journal(true).await;
    rig.place("k", &[("A", 1)]).await.unwrap_err();
    assert_eq!((rig.stock().await, journal(&rig).await), (5, vec![]));
    rig.orders = rig.orders.events(None);
    placed(rig.place("k", &[("A", 1)]).await.unwrap());
}

/// Tells that it was reached, and never gets done.
#[derive(Default)]
struct Stuck(Notify);

impl OrderEvents for Stuck {
    fn placed<'a>(&'a self, _tx: &'a mut WriteTx, _order: &'a Order) -> Recorded<'a> {
        self.0.notify_one();
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn an_order_that_is_given_up_half_way_leaves_nothing_behind_and_holds_nobody_up() {
    let mut rig = Rig::new().await;
    let stuck = Arc::new(Stuck::default());
    rig.orders = rig.orders.events(Some(Arc::clone(&stuck) as _));
    tokio::select! {
        _ = rig.place("k", &[("A", 1)]) => panic!("it is stuck"),
        () = stuck.0.notified() => {}
    }
    rig.orders = rig.orders.events(None);
    assert_eq!(rig.stock().await, 5);
    placed(rig.place("k", &[("A", 5)]).await.expect("the key is free, and so is the writer"));
}
