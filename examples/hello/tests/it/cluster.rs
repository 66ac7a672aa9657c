//! Several processes of one application, and one that watches them.

#![expect(clippy::disallowed_types, reason = "real processes are waited for in real time")]

use std::{
    collections::BTreeSet,
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;

use crate::{
    client::{ask, get},
    daemon::Daemon,
    process::Place,
};

/// How long anything may take before the test has failed.
const LIMIT: Duration = Duration::from_secs(20);

fn cluster(set: &[&str]) -> Daemon {
    let sets = set.iter().flat_map(|set| ["--set", set]);
    let args: Vec<_> =
        ["--cluster=2", "--set", "cluster.min_ready=100ms"].into_iter().chain(sets).collect();
    Daemon::start_with(Place::new(), &args)
}

/// A cluster of two that goes by its file, and that file.
fn from_file(set: &[&str]) -> (Daemon, PathBuf) {
    let place = Place::new().file("config/app.toml", "[cluster]\nworkers = 2\n");
    let sets = set.iter().flat_map(|set| ["--set", set]);
    let args: Vec<_> =
        ["--cluster", "--set", "cluster.min_ready=0s"].into_iter().chain(sets).collect();
    let daemon = Daemon::start_with(place, &args);
    assert!(all_ready(&daemon, 2));
    let config = daemon.place.path().join("config/app.toml");
    (daemon, config)
}

/// What all workers say of themselves.
fn dump(daemon: &Daemon) -> Value {
    let mut file = PathBuf::new();
    // There is one in a second.
    until("a dump", || {
        file = daemon.place.path().join(daemon.ask(&["dump"]).out.trim());
        file.is_file()
    });
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

/// The workers that have a place, by slot.
fn workers(daemon: &Daemon) -> Vec<Value> {
    let status = daemon.status();
    let all = status["cluster"]["workers"].as_array().unwrap();
    all.iter().filter(|it| it["state"] != "draining").cloned().collect()
}

fn pid(worker: &Value) -> Pid {
    let number = worker["pid"].as_i64().and_then(|it| i32::try_from(it).ok());
    Pid::from_raw(number.unwrap()).unwrap()
}

/// Looks until it is so.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < LIMIT, "it never happened: {what}");
        std::thread::yield_now();
    }
}

fn all_ready(daemon: &Daemon, number: usize) -> bool {
    let workers = workers(daemon);
    workers.len() == number && workers.iter().all(|it| it["state"] == "ready")
}

#[test]
fn two_workers_serve_at_one_address_and_their_operators_see_them_as_one() {
    let daemon = cluster(&[]);
    let before = workers(&daemon);
    let slots: Vec<_> = before.iter().map(|it| it["slot"].as_u64().unwrap()).collect();
    assert_eq!((slots, all_ready(&daemon, 2)), (vec![0, 1], true));
    assert!(pid(&before[0]) != pid(&before[1]) && pid(&before[0]) != daemon.pid());
    let (http, admin) = (daemon.http(), daemon.admin());
    for _ in 0..40 {
        assert_eq!(get(&http, "/").body, "hello");
    }
    let table = daemon.ask(&["status"]).out;
    assert!(table.contains("\n  workers   2, generation 1\n"), "{table}");
    assert!(table.contains("\n    slot  process"), "{table}");

    let shown: Value = serde_json::from_str(&get(&admin, "/cluster").body).unwrap();
    assert_eq!(shown["primary"].as_i64(), Some(i64::from(daemon.pid().as_raw_pid())));
    assert_eq!(shown["workers"].as_array().unwrap().len(), 2);
    let metrics = get(&admin, "/metrics").body;
    for expected in [
        "framework_cluster_workers{state=\"ready\"} 2",
        "framework_app_info{worker=\"0\",",
        "framework_app_info{worker=\"1\",",
    ] {
        assert!(metrics.contains(expected), "{expected}: {metrics}");
    }
    let of_requests = "framework_http_server_request_duration_seconds_count{worker=";
    let counted: u64 = metrics
        .lines()
        .filter(|line| line.starts_with(of_requests) && line.contains("route=\"/\""))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum();
    assert_eq!(counted, 40, "{metrics}");
    let page = get(&admin, "/").body;
    assert!(page.contains("<h2>Workers</h2>"), "{page}");
    assert_eq!(page.matches("<td class=\"ready\">ready</td>").count(), 2, "{page}");
    let health: Value = serde_json::from_str(&get(&admin, "/health").body).unwrap();
    assert_eq!(health["status"], "healthy");
    assert_eq!(health["workers"].as_array().unwrap().len(), 2, "{health:#}");
}

