//! One instance, in the background or under a service manager, and its operators.

use std::{
    fs,
    net::TcpListener,
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::{fs::PermissionsExt as _, net::UnixDatagram, process::CommandExt as _},
    },
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::{
    io::{FdFlags, fcntl_setfd},
    process::{Pid, Signal, kill_process},
};
use serde_json::Value;

use crate::{
    client::get,
    daemon::Daemon,
    process::{Ended, Place, Running},
};

/// How long anything may take before the test has failed.
const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn in_the_background_it_serves_until_an_operator_stops_it() {
    let daemon = Daemon::start(Place::new());
    let file = |name: &str| daemon.place.path().join(name);
    assert_eq!(get(&daemon.http(), "/").body, "hello");
    let status = daemon.status();
    assert_eq!(status["pid"].as_i64(), Some(i64::from(daemon.pid().as_raw_pid())));
    assert_eq!((&status["phase"], &status["health"]), (&"ready".into(), &"healthy".into()));
    let table = daemon.ask(&["status"]).out;
    assert!(table.starts_with("hello 0.1.0 is running\n\n  process   "), "{table}");
    assert!(table.contains("\n  health    healthy\n"), "{table}");
    let log = fs::read_to_string(file("hello.log")).unwrap();
    assert!(log.contains("hello is ready"), "{log}");

    let stopped = daemon.ask(&["stop"]);
    assert_eq!((stopped.code, stopped.out.as_str()), (Some(0), "ok: hello has stopped\n"));
    assert_eq!(fs::read_to_string(file("app.pid")).unwrap(), "");
    assert!(!file("app.sock").exists());
    let status = daemon.ask(&["status"]);
    assert_eq!(status.code, Some(69));
    assert!(status.err.starts_with("error[E0810]: no `hello` is running here"), "{}", status.err);
}

#[test]
fn a_second_instance_is_refused_and_the_first_goes_on() {
    let daemon = Daemon::start(Place::new());
    for args in
        [&["serve", "--pid-file", "app.pid"][..], &["serve", "--detach", "--pid-file", "app.pid"]]
    {
        let second = daemon.place.run(args);
        assert_eq!(second.code, Some(75), "{second:?}");
        assert!(second.err.starts_with("error[E0807]: `hello` is running already"), "{second:?}");
    }
    assert_eq!(get(&daemon.http(), "/").body, "hello");
}

#[test]
fn an_instance_that_was_killed_is_in_nobodys_way() {
    let daemon = Daemon::start(Place::new());
    kill_process(daemon.pid(), Signal::KILL).unwrap();
    let next = loop {
        // The kernel lets go of the lock when it has buried the process.
        let next = daemon.place.run(&["serve", "--detach", "--pid-file", "app.pid"]);
        if next.code != Some(75) {
            break next;
        }
    };
    assert_eq!(next.code, Some(0), "{next:?}");
    assert_eq!(get(&daemon.http(), "/").body, "hello");
}

#[test]
fn what_keeps_a_daemon_from_starting_is_told_by_its_launcher() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http.addr={}", taken.local_addr().unwrap());
    let place = Place::new();
    let detached = place.run(&["serve", "--detach", "--pid-file", "app.pid", "--set", &address]);
    let attached = place.run(&["serve", "--set", &address, "--set", "telemetry.log.level=off"]);
    assert_eq!((detached.code, attached.code), (Some(69), Some(69)));
    let first = |ended: &Ended| ended.err.lines().next().unwrap_or_default().to_owned();
    assert_eq!(first(&detached), first(&attached));
    assert!(detached.err.contains("is in use"), "{detached:?}");
    assert_eq!(fs::read_to_string(place.path().join("app.pid")).unwrap(), "");

    let wrong = place.run(&["serve", "--detach", "--pid-file", "app.pid", "--set", "http.adr=1"]);
    assert_eq!(wrong.code, Some(78), "{wrong:?}");
    let nowhere = place.run(&["serve", "--detach", "--pid-file", "/proc/app.pid"]);
    assert_eq!(nowhere.code, Some(71), "{nowhere:?}");
}

