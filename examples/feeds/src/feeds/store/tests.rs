use super::*;
use crate::{infra::DatabaseSettings, parsing::Format};

const LEASE: Duration = Duration::from_secs(60);
const TTL: Duration = Duration::from_secs(10);

async fn store(dir: &tempfile::TempDir) -> FeedStore {
    let url = format!("sqlite://{}", dir.path().join("feeds.db").display());
    let settings = DatabaseSettings { url, ..DatabaseSettings::default() };
    FeedStore::new(Arc::new(Database::open(&settings).await.unwrap()))
}

fn about() -> About {
    About {
        format: Format::Rss2,
        title: Some("News".to_owned()),
        description: None,
        home_page_url: None,
        icon: None,
        language: None,
        date_modified: None,
        authors: Vec::new(),
    }
}

fn document(items: &[(&str, Option<&str>)]) -> Document {
    let item = |&(id, date): &(&str, Option<&str>)| {
        let item = serde_json::json!({ "id": id, "date_published": date });
        serde_json::from_value(item).unwrap()
    };
    Document { about: about(), items: items.iter().map(item).collect() }
}

async fn add(store: &FeedStore, url: &str, now: i64) -> Claim {
    match store.add(url, &about(), now, LEASE).await.unwrap() {
        Added::New(claim) => claim,
        Added::Existing(id) => panic!("{url} is there as {id}"),
    }
}

async fn keep(store: &FeedStore, claim: &Claim, document: &Document, now: i64) -> bool {
    let validators = &Validators::default();
    let end = Refreshed::Changed { document, validators, published: "\"p\"" };
    store.finish(claim, &end, now).await.unwrap()
}

async fn due(store: &FeedStore, now: i64) -> Option<i64> {
    store.claim_due(now, TTL, LEASE).await.unwrap().map(|claim| claim.id)
}

#[tokio::test]
async fn a_feed_is_due_when_it_is_no_longer_fresh_and_nobody_is_at_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir).await;
    let claim = add(&store, "http://a/", 1_000_000).await;
    assert_eq!(due(&store, 1_000_001).await, None, "whoever added it is at it");
    assert!(keep(&store, &claim, &document(&[]), 1_000_010).await);
    assert_eq!(due(&store, 1_010_009).await, None, "it is fresh");
    assert_eq!(due(&store, 1_010_010).await, Some(1));
    assert_eq!(due(&store, 1_010_011).await, None, "it has been claimed");
    assert_eq!(due(&store, 1_070_010).await, Some(1), "the claim is over");
}

#[tokio::test]
async fn whoever_has_lost_a_claim_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir).await;
    let late = add(&store, "http://a/", 1_000_000).await;
    let Claimed::Taken = store.claim(1, 1_000_000, LEASE).await.unwrap() else { panic!("free") };
    let Claimed::Yes(next) = store.claim(1, 1_060_000, LEASE).await.unwrap() else {
        panic!("the first claim is over");
    };
    assert!(!keep(&store, &late, &document(&[("a", None)]), 1_060_001).await);
    store.release(&late).await.unwrap();
    let items = store.items(1, ItemCursor::START, 10).await.unwrap();
    assert_eq!(items.items.len(), 0);
    assert!(keep(&store, &next, &document(&[("b", None)]), 1_060_002).await);
    let Claimed::Missing = store.claim(2, 0, LEASE).await.unwrap() else { panic!("there is none") };
}

#[tokio::test]
async fn a_feed_that_failed_is_not_due_before_its_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir).await;
    let claim = add(&store, "http://a/", 1_000_000).await;
    let end = Refreshed::Failed { error: "no", retry_at: 1_030_000 };
    assert!(store.finish(&claim, &end, 1_000_001).await.unwrap());
    let feed = store.find(1).await.unwrap().unwrap();
    assert_eq!((feed.failures, feed.last_error.as_deref()), (1, Some("no")));
    assert_eq!(due(&store, 1_029_999).await, None);
    assert_eq!(due(&store, 1_030_000).await, Some(1));
}

#[tokio::test]
async fn a_feed_that_was_not_published_is_soon_fetched_as_a_whole() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir).await;
    let claim = add(&store, "http://a/", 1_000_000).await;
    let validators = Validators { etag: Some("\"v\"".to_owned()), last_modified: None };
    let (document, published) = (&document(&[]), "\"p\"");
    let end = Refreshed::Changed { document, validators: &validators, published };
    assert!(store.finish(&claim, &end, 1_000_001).await.unwrap());
    let Claimed::Yes(claim) = store.claim(1, 1_000_002, LEASE).await.unwrap() else {
        panic!("nobody has it");
    };
    assert_eq!(claim.validators, validators);
    let end = Refreshed::Unpublished { document, error: "no", retry_at: 1_000_005 };
    assert!(store.finish(&claim, &end, 1_000_003).await.unwrap());
    assert_eq!(due(&store, 1_000_004).await, None);
    let claim = store.claim_due(1_000_005, TTL, LEASE).await.unwrap().expect("it is due");
    assert_eq!(claim.validators, Validators::default());
}

#[tokio::test]
async fn items_are_those_of_the_last_document_and_the_latest_come_first() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir).await;
    let claim = add(&store, "http://a/", 1_000_000).await;
    let first = [("new", Some("2024-01-02T00:00:00Z")), ("x", None), ("y", None)];
    assert!(keep(&store, &claim, &document(&first), 1_000_001).await);
    let Claimed::Yes(claim) = store.claim(1, 1_000_002, LEASE).await.unwrap() else {
        panic!("nobody has it");
    };
    let second = [("newer", Some("2024-01-03T00:00:00Z")), ("w", None), ("x", None), ("new", None)];
    let mut second = document(&second);
    second.items[3].date_published = Some("2024-01-02T00:00:00Z".to_owned());
    assert!(keep(&store, &claim, &second, 1_000_003).await);
    let page = store.items(1, ItemCursor::START, 3).await.unwrap();
    let next = page.next.unwrap();
    let last = store.items(1, next, 3).await.unwrap();
    let ids: Vec<_> = page.items.iter().chain(&last.items).map(|it| it.id.as_str()).collect();
    assert_eq!(ids, ["newer", "new", "w", "x"]);
    assert_eq!(last.next, None);
}

#[tokio::test]
async fn of_two_with_one_address_the_first_counts() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir).await;
    add(&store, "http://a/", 1).await;
    let again = store.add("http://a/", &about(), 2, LEASE).await.unwrap();
    assert!(matches!(again, Added::Existing(1)), "{again:?}");
    assert_eq!(store.find_url("http://a/").await.unwrap(), Some(1));
}
