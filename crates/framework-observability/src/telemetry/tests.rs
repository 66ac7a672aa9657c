use std::{
    ffi::OsStr,
    fs,
    sync::{Arc, Mutex},
};

use framework_core::RequestContext;
use serde_json::{Value, json};
use tracing::{Subscriber, debug, dispatcher::with_default, error, info, info_span};

use super::{lines::Lines, *};

fn settings(format: LogFormat, level: &str) -> TelemetrySettings {
    TelemetrySettings { log: LogSettings { format, level: level.to_owned(), file: None } }
}

fn json_at(level: &str) -> (Telemetry, Lines) {
    let lines = Lines::default();
    let writer = lines.clone();
    let settings = settings(LogFormat::Json, level);
    (Telemetry::to_writer(&settings, move || writer.clone()).unwrap(), lines)
}

#[test]
fn a_json_line_has_the_values_of_the_spans_around_it_at_its_top() {
    let (telemetry, lines) = json_at("info");
    with_default(&telemetry.dispatch(), || {
        let request = info_span!(
            "request",
            request_id = "r-1",
            module = "http",
            status = tracing::field::Empty
        );
        let _in_request = request.enter();
        request.record("status", 200_u16);
        let _in_query = info_span!("query", module = "catalog", level = 3, pid = 7).entered();
        info!(rows = 2, ratio = f64::NAN, fresh = true, "found \"it\"");
    });
    let mut line = lines.json().remove(0);
    let timestamp = line.as_object_mut().unwrap().remove("timestamp").unwrap();
    assert!(timestamp.as_str().unwrap().ends_with('Z'), "{timestamp}");
    assert_eq!(
        line,
        json!({
            "level": "INFO",
            "pid": std::process::id(),
            "target": "framework_observability::telemetry::tests",
            "message": "found \"it\"",
            "fields": {"rows": 2, "ratio": "NaN", "fresh": true},
            "span": "request:query",
            "request_id": "r-1",
            "module": "catalog",
            "status": 200,
            "span.level": 3,
            "span.pid": 7,
        })
    );
}