#[test]
fn operators_change_the_level_of_the_log_and_have_files_written() {
    let daemon = Daemon::start(Place::new());
    let level = |args: &[&str]| daemon.ask(&[&["logs", "level"], args].concat());
    assert_eq!(level(&[]).out, "info\n");
    assert_eq!(level(&["debug"]).out, "debug\n");
    assert_eq!(level(&[]).out, "debug\n");
    let refused = level(&["inof"]);
    assert_eq!(refused.code, Some(64));
    assert!(refused.err.contains("did you mean `info`?"), "{}", refused.err);

    let dump = daemon.ask(&["dump"]).out;
    let dump = daemon.place.path().join(dump.trim());
    assert_eq!(fs::metadata(&dump).unwrap().permissions().mode() & 0o777, 0o600);
    let dump: Value = serde_json::from_str(&fs::read_to_string(dump).unwrap()).unwrap();
    assert_eq!(dump["status"]["app"], "hello");
    assert!(dump["metrics"].as_str().unwrap().contains("framework_app_info"));

    let log = daemon.place.path().join("hello.log");
    let moved = daemon.place.path().join("hello.log.1");
    fs::rename(&log, &moved).unwrap();
    assert_eq!(daemon.ask(&["logs", "reopen"]).code, Some(0));
    let before = fs::read_to_string(&moved).unwrap();
    level(&["trace"]);
    daemon.ask(&["reload"]);
    assert_eq!(fs::read_to_string(&moved).unwrap(), before, "nothing more goes to the old one");
    assert!(fs::read_to_string(&log).unwrap().contains('{'));
}

/// A configuration that changes when it is told to, and not when its file does.
fn configured(interval: &str) -> String {
    format!("[metrics]\nupdate_interval = \"{interval}\"\n[config]\nwatch = false\n")
}

#[test]
fn a_reload_tells_what_is_different_or_why_it_is_not() {
    let place = Place::new().file("config/app.toml", &configured("30s"));
    let daemon = Daemon::start(place);
    let file = daemon.place.path().join("config/app.toml");
    fs::write(&file, configured("20s")).unwrap();
    let dry = daemon.ask(&["reload", "--dry-run"]);
    assert!(dry.out.contains("metrics.update_interval: 30s -> 20s"), "{dry:?}");
    fs::write(&file, configured("soon")).unwrap();
    let refused = daemon.ask(&["reload"]);
    assert_eq!(refused.code, Some(78), "{refused:?}");
    assert!(refused.err.contains("config/app.toml:2"), "{refused:?}");
    assert_eq!(get(&daemon.http(), "/").body, "hello");
}

#[test]
fn signals_write_a_dump_and_open_the_log_again() {
    let place = Place::new();
    let args = ["serve", "--pid-file", "app.pid", "--set", "telemetry.log.file=app.log"];
    let mut command = place.command(&args);
    command.stderr(Stdio::null());
    let mut child = Killed(command.spawn().unwrap());
    let pid = Pid::from_child(&child.0);
    let log = place.path().join("app.log");
    let until = |path: &Path, needle: &str| {
        let begun = std::time::SystemTime::now();
        while !fs::read_to_string(path).unwrap_or_default().contains(needle) {
            assert!(begun.elapsed().unwrap() < LIMIT, "no {needle:?} in {}", path.display());
            std::thread::yield_now();
        }
    };
    until(&log, "hello is ready");
    kill_process(pid, Signal::USR1).unwrap();
    until(&log, "wrote a debug dump");
    let dumps = fs::read_dir(place.path()).unwrap().filter_map(Result::ok);
    let dumps: Vec<_> =
        dumps.filter(|file| file.file_name().to_string_lossy().starts_with("dump-")).collect();
    assert_eq!(dumps.len(), 1);
    fs::rename(&log, place.path().join("app.log.1")).unwrap();
    kill_process(pid, Signal::USR2).unwrap();
    until(&log, "the log is open again");
    kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(child.0.wait().unwrap().code(), Some(0));
}

/// A process that ends with its test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It has ended by itself, if the test has passed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A service manager that listens.
struct Manager {
    socket: UnixDatagram,
    heard: Vec<String>,
}