#[test]
fn each_line_of_the_log_says_which_process_it_is_of() {
    let daemon = cluster(&["telemetry.log.file=app.log", "telemetry.log.format=json"]);
    let log = daemon.place.path().join("app.log");
    let who_says = |message: &str| -> BTreeSet<i64> {
        let text = fs::read_to_string(&log).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines
            .filter(|line| line["message"] == message)
            .map(|it| it["pid"].as_i64().unwrap())
            .collect()
    };
    let workers: BTreeSet<_> =
        workers(&daemon).iter().map(|worker| worker["pid"].as_i64().unwrap()).collect();
    assert_eq!(who_says("the application is ready"), workers);
    let mut all = workers;
    all.insert(daemon.pid().as_raw_pid().into());
    // Whoever has started the cluster may know before the log does.
    until("that all are ready", || who_says("hello is ready") == all);
}

#[test]
fn a_worker_that_is_killed_is_replaced_and_the_others_go_on() {
    let daemon = cluster(&[]);
    let before = workers(&daemon);
    kill_process(pid(&before[1]), Signal::KILL).unwrap();
    until("another worker in slot 1", || {
        let now = workers(&daemon);
        now.len() == 2 && now[1]["state"] == "ready" && now[1]["pid"] != before[1]["pid"]
    });
    let after = workers(&daemon);
    assert_eq!((&after[0]["pid"], &after[0]["restarts"]), (&before[0]["pid"], &0.into()));
    assert_eq!(after[1]["restarts"], 1);
    let metrics = get(&daemon.admin(), "/metrics").body;
    assert!(metrics.contains("framework_cluster_restarts_total{reason=\"exit\"} 1"), "{metrics}");
    assert_eq!(get(&daemon.http(), "/").body, "hello");
}

#[test]
fn a_worker_that_is_told_to_stop_is_replaced_before_it_has() {
    let daemon = cluster(&[]);
    let before = workers(&daemon);
    kill_process(pid(&before[0]), Signal::TERM).unwrap();
    until("another worker in slot 0", || {
        all_ready(&daemon, 2) && workers(&daemon)[0]["pid"] != before[0]["pid"]
    });
    let metrics = get(&daemon.admin(), "/metrics").body;
    assert!(metrics.contains("framework_cluster_restarts_total{reason=\"left\"} 1"), "{metrics}");
}

#[test]
fn a_restart_replaces_each_worker_and_keeps_the_primary() {
    let daemon = cluster(&[]);
    let (primary, before) = (daemon.pid(), workers(&daemon));
    let restarted = daemon.ask(&["restart"]);
    assert_eq!(restarted.code, Some(0), "{restarted:?}");
    assert_eq!(
        restarted.out,
        "  worker 0 is replaced (1 of 2)\n  worker 1 is replaced (2 of 2)\n\
         ok: 2 workers of generation 2 serve\n"
    );
    let after = workers(&daemon);
    assert_eq!(daemon.pid(), primary);
    for (before, after) in before.iter().zip(&after) {
        assert_eq!((&after["state"], &after["generation"]), (&"ready".into(), &2.into()));
        assert_ne!(before["pid"], after["pid"]);
        until("the old one is gone", || test_kill_process(pid(before)).is_err());
    }
    assert_eq!(get(&daemon.http(), "/").body, "hello");
}

#[test]
fn a_restart_with_a_configuration_that_no_worker_takes_leaves_the_old_ones() {
    let place = Place::new().file("config/app.toml", "[http]\nkeep_alive = \"5s\"\n");
    let daemon = Daemon::start_with(place, &["--cluster=2", "--set", "config.watch=false"]);
    let before = workers(&daemon);
    let config = daemon.place.path().join("config/app.toml");
    fs::write(&config, "[http]\nkeep_alive = \"soon\"\n").unwrap();
    let refused = daemon.ask(&["restart"]);
    assert_ne!(refused.code, Some(0));
    assert!(refused.err.contains("slot 0 keeps its worker"), "{refused:?}");
    let after = workers(&daemon);
    assert_eq!(after.len(), 2);
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before["pid"], after["pid"]);
    }
    assert_eq!(get(&daemon.http(), "/").body, "hello");
}

#[test]
fn a_reload_is_for_all_workers_or_none_and_changes_their_number() {
    let (daemon, config) = from_file(&["config.watch=false"]);
    fs::write(&config, "[cluster]\nworkers = 3\n").unwrap();
    let reloaded = daemon.ask(&["reload"]);
    assert_eq!(reloaded.code, Some(0), "{reloaded:?}");
    until("three workers", || all_ready(&daemon, 3));

    fs::write(&config, "[cluster]\nworkers = 1\nwrokers = 2\n").unwrap();
    let refused = daemon.ask(&["reload"]);
    assert_eq!(refused.code, Some(78), "{refused:?}");
    assert!(refused.err.contains("wrokers"), "{refused:?}");
    assert!(all_ready(&daemon, 3));

    fs::write(&config, "[cluster]\nworkers = 1\n").unwrap();
    kill_process(daemon.pid(), Signal::HUP).unwrap();
    until("one worker", || all_ready(&daemon, 1));
    for _ in 0..20 {
        assert_eq!(get(&daemon.http(), "/").body, "hello", "slots without a worker are lent");
    }
}

