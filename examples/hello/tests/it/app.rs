use framework::testing::{TestApp, assert_lifecycle_safe, paused};

#[test]
fn the_application_is_wired() {
    insta::assert_snapshot!(hello::app().plan().unwrap());
}

#[test]
fn its_one_route_says_hello() {
    paused(async {
        let app = TestApp::start(hello::app()).await;
        assert_eq!(app.get("/").await.text(), "hello");
        app.stop().await.unwrap();
    });
}

#[test]
fn whatever_fails_the_rest_is_cleaned_up() {
    assert_lifecycle_safe(hello::app);
}