#[test]
fn an_error_is_logged_with_its_causes() {
    let (telemetry, lines) = json_at("info");
    let cause = TelemetryError::Level(LogLevelError::Empty);
    with_default(&telemetry.dispatch(), || {
        error!(error = &cause as &(dyn std::error::Error + 'static), "no log");
    });
    let text = &lines.json()[0]["fields"]["error"];
    assert!(text.as_str().unwrap().starts_with("cannot log: a log level is missing"), "{text}");
}

#[test]
fn the_level_of_a_running_process_changes_at_once() {
    let (telemetry, lines) = json_at("info");
    let level = telemetry.level();
    with_default(&telemetry.dispatch(), || {
        let chatter = || debug!("chatter");
        chatter();
        level.set("debug").unwrap();
        chatter();
        level.set("warn").unwrap();
        chatter();
        assert!(level.set("wran").is_err());
    });
    assert_eq!(lines.messages(), ["chatter"]);
    assert_eq!(*level.get().unwrap(), "warn");
}

#[test]
fn a_filter_speaks_of_parts_of_the_program() {
    let (telemetry, lines) = json_at("warn, framework_observability::telemetry=debug");
    with_default(&telemetry.dispatch(), || {
        debug!("here");
        debug!(target: "elsewhere", "there");
    });
    assert_eq!(lines.messages(), ["here"]);
}

#[test]
fn a_bad_filter_is_refused_with_its_cure() {
    for (filter, message) in [
        ("", "a log level is missing: one of off, error, warn, info, debug, trace"),
        (" , ", "a log level is missing: one of off, error, warn, info, debug, trace"),
        ("inf", "`inf` is not a log level: did you mean `info`?"),
        ("hyper", "`hyper` is not a log level: for one part of the program, write `hyper=debug`"),
        (
            "info,shop=debgu",
            "cannot read `shop=debgu` as `target=level`: `debgu` is not a level, did you mean `debug`?",
        ),
        (
            "shop=loudest",
            "cannot read `shop=loudest` as `target=level`: `loudest` is not one of off, error, warn, info, debug, trace",
        ),
    ] {
        assert_eq!(level::parse(filter).unwrap_err().to_string(), message, "{filter:?}");
    }
    for filter in
        ["INFO", "off", "info,hyper=warn", "shop[request]=trace", "info,hyper", "my_app=2"]
    {
        assert!(level::parse(filter).is_ok(), "{filter}");
    }
}

#[test]
fn a_level_that_is_not_ours_is_not_changed() {
    let level = LogLevel::detached();
    assert_eq!(level.set("debug"), Err(LogLevelError::Detached));
    assert_eq!(level.get(), None);
}

#[test]
fn pretty_lines_have_no_colour_outside_a_terminal() {
    let lines = Lines::default();
    let writer = lines.clone();
    let settings = settings(LogFormat::Pretty, "info");
    let telemetry = Telemetry::to_writer(&settings, move || writer.clone()).unwrap();
    with_default(&telemetry.dispatch(), || info!(port = 8080, "listening"));
    let text = String::from_utf8(lines.guard().clone()).unwrap();
    assert!(text.contains("INFO") && text.contains("listening port=8080"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text:?}");
}

#[test]
fn auto_is_for_people_on_a_terminal_and_for_machines_elsewhere() {
    assert_eq!(LogFormat::Auto.or(true), LogFormat::Pretty);
    assert_eq!(LogFormat::Auto.or(false), LogFormat::Json);
    assert_eq!(LogFormat::Json.or(true), LogFormat::Json);
    assert!(no_colour(Some(OsStr::new("1"))));
    assert!(!no_colour(Some(OsStr::new(""))) && !no_colour(None));
}

#[test]
fn after_a_rotation_lines_go_to_the_new_file() {
    let dir = tempfile::tempdir().unwrap();
    let (path, moved) = (dir.path().join("app.log"), dir.path().join("app.log.1"));
    let mut settings = settings(LogFormat::Json, "info");
    settings.log.file = Some(path.clone());
    let telemetry = Telemetry::new(&settings).unwrap();
    let output = telemetry.output.clone().unwrap();
    with_default(&telemetry.dispatch(), || {
        info!("one");
        fs::rename(&path, &moved).unwrap();
        info!("two");
        output.reopen().unwrap();
        info!("three");
    });
    let messages = |path| {
        let text = fs::read_to_string(path).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.map(|line| line["message"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(messages(&moved), ["one", "two"]);
    assert_eq!(messages(&path), ["three"]);
    assert_eq!(output.lost_lines(), 0);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_loses_lines_and_counts_them() {
    let mut settings = settings(LogFormat::Json, "info");
    settings.log.file = Some("/dev/full".into());
    let telemetry = Telemetry::new(&settings).unwrap();
    let output = telemetry.output.clone().unwrap();
    with_default(&telemetry.dispatch(), || info!("into the void"));
    assert_eq!(output.lost_lines(), 1);
}

#[test]
fn a_log_file_that_cannot_be_opened_is_named() {
    let mut settings = settings(LogFormat::Auto, "info");
    settings.log.file = Some("/nowhere/app.log".into());
    let error = Telemetry::new(&settings).unwrap_err();
    assert_eq!(error.to_string(), "cannot open the log file `/nowhere/app.log`");
}

#[test]
fn an_added_layer_sees_what_passes_the_filter() {
    struct Count(Arc<Mutex<u32>>);
    impl<S: Subscriber> Layer<S> for Count {
        fn on_event(&self, _: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
            *self.0.lock().unwrap() += 1;
        }
    }
    let count = Arc::new(Mutex::new(0));
    let (telemetry, _lines) = json_at("info");
    let dispatch = telemetry.layer(Box::new(Count(Arc::clone(&count)))).dispatch();
    with_default(&dispatch, || {
        info!("counted");
        debug!("not counted");
    });
    assert_eq!(*count.lock().unwrap(), 1);
}

fn request() -> RequestContext {
    RequestContext::new("GET", Some("/products/{id}".into()), "r-1".into())
}

#[test]
fn an_event_within_a_request_has_its_values_and_one_outside_has_not() {
    let (telemetry, lines) = json_at("info");
    with_default(&telemetry.dispatch(), || {
        let (mut outer, mut inner) = (request(), request());
        outer.in_scope(|| {
            info!("within");
            inner.in_scope(|| info!("deeper"));
            info!("within again");
        });
        info!("outside");
    });
    let ids: Vec<_> = lines.json().iter().map(|line| line["request_id"].clone()).collect();
    assert_eq!(ids, [json!("r-1"), json!("r-1"), json!("r-1"), Value::Null]);
    let line = &lines.json()[0];
    assert_eq!(line["span"], "request");
    assert_eq!((&line["method"], &line["route"]), (&json!("GET"), &json!("/products/{id}")));
}

#[test]
fn a_request_leaves_its_thread_also_when_its_handler_panics() {
    let (telemetry, lines) = json_at("info");
    with_default(&telemetry.dispatch(), || {
        let mut request = request();
        let panics = std::panic::AssertUnwindSafe(|| request.in_scope(|| panic!("a handler's")));
        std::panic::catch_unwind(panics).unwrap_err();
        info!("outside");
        request.in_scope(|| info!("polled again"));
    });
    let ids: Vec<_> = lines.json().iter().map(|line| line["request_id"].clone()).collect();
    assert_eq!(ids, [Value::Null, json!("r-1")]);
}

#[test]
fn a_span_that_begins_in_a_request_has_its_values_wherever_it_is_entered() {
    let (telemetry, lines) = json_at("info");
    let dispatch = telemetry.dispatch();
    let span =
        with_default(&dispatch, || request().in_scope(|| info_span!("query", table = "products")));
    std::thread::spawn(move || with_default(&dispatch, || span.in_scope(|| info!("elsewhere"))))
        .join()
        .unwrap();
    let line = &lines.json()[0];
    assert_eq!((&line["span"], &line["request_id"]), (&json!("request:query"), &json!("r-1")));
    assert_eq!(line["table"], "products");
}

/// For the whole process, as in a real one: a span that is asked for is made through it.
#[test]
fn who_asks_for_the_span_of_a_request_gets_one_that_can_be_taken_elsewhere() {
    let (telemetry, lines) = json_at("info");
    telemetry.install().unwrap();
    let mut request = request();
    let span = request.in_scope(|| {
        assert_eq!(tracing::Span::current().id(), tracing::Span::current().id(), "one for all");
        tracing::Span::current()
    });
    assert!(tracing::Span::current().is_none());
    std::thread::spawn(move || span.in_scope(|| info!("elsewhere"))).join().unwrap();
    drop(request);
    let line = &lines.json()[0];
    assert_eq!((&line["span"], &line["request_id"]), (&json!("request"), &json!("r-1")));
}

#[test]
fn the_span_of_a_request_is_made_at_once_only_for_those_who_look_at_spans() {
    struct Other;
    impl<S: Subscriber> Layer<S> for Other {}
    let made = |telemetry: Telemetry| {
        with_default(&telemetry.dispatch(), || {
            !info_span!(target: framework_core::REQUEST_TARGET, "request").is_disabled()
        })
    };
    assert!(!made(json_at("info").0));
    assert!(made(json_at("info").0.layer(Other.boxed())));
    assert!(made(json_at("info,shop[request]=debug").0));
    assert!(!made(json_at("warn").0.layer(Other.boxed())), "it is of level info");
}

#[test]
fn a_filter_of_spans_follows_them() {
    let (telemetry, lines) = json_at("warn");
    let level = telemetry.level();
    with_default(&telemetry.dispatch(), || {
        let checkout = |when| info_span!("checkout").in_scope(|| debug!("{when}"));
        checkout("not yet");
        level.set("warn,[checkout]=debug").unwrap();
        debug!("outside");
        checkout("now");
        level.set("warn").unwrap();
        checkout("no longer");
        level.set("warn,[checkout]=debug").unwrap();
        checkout("again");
    });
    assert_eq!(lines.messages(), ["now", "again"]);
}

#[test]
fn a_pretty_line_names_spans_with_their_values_and_commands_no_terminal() {
    let lines = Lines::default();
    let writer = lines.clone();
    let settings = settings(LogFormat::Pretty, "info");
    let telemetry = Telemetry::to_writer(&settings, move || writer.clone()).unwrap();
    with_default(&telemetry.dispatch(), || {
        request().in_scope(|| info!(path = %"a\u{1b}[2Jb", name = "x\u{7}", n = 1, "not found"));
    });
    let text = String::from_utf8(lines.guard().clone()).unwrap();
    let (time, rest) = text.split_at(27);
    assert!(time.ends_with('Z'), "{time}");
    assert_eq!(
        rest.replace(&format!("[{}]", std::process::id()), "[4711]"),
        "  INFO [4711] request{method=\"GET\" route=\"/products/{id}\" request_id=\"r-1\"}: \
         framework_observability::telemetry::tests: not found \
         path=a\\u{1b}[2Jb name=\"x\\u{7}\" n=1\n"
    );
}

#[test]
fn a_value_that_panics_when_it_is_shown_does_not_hold_up_the_line_about_that() {
    struct Sour;
    impl fmt::Debug for Sour {
        fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
            // As whatever logs a panic does.
            error!("it cannot be shown");
            panic!("it cannot be shown")
        }
    }
    let (telemetry, lines) = json_at("info");
    with_default(&telemetry.dispatch(), || {
        let span = info_span!("work", taste = tracing::field::Empty);
        let _in_work = span.enter();
        info!("before");
        let shown = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            span.record("taste", tracing::field::debug(Sour));
        }));
        assert!(shown.is_err());
        info!("after");
    });
    let said: Vec<_> = lines.json().iter().map(|line| line["message"].clone()).collect();
    assert_eq!(said.last(), Some(&json!("after")), "{said:?}");
}