/// What each worker says of a key of its configuration, and of its last reload.
fn in_force(daemon: &Daemon, key: &str) -> Vec<(Value, Value)> {
    let dump = dump(daemon);
    let workers = dump["workers"].as_array().unwrap().iter().map(|it| &it["answer"]);
    let value = |worker: &Value| {
        let entries = worker["config"]["values"].as_array().unwrap();
        entries.iter().find(|entry| entry["key"] == key).unwrap()["value"].clone()
    };
    let last = |worker: &Value| {
        let reloads = worker["reloads"].as_array().unwrap();
        reloads.last().map_or(Value::Null, |it| it["outcome"].clone())
    };
    workers.map(|worker| (value(worker), last(worker))).collect()
}

#[test]
fn a_file_that_changes_is_read_by_all_workers_or_by_none_whoever_notices_it() {
    // One of them makes something else of the same file.
    let (daemon, config) = from_file(&["cluster.slots.1.env.INTERVAL=seldom"]);
    let write = |workers: usize, interval: &str| {
        let text = format!("[cluster]\nworkers = {workers}\nhealth_interval = \"{interval}\"\n");
        fs::write(&config, text).unwrap();
    };
    let interval = || in_force(&daemon, "cluster.health_interval");
    write(2, "9s");
    until("both workers take it", || interval() == vec![("9s".into(), "applied".into()); 2]);

    write(2, "${env:INTERVAL:-8s}");
    until("it is refused", || daemon.status()["last_reload"]["outcome"] == "invalid");
    let refused = [("9s".into(), "applied".into()), ("9s".into(), "invalid".into())];
    assert_eq!(interval(), refused);

    // The number of workers is for the primary, which watches no file itself.
    write(3, "9s");
    until("three workers", || all_ready(&daemon, 3));
}

#[test]
fn workers_that_find_different_contents_in_a_file_all_keep_what_they_have() {
    let (daemon, config) = from_file(&["config.watch=false"]);
    // Each of them has its slot in it.
    let own = "[cluster]\nenv.OWN = \"${file:/proc/self/environ}\"\n";
    fs::write(&config, own).unwrap();
    let refused = daemon.ask(&["reload"]);
    assert_eq!(refused.code, Some(78), "{refused:?}");
    assert!(refused.err.contains("`/proc/self/environ` changes all the while"), "{refused:?}");
    // Who still held what it had prepared would have this wait.
    let would = daemon.ask(&["reload", "--dry-run"]);
    assert_eq!(would.code, Some(0), "{would:?}");
    assert_eq!(in_force(&daemon, "cluster.health_interval"), vec![("30s".into(), Value::Null); 2]);
    fs::write(&config, "[cluster]\nworkers = 2\n").unwrap();
    assert_eq!(daemon.ask(&["reload"]).code, Some(0));
}

#[test]
fn how_much_is_logged_is_said_to_one_and_done_by_all() {
    let daemon = cluster(&[]);
    let admin = daemon.admin();
    assert_eq!(daemon.ask(&["logs", "level", "debug"]).out, "debug\n");
    for _ in 0..8 {
        let level: Value = serde_json::from_str(&get(&admin, "/debug/log-level").body).unwrap();
        assert_eq!(level["level"], "debug");
    }
    let changed = ask(&admin, "PUT /debug/log-level HTTP/1.1", &[], "warn");
    assert_eq!(changed.status, 200, "{}", changed.body);
    assert_eq!(daemon.status()["log_level"], "warn");
    for _ in 0..8 {
        let level: Value = serde_json::from_str(&get(&admin, "/debug/log-level").body).unwrap();
        assert_eq!(level["level"], "warn");
    }
    // A dump has what every worker says.
    let dump = dump(&daemon);
    assert_eq!(dump["workers"].as_array().unwrap().len(), 2);
    assert!(dump["workers"][1]["answer"]["runtime"]["workers"].is_u64(), "{dump:#}");
}

#[test]
fn an_upgrade_puts_another_primary_with_workers_of_its_own_in_place() {
    let daemon = cluster(&[]);
    let (http, primary, before) = (daemon.http(), daemon.pid(), workers(&daemon));
    let upgraded = daemon.ask(&["upgrade"]);
    assert_eq!(upgraded.code, Some(0), "{upgraded:?}");
    let next = daemon.pid();
    assert_ne!(next, primary);
    assert!(
        upgraded.out.ends_with(&format!("ok: hello serves as process {next}\n")),
        "{upgraded:?}"
    );
    until("the old one is gone", || test_kill_process(primary).is_err());
    before.iter().for_each(|it| assert!(test_kill_process(pid(it)).is_err()));
    assert_eq!(daemon.http(), http, "at the same address");
    assert_eq!(get(&http, "/").body, "hello");
    assert!(all_ready(&daemon, 2));
    // It holds what the old one held.
    let second = daemon.place.run(&["serve", "--pid-file", "app.pid"]);
    assert_eq!(second.code, Some(75), "{second:?}");
}

