use std::{net::TcpListener, time::Duration};

use rustix::process::Signal;
use serde_json::Value;

use crate::{
    client::{ask, get},
    process::{Place, run},
};

const SOON: Duration = Duration::from_secs(1);

#[test]
fn it_says_hello_and_ends_at_once_when_asked() {
    for (args, signal) in
        [(&["serve"][..], Signal::TERM), (&[], Signal::INT), (&["--debug"], Signal::QUIT)]
    {
        let place = Place::new();
        let running = place.serve(args);
        let answer = get(&running.http, "/");
        assert_eq!((answer.status, answer.body.as_str()), (200, "hello"), "{}", answer.head);
        running.signal(signal);
        let ended = running.ends_within(SOON);
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        assert_eq!(ended.out, "", "what is served is nobody's answer");
    }
}

#[test]
fn the_line_that_says_it_is_ready_has_what_an_operator_wants_to_know() {
    let place = Place::new();
    let running = place.serve(&[]);
    let (http, admin) = (running.http.clone(), running.admin.clone());
    running.signal(Signal::TERM);
    let log = running.ends_within(SOON).err;
    let line = log.lines().find(|line| line.contains("hello is ready")).unwrap();
    let line: Value = serde_json::from_str(line).unwrap();
    let fields = &line["fields"];
    assert_eq!(fields["addresses"], format!("admin={admin} http={http}"));
    assert_eq!(fields["modules"], 8);
    let checked: Value = serde_json::from_str(&run(&["check", "--json"]).out).unwrap();
    assert_eq!(fields["plan"], checked["plan_hash"]);
    assert!(fields["took"].as_str().unwrap().ends_with(" ms"));
    assert!(fields["critical_path"].as_str().unwrap().ends_with(" ms"));
}

#[test]
fn probes_answer_on_both_listeners() {
    let place = Place::new();
    let running = place.serve(&[]);
    for url in [&running.http, &running.admin] {
        for path in ["/livez", "/readyz", "/startupz", "/health"] {
            assert_eq!(get(url, path).status, 200, "{url}{path}");
        }
    }
    let health: Value = serde_json::from_str(&get(&running.http, "/health").body).unwrap();
    assert_eq!(health.as_object().unwrap().len(), 1, "the public one tells nothing but the status");
    let health: Value = serde_json::from_str(&get(&running.admin, "/health").body).unwrap();
    assert_eq!(health["status"], "healthy");
    assert!(health["pid"].is_u64() && health["memory"]["rss"].is_u64(), "{health:#}");
}

#[test]
fn an_operator_finds_metrics_states_and_the_configuration() {
    let place = Place::new();
    let running = place.serve(&[]);
    get(&running.http, "/");
    let metrics = get(&running.admin, "/metrics").body;
    let counted = "framework_http_server_request_duration_seconds_count{method=\"GET\",route=\"/\",status=\"200\"} 1";
    assert!(metrics.contains(counted), "{metrics}");
    assert!(
        metrics
            .contains("framework_app_info{name=\"hello\",profile=\"local\",version=\"0.1.0\"} 1")
    );

    let json =
        |path: &str| -> Value { serde_json::from_str(&get(&running.admin, path).body).unwrap() };
    let modules = json("/debug/modules");
    let states = modules["modules"].as_array().unwrap();
    assert!(states.iter().all(|module| module["state"] == "running"), "{modules:#}");
    let config = json("/debug/config");
    let values = config["values"].as_array().unwrap();
    let addr = values.iter().find(|value| value["key"] == "http.addr").unwrap();
    assert_eq!(addr["origin"], "env HELLO_HTTP__ADDR");
    assert_eq!(json("/debug/routes")["routes"][0]["path"], "/");
    assert!(json("/debug/startup")["critical_path"].as_array().unwrap().len() > 1);
    assert!(json("/debug/startup?format=perfetto")["traceEvents"].is_array());
    let page = get(&running.admin, "/").body;
    assert!(page.contains("<svg") && page.contains("greeting"), "{page}");
}

