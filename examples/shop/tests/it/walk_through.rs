use serde_json::json;

use crate::shop::Shop;

#[tokio::test]
async fn in_an_empty_directory_the_walk_through_of_the_readme_works() {
    let dir = tempfile::tempdir().unwrap();
    let shop = Shop::start(dir.path()).await;
    let mut client = shop.client();

    let category = client.post("/categories", &json!({ "name": "Books" })).await.expect(201);
    assert_eq!(category, json!({ "id": 1, "name": "Books" }));

    let book = json!({
        "sku": "B-1", "name": "A book", "price_cents": 1299, "category": 1, "stock": 3,
    });
    let product = client.post("/products", &book).await.expect(201);
    let mut expected = book.clone();
    expected["id"] = json!(1);
    assert_eq!(product, expected);
    assert_eq!(client.get("/products/1").await.expect(200), expected);

    let items = json!([{ "sku": "B-1", "quantity": 2 }]);
    let order = client.order(Some("first"), &items).await.unwrap().expect(201);
    let placed = json!({
        "id": 1,
        "items": [{ "sku": "B-1", "quantity": 2, "price_cents": 1299 }],
        "total_cents": 2598,
    });
    assert_eq!(order, placed);
    assert_eq!(client.get("/orders/1").await.expect(200), placed);
    assert_eq!(client.order(Some("first"), &items).await.unwrap().expect(201), placed);
    assert_eq!(client.get("/products/1").await.expect(200)["stock"], 1);

    client.order(None, &items).await.unwrap().expect(409);
    assert!(dir.path().join("data/app.db").is_file());
}

#[tokio::test]
async fn lists_are_told_page_by_page() {
    let dir = tempfile::tempdir().unwrap();
    let shop = Shop::start(dir.path()).await;
    let mut client = shop.client();
    assert_eq!(client.get("/products").await.expect(200), json!({ "items": [], "next": null }));

    for name in ["Books", "Films", "Books"] {
        client.post("/categories", &json!({ "name": name })).await.expect(201);
    }
    for n in 1..=5 {
        client.post("/products", &crate::shop::product(&format!("S-{n}"), n)).await.expect(201);
    }
    let (mut path, mut pages) = ("/products?limit=2".to_owned(), Vec::new());
    loop {
        let page = client.get(&path).await.expect(200);
        let skus = page["items"].as_array().unwrap().iter().map(|item| item["sku"].clone());
        pages.push(skus.collect::<Vec<_>>());
        let Some(next) = page["next"].as_i64() else { break };
        path = format!("/products?limit=2&after={next}");
    }
    assert_eq!(json!(pages), json!([["S-1", "S-2"], ["S-3", "S-4"], ["S-5"]]));

    let categories = client.get("/categories?after=1").await.expect(200);
    let expected = json!([{ "id": 2, "name": "Films" }, { "id": 3, "name": "Books" }]);
    assert_eq!(categories, json!({ "items": expected, "next": null }));
}