impl Manager {
    fn at(place: &Place) -> Self {
        let socket = UnixDatagram::bind(place.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        Self { socket, heard: Vec::new() }
    }

    /// Waits for a message that has this line, and returns all of it.
    fn until(&mut self, line: &str) -> String {
        let begun = std::time::SystemTime::now();
        loop {
            assert!(begun.elapsed().unwrap() < LIMIT, "no {line:?}: {:#?}", self.heard);
            let mut text = [0; 4096];
            let length = match self.socket.recv(&mut text) {
                Ok(length) => length,
                Err(error) => panic!("{error} before {line:?}: {:#?}", self.heard),
            };
            let text = String::from_utf8(text[..length].to_vec()).unwrap();
            self.heard.push(text.clone());
            if text.lines().any(|it| it == line) {
                return text;
            }
        }
    }
}

#[test]
fn a_service_manager_is_told_of_each_step() {
    let place = Place::new().file("config/app.toml", "");
    let mut manager = Manager::at(&place);
    let mut command = place.command(&["serve"]);
    command.env("NOTIFY_SOCKET", place.path().join("notify")).env("WATCHDOG_USEC", "200000");
    let running = Running::start(command);
    // Kept for the next start, should this process be killed.
    let stored = manager.until("FDSTORE=1");
    assert_eq!(stored, "FDSTORE=1\nFDNAME=admin=127.0.0.1_0\n");
    assert_eq!(manager.until("FDSTORE=1"), "FDSTORE=1\nFDNAME=http=127.0.0.1_0\n");
    let ready = manager.until("READY=1");
    assert!(ready.contains("STATUS=serving "), "{ready}");
    manager.until("WATCHDOG=1");
    manager.until("WATCHDOG=1");

    running.signal(Signal::HUP);
    let reloading = manager.until("RELOADING=1");
    assert!(reloading.contains("\nMONOTONIC_USEC="), "in one message: {reloading:?}");
    manager.until("READY=1");
    fs::write(place.path().join("config/app.toml"), "nonsense").unwrap();
    running.signal(Signal::HUP);
    manager.until("RELOADING=1");
    manager.until("READY=1");

    running.signal(Signal::TERM);
    manager.until("STOPPING=1");
    assert_eq!(running.ends_within(LIMIT).code, Some(0));

    let detached = Place::new().command(&["serve", "--detach"]).env("NOTIFY_SOCKET", "/x").output();
    let detached = detached.unwrap();
    assert_eq!(detached.status.code(), Some(64));
    let text = String::from_utf8(detached.stderr).unwrap();
    assert!(text.starts_with("error[E0809]: the process cannot go into the background"), "{text}");
}

#[test]
fn a_service_manager_hears_of_the_end_of_each_reload_of_a_cluster() {
    let place = Place::new().file("config/app.toml", "");
    let mut manager = Manager::at(&place);
    let set = ["--set", "config.watch=false"];
    let args = [&["serve", "--cluster=2", "--pid-file", "app.pid"][..], &set].concat();
    let mut command = place.command(&args);
    command.env("NOTIFY_SOCKET", place.path().join("notify"));
    let config = place.path().join("config/app.toml");
    let running = Running::start(command);
    manager.until("READY=1");
    for (text, code) in [("", 0), ("nonsense", 78)] {
        fs::write(&config, text).unwrap();
        let reloaded = place.run(&["reload", "--pid-file", "app.pid"]);
        assert_eq!(reloaded.code, Some(code), "{reloaded:?}");
        manager.until("RELOADING=1");
        manager.until("READY=1");
        running.signal(Signal::HUP);
        manager.until("RELOADING=1");
        manager.until("READY=1");
    }
    running.signal(Signal::TERM);
    assert_eq!(running.ends_within(LIMIT).code, Some(0));
}

/// The command that hands `socket` over as systemd does: as descriptor 3, to this very process.
fn handing_over(place: &Place, socket: &TcpListener, names: &str) -> (Command, OwnedFd) {
    // Away from where it goes, and as a number that every shell can spell.
    let socket = rustix::io::fcntl_dupfd_cloexec(socket, 9).unwrap();
    fcntl_setfd(&socket, FdFlags::empty()).unwrap();
    let script = format!(
        "exec 3<&{fd} {fd}<&-; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES={names} exec {hello} serve",
        fd = socket.as_raw_fd(),
        hello = env!("CARGO_BIN_EXE_hello"),
    );
    let mut command = place.command(&[]);
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", &script]).current_dir(place.path()).env_clear();
    for (name, value) in command.stdin(Stdio::null()).get_envs() {
        shell.env(name, value.unwrap());
    }
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    (shell, socket)
}

#[test]
fn a_socket_that_the_manager_hands_over_is_served_and_never_refuses() {
    let place = Place::new();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    for _ in 0..2 {
        let (command, _open) = handing_over(&place, &socket, "http");
        let running = Running::start(command);
        assert_eq!(running.http, url);
        assert_eq!(get(&url, "/").body, "hello");
        running.signal(Signal::TERM);
        let ended = running.ends_within(LIMIT);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        // The manager holds it: whoever connects now waits for the next process.
        drop(std::net::TcpStream::connect(socket.local_addr().unwrap()).unwrap());
    }
}

#[test]
fn a_socket_that_nobody_asks_for_is_named_and_nonsense_is_refused() {
    let place = Place::new();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let (command, open) = handing_over(&place, &socket, "other");
    let mut running = Running::start(command);
    drop(open);
    let line = running.until("a socket was handed over that no server listens at");
    assert!(line.contains("\"socket\":\"other\""), "{line}");
    running.signal(Signal::TERM);
    assert_eq!(running.ends_within(LIMIT).code, Some(0));

    let (mut nonsense, _open) = handing_over(&place, &socket, "a:b");
    let output = nonsense.output().unwrap();
    assert_eq!(output.status.code(), Some(71));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.starts_with("error[E0813]: `LISTEN_FDNAMES=a:b` makes no sense"), "{text}");
}