#[test]
fn the_log_level_of_the_running_process_can_be_changed() {
    let place = Place::new();
    let mut running = place.serve(&[]);
    let put = |body: &str| ask(&running.admin, "PUT /debug/log-level HTTP/1.1", &[], body);
    assert_eq!(put("dbug").status, 422);
    assert_eq!(put("debug").status, 200);
    running.signal(Signal::TERM);
    running.until("\"level\":\"DEBUG\"");
}

#[test]
fn with_a_token_only_those_who_have_it_are_let_in() {
    let place = Place::new().file("token", "s3cret\n");
    let token = format!("admin.token=${{file:{}}}", place.path().join("token").display());
    let running = place.serve(&["--set", &token, "--set", "admin.addr=0.0.0.0:0"]);
    let url = running.admin.replace("0.0.0.0", "127.0.0.1");
    let refused = get(&url, "/metrics");
    assert_eq!(refused.status, 401, "{}", refused.head);
    assert!(refused.head.contains("application/problem+json"), "{}", refused.head);
    let ask = |token: &str| {
        let header = format!("authorization: Bearer {token}");
        ask(&url, "GET /metrics HTTP/1.1", &[&header], "").status
    };
    assert_eq!((ask("s3cret"), ask("secret")), (200, 401));
}

#[test]
fn an_address_in_use_is_exit_code_69() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    for section in ["http", "admin"] {
        let ended = run(&["--set", &format!("{section}.addr={address}")]);
        assert_eq!(ended.code, Some(69), "{}", ended.err);
        let message = format!("the address `{address}` is in use");
        assert!(ended.err.contains("error[E0201]:"), "{}", ended.err);
        assert!(ended.err.contains(&message), "{}", ended.err);
    }
}

#[test]
fn a_lame_duck_still_serves_says_that_it_is_not_ready_and_is_cut_short_by_a_second_signal() {
    let place = Place::new();
    let mut running = place.serve(&["--set", "shutdown.lame_duck=15s"]);
    running.signal(Signal::TERM);
    running.until("the application is lame-duck");
    assert_eq!(get(&running.http, "/readyz").status, 503);
    assert_eq!(get(&running.admin, "/readyz").status, 503);
    let health: Value = serde_json::from_str(&get(&running.admin, "/health").body).unwrap();
    assert_eq!(health["status"], "unhealthy");
    let answer = get(&running.http, "/");
    assert_eq!(answer.body, "hello");
    assert!(answer.head.to_lowercase().contains("connection: close"), "{}", answer.head);
    running.signal(Signal::INT);
    let ended = running.ends_within(SOON);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
}

#[test]
fn signals_that_are_for_operators_do_not_end_the_process() {
    let place = Place::new();
    let mut running = place.serve(&[]);
    for (signal, line) in [(Signal::USR1, "debug dump"), (Signal::USR2, "the log is open again")] {
        running.signal(signal);
        running.until(line);
    }
    assert_eq!(get(&running.http, "/").body, "hello");
}

#[test]
fn a_log_that_cannot_be_opened_is_exit_code_71() {
    let ended = run(&["--set", "telemetry.log.file=no/such/directory/log"]);
    assert_eq!(ended.code, Some(71), "{}", ended.err);
    assert!(ended.err.starts_with("error[E0802]: cannot open the log file"), "{}", ended.err);
}

#[test]
fn the_log_goes_to_its_file() {
    let place = Place::new();
    let ended = {
        let mut command = place.command(&[
            "--set",
            "telemetry.log.file=log",
            "--set",
            "http.addr=nowhere.invalid:1",
        ]);
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(ended.0, Some(70), "{}", ended.1);
    assert!(
        ended.1.starts_with("error[E0201]"),
        "the error is told on standard error: {}",
        ended.1
    );
    let log = std::fs::read_to_string(place.path().join("log")).unwrap();
    assert!(log.contains("the application is starting"), "{log}");
}
