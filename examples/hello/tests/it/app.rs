use framework::testing::{TestApp, assert_lifecycle_safe, assert_plan, paused};

#[test]
fn the_application_is_wired() {
    assert_plan!(hello::app(), @"
        config
            ConfigHandle
        observability (foundation) after config (uses `ConfigHandle`, contributes configuration sections)
            AppIdentity
            Metrics
            HealthBoard
            LogLevel
        admin (foundation) after config (uses `ConfigHandle`, contributes configuration sections) and observability (needs `AppIdentity`, needs `Metrics`, needs `HealthBoard`, needs `LogLevel`)
            AdminHandle
        app after config (contributes configuration sections)
        http-observability after observability (needs `Metrics`, needs `HealthBoard`)
            Readiness
            dyn RequestObserver
        greeting
        http after config (contributes configuration sections) and http-observability (uses `Readiness`, uses `dyn RequestObserver`) and greeting (collects http routes)
            HttpHandle
    ");
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
