//! Operators and a running process, over a real socket.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::{
        fs::PermissionsExt as _,
        net::{UnixListener, UnixStream},
    },
    path::PathBuf,
    sync::Arc,
};

use framework_process::{
    ControlClient, ControlError, ControlHandler, ControlServer, Progress, Refused, Request,
};
use serde_json::{Value, json};

/// Answers a status with two steps, panics at a dump, and refuses the rest.
struct Desk;

impl ControlHandler for Desk {
    fn handle(&self, request: &Request, progress: &mut Progress<'_>) -> Result<Value, Refused> {
        match request {
            Request::Status => {
                progress(json!("one"));
                progress(json!("two"));
                Ok(json!({"up": true}))
            }
            Request::Dump => panic!("cannot"),
            _ => Err(Refused::new(70, "not now")),
        }
    }
}

struct Running {
    _directory: tempfile::TempDir,
    server: ControlServer,
}

fn path_in(directory: &tempfile::TempDir) -> PathBuf {
    directory.path().join("run").join("app.sock")
}

fn running() -> Running {
    let directory = tempfile::tempdir().unwrap();
    let server = ControlServer::bind(&path_in(&directory), Arc::new(Desk)).unwrap();
    Running { _directory: directory, server }
}

impl Running {
    fn ask(&self, request: &Request) -> Result<(Value, Vec<Value>), ControlError> {
        let mut steps = Vec::new();
        let client = ControlClient::connect(self.server.path())?;
        let answer = client.ask(request, |step| steps.push(step.clone()))?;
        Ok((answer, steps))
    }
}

#[test]
fn an_operator_hears_of_each_step_and_then_the_answer() {
    let running = running();
    let (answer, steps) = running.ask(&Request::Status).unwrap();
    assert_eq!(answer, json!({"up": true}));
    assert_eq!(steps, [json!("one"), json!("two")]);
}

#[test]
fn a_refusal_says_why_and_with_which_code_to_end() {
    let error = running().ask(&Request::Stop).unwrap_err();
    let ControlError::Refused(refused) = error else { panic!("{error}") };
    assert_eq!((refused.exit, refused.to_string().as_str()), (70, "not now"));
}

#[test]
fn a_request_that_fails_by_itself_harms_nobody_else() {
    let running = running();
    for _ in 0..20 {
        assert!(matches!(running.ask(&Request::Dump), Err(ControlError::Gone)));
    }
    running.ask(&Request::Status).unwrap();
}

#[test]
fn the_socket_is_for_this_user_only_and_goes_with_the_process() {
    let running = running();
    let path = running.server.path().to_owned();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    drop(running.server);
    assert!(!path.exists());
    let error = ControlClient::connect(&path).unwrap_err();
    assert!(error.to_string().starts_with("no instance is running"), "{error}");
}

#[test]
fn a_socket_that_was_left_behind_is_replaced_and_one_that_is_in_use_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = path_in(&directory);
    fs::create_dir(path.parent().unwrap()).unwrap();
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let first = ControlServer::bind(&path, Arc::new(Desk)).unwrap();
    let error = ControlServer::bind(&path, Arc::new(Desk)).unwrap_err();
    assert!(matches!(error, ControlError::InUse { .. }), "{error}");
    drop(first);

    fs::write(&path, "a file").unwrap();
    let error = ControlServer::bind(&path, Arc::new(Desk)).unwrap_err();
    assert!(!matches!(error, ControlError::InUse { .. }), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "a file");
}

#[test]
fn the_socket_of_the_next_process_is_left_alone() {
    let Running { _directory, server } = running();
    let path = server.path().to_owned();
    fs::remove_file(&path).unwrap();
    let next = ControlServer::bind(&path, Arc::new(Desk)).unwrap();
    drop(server);
    ControlClient::connect(&path).unwrap();
    drop(next);
    assert!(!path.exists());
}

#[test]
fn nonsense_is_refused_and_silence_holds_nobody_up() {
    let running = running();
    let _silent: Vec<_> =
        (0..4).map(|_| UnixStream::connect(running.server.path()).unwrap()).collect();
    for nonsense in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\xff\xfe\n", b"{\"verb\":\"fly\"}\n", b"\n"]
    {
        let mut stream = UnixStream::connect(running.server.path()).unwrap();
        stream.write_all(nonsense).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["refused"]["exit"], 64, "{answer}");
    }
    running.ask(&Request::Status).unwrap();
}

#[test]
fn more_operators_than_can_be_answered_are_told_to_come_back() {
    let running = running();
    // Each has a thread of its own from the moment that it is accepted.
    let waiting: Vec<_> =
        (0..8).map(|_| UnixStream::connect(running.server.path()).unwrap()).collect();
    let error = running.ask(&Request::Status).unwrap_err();
    let ControlError::Refused(refused) = error else { panic!("{error}") };
    assert_eq!(refused.exit, 75);
    drop(waiting);
    let answered = (0..10_000).any(|_| running.ask(&Request::Status).is_ok());
    assert!(answered, "a place that is free again is taken");
}
