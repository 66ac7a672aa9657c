use framework::{
    Graph, admin::AdminModule, cli::AppModule, config::ConfigModule, config::Sources,
    http::HttpModule, observability::AppIdentity, observability::ObservabilityModule, prelude::*,
};

fn names(graph: &Graph) -> Vec<&'static str> {
    graph.modules().iter().map(|module| module.name).collect()
}

#[test]
fn every_layer_is_there_by_default() {
    let graph = App::builder("test").plan().unwrap();
    assert_eq!(
        names(&graph),
        ["config", "observability", "admin", "app", "http-observability", "http"],
    );
}

#[test]
fn a_module_of_the_same_type_takes_the_place_of_a_default() {
    let app = App::builder("test").modules((
        ConfigModule::from(Sources::none()),
        ObservabilityModule::new(&AppIdentity::new("other")),
        AdminModule::new(),
        AppModule::new(),
        HttpModule::new(),
    ));
    let mut planned = names(&app.plan().unwrap());
    planned.sort_unstable();
    assert_eq!(planned, ["admin", "app", "config", "http", "http-observability", "observability"],);
}

#[test]
fn planning_reads_the_configuration_and_tells_what_is_wrong_with_it() {
    let wrong = Sources::none().set("http.adr=1").set("shutdown.timeout=0s");
    let app = App::builder("test").modules(ConfigModule::from(wrong));
    let error = app.plan().unwrap_err().to_string();
    assert!(error.contains("did you mean `http.addr`?"), "{error}");
    assert!(error.contains("shutdown.timeout"), "{error}");
}

#[test]
fn the_configuration_says_how_the_application_stops() {
    let sources = Sources::none().set("shutdown.timeout=9s").set("shutdown.lame_duck=1s");
    let app = App::builder("test").modules(ConfigModule::from(sources)).build().unwrap();
    assert_eq!(app.budgets().shutdown.as_secs(), 9);
    assert_eq!(app.budgets().lame_duck.as_secs(), 1);
}

#[test]
fn the_default_drain_fits_into_whatever_time_there_is() {
    // Inside Kubernetes, and on a machine that is in a hurry.
    for (timeout, lame_duck) in [("25s", "5s"), ("2s", "0s")] {
        let sources = Sources::none()
            .set(format!("shutdown.timeout={timeout}"))
            .set(format!("shutdown.lame_duck={lame_duck}"));
        let app = App::builder("test").modules(ConfigModule::from(sources));
        assert!(app.plan().is_ok(), "{timeout} {lame_duck}");
    }
}