#[test]
fn it_becomes_another_user_before_anything_is_opened() {
    let place = Place::new();
    let ended = place.run(&["serve", "--user", "nobody-of-this-name"]);
    assert_eq!(ended.code, Some(64), "{ended:?}");
    assert!(ended.err.starts_with("error[E0814]: there is no user"), "{}", ended.err);
    let ended = place.run(&["serve", "--group", "nogroup"]);
    assert_eq!(ended.code, Some(64), "a group without a user: {ended:?}");
    if !rustix::process::geteuid().is_root() {
        let ended = place.run(&["serve", "--user", "nobody"]);
        assert_eq!(ended.code, Some(71), "{ended:?}");
        assert!(ended.err.contains("only root can become `nobody`"), "{}", ended.err);
        return;
    }
    for cluster in [&[][..], &["--cluster=1"]] {
        let open = fs::Permissions::from_mode(0o777);
        fs::set_permissions(place.path(), open).unwrap();
        let running = place.serve(&[&["serve", "--user", "nobody"], cluster].concat());
        let status = fs::read_to_string(format!("/proc/{}/status", running.id())).unwrap();
        let line = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        let ids: Vec<&str> = line("Uid:").split_whitespace().collect();
        assert!(ids.iter().all(|id| *id == ids[0] && *id != "0"), "{status}");
        assert!(line("Gid:").split_whitespace().all(|id| id != "0"), "{status}");
        assert!(line("Groups:").split_whitespace().all(|id| id != "0"), "{status}");
        assert_eq!(get(&running.http, "/").body, "hello");
    }
}

#[test]
fn an_operator_who_is_another_user_is_refused_and_root_is_heard() {
    // Only root can become another user, and is heard where it is that of the application.
    if !rustix::process::geteuid().is_root() {
        let daemon = Daemon::start(Place::new());
        assert_eq!(daemon.status()["phase"], "ready");
        return;
    }
    let nobody = 65_534;
    let all = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
    let daemon = Daemon::start(Place::new());
    let file = |name: &str| daemon.place.path().join(name);
    // As if an administrator had been careless: nothing but the process itself is in the way.
    fs::copy(env!("CARGO_BIN_EXE_hello"), file("hello")).unwrap();
    for (path, mode) in [("", 0o777), ("hello", 0o755), ("app.pid", 0o666), ("app.sock", 0o666)] {
        all(&file(path), mode).unwrap();
    }
    for verb in ["status", "stop"] {
        let mut stranger = Command::new(file("hello"));
        stranger.args([verb, "--pid-file", "app.pid"]).current_dir(daemon.place.path());
        let refused = stranger.env_clear().uid(nobody).gid(nobody).output().unwrap();
        let said = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(71), "{said}");
        assert!(said.contains("only the user that runs this process may speak to it"), "{said}");
    }
    assert_eq!(daemon.status()["phase"], "ready");

    let place = Place::new();
    all(place.path(), 0o777).unwrap();
    let daemon = Daemon::start_with(place, &["--user", "nobody"]);
    assert_eq!(daemon.status()["phase"], "ready");
}