#[test]
fn one_process_is_restarted_by_another_at_the_same_address() {
    let daemon = Daemon::start(Place::new());
    let (http, first) = (daemon.http(), daemon.pid());
    for verb in ["restart", "upgrade"] {
        let before = daemon.pid();
        let done = daemon.ask(&[verb]);
        assert_eq!(done.code, Some(0), "{done:?}");
        assert_ne!(daemon.pid(), before);
        assert_eq!(daemon.http(), http);
        assert_eq!(get(&http, "/").body, "hello");
        until("the old one is gone", || test_kill_process(before).is_err());
    }
    assert!(test_kill_process(first).is_err());
    assert_eq!(daemon.ask(&["stop"]).code, Some(0));
}

#[test]
fn a_successor_that_cannot_start_changes_nothing() {
    for cluster in [&[][..], &["--cluster=2"]] {
        let place = Place::new().file("config/app.toml", "");
        let args = [cluster, &["--set", "config.watch=false"]].concat();
        let daemon = Daemon::start_with(place, &args);
        let (http, pid) = (daemon.http(), daemon.pid());
        let config = daemon.place.path().join("config/app.toml");
        fs::write(config, "[http]\nkeep_alive = \"soon\"\n").unwrap();
        let refused = daemon.ask(&["upgrade"]);
        assert_eq!(refused.code, Some(78), "{refused:?}");
        assert!(refused.err.contains("this process serves as before"), "{refused:?}");
        assert_eq!((daemon.pid(), daemon.http()), (pid, http.clone()));
        assert_eq!(get(&http, "/").body, "hello");
    }
}

#[test]
fn workers_whose_primary_is_killed_end_by_themselves_and_the_next_start_works_at_once() {
    let place = Place::new();
    let address = "HELLO_HTTP__ADDR";
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let fixed = format!("http.addr=127.0.0.1:{port}");
    let daemon = Daemon::start_with(place, &["--cluster=2", "--set", &fixed]);
    let orphans = workers(&daemon);
    kill_process(daemon.pid(), Signal::KILL).unwrap();
    let began = Instant::now();
    let next = loop {
        let args = ["serve", "--detach", "--pid-file", "app.pid", "--cluster=2", "--set", &fixed];
        let next = daemon.place.run(&args);
        // The kernel lets go of the lock when it has buried the process.
        if next.code != Some(75) || began.elapsed() > LIMIT {
            break next;
        }
    };
    assert_eq!(next.code, Some(0), "{address} {next:?}");
    assert_eq!(get(&daemon.http(), "/").body, "hello");
    for orphan in &orphans {
        until("an orphan ends", || test_kill_process(pid(orphan)).is_err());
    }
    assert!(all_ready(&daemon, 2));
}

#[test]
fn a_cluster_whose_workers_cannot_start_ends_with_their_exit_code() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http.addr={}", taken.local_addr().unwrap());
    let ended = Place::new().run(&["serve", "--cluster=2", "--set", &address]);
    assert_eq!(ended.code, Some(69), "{ended:?}");
    let ended = Place::new().run(&["serve", "--cluster=2", "--set", "http.addr=nonsense"]);
    assert_eq!(ended.code, Some(78), "{ended:?}");
    let ended = Place::new().run(&["serve", "--cluster=0"]);
    assert_eq!(ended.code, Some(64), "{ended:?}");
}

#[test]
fn a_worker_has_what_is_set_for_its_slot() {
    let config = "[cluster.set]\n\"app.version\" = \"1-all\"\n\
        [cluster.slots.1.set]\n\"app.version\" = \"2-one\"\n\
        [cluster.slots.2.env]\nHELLO_APP__NAME = \"third\"\n";
    let place = Place::new().file("config/app.toml", config);
    let daemon = Daemon::start_with(place, &["--cluster=3", "--set", "config.watch=false"]);
    let file = daemon.place.path().join(daemon.ask(&["dump"]).out.trim());
    let dump: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let told = |slot: usize, key: &str| dump["workers"][slot]["answer"]["status"][key].clone();
    let versions = [0, 1, 2].map(|slot| told(slot, "version"));
    assert_eq!(versions, ["1-all", "2-one", "1-all"]);
    assert_eq!([0, 1, 2].map(|slot| told(slot, "app")), ["hello", "hello", "third"]);
}
