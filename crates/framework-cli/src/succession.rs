use std::{
    ffi::{OsStr, OsString},
    os::{fd::AsFd as _, unix::ffi::OsStrExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, TryLockError},
    time::Duration,
};

use framework_core::{Chain, Lifecycle, ShutdownReason};
use framework_process::{
    ControlServer, InheritedSocket, Instance, Predecessor, Program, Progress, Refused, RunFiles,
    State, SuccessionError, Successor,
};
use serde_json::{Value, json};

use crate::{
    Exit,
    operator::{Operator, lock},
};

/// How much longer than the new process itself this one waits for it.
const MARGIN: Duration = Duration::from_secs(5);

/// Which program takes the place of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heir {
    /// The one that this process runs, whatever has become of its file.
    Same,
    /// The one that is on the disk now.
    OnDisk,
}

/// What only one process of an application can have.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) control: Option<ControlServer>,
    pub(crate) instance: Option<Instance>,
}

/// How another process takes the place of this one.
#[derive(Debug)]
pub(crate) struct Succession {
    /// What this process holds.
    pub(crate) held: Arc<Mutex<Held>>,
    pub(crate) files: Option<RunFiles>,
    /// Where the program was when this process was started.
    path: PathBuf,
    own: Program,
    environment: Vec<(&'static str, OsString)>,
    limit: Duration,
    busy: Mutex<()>,
}

impl Succession {
    /// Of a process whose successor has to be ready within `limit`, and is told of the service
    /// manager by `environment`.
    pub(crate) fn new(
        held: Arc<Mutex<Held>>,
        files: Option<RunFiles>,
        environment: Vec<(&'static str, OsString)>,
        limit: Duration,
    ) -> std::io::Result<Self> {
        let path = as_started(std::env::current_exe()?);
        let own = Program::own()?;
        Ok(Self { held, files, path, own, environment, limit, busy: Mutex::default() })
    }

    /// Starts `heir` with `sockets`, waits until it serves, leaves everything to it, and has this
    /// process stop. `handed_on` is called when nothing can fail any more.
    pub(crate) fn hand_over(
        &self,
        heir: Heir,
        sockets: &[InheritedSocket],
        operator: &Arc<Operator>,
        lifecycle: &Lifecycle,
        progress: &mut Progress<'_>,
        handed_on: impl FnOnce(),
    ) -> Result<Value, Refused> {
        let _alone = match self.busy.try_lock() {
            Err(TryLockError::WouldBlock) => {
                let busy = "another process is about to take its place already";
                return Err(Refused::new(Exit::Held.code(), busy));
            }
            Ok(alone) => alone,
            Err(TryLockError::Poisoned(alone)) => alone.into_inner(),
        };
        if std::process::id() == 1 {
            let first = "this is the first process of its container, which would end with it: \
                         start it with `--cluster`, and replace the container";
            return Err(Refused::new(Exit::Usage.code(), first));
        }
        let mut successor = self.start(heir, sockets).map_err(|error| failed(&error))?;
        let pid = successor.id();
        progress(json!({"step": format!("process {pid} starts")}));
        successor.ready(self.limit + MARGIN).map_err(|error| failed(&error))?;
        progress(json!({"step": format!("process {pid} is ready")}));
        // The path is free for it from now on; this conversation goes on.
        lock(&self.held).control.iter_mut().for_each(ControlServer::close);
        if let Err(error) = successor.leave_to_it() {
            self.listen_again(operator);
            return Err(failed(&error));
        }
        handed_on();
        if let Some(instance) = lock(&self.held).instance.take() {
            instance.hand_over();
        }
        operator.tell(&[State::MainPid(pid)]);
        operator.say_no_more();
        lifecycle.request_shutdown_once(ShutdownReason::Requested(format!("process {pid}")));
        Ok(json!({"pid": pid}))
    }

    fn start(&self, heir: Heir, sockets: &[InheritedSocket]) -> Result<Successor, SuccessionError> {
        let on_disk;
        let program = match heir {
            Heir::Same => &self.own,
            Heir::OnDisk => {
                on_disk = Program::at(&self.path).map_err(SuccessionError::NotStarted)?;
                &on_disk
            }
        };
        let mut command = program.command();
        command.envs(self.environment.iter().map(|(key, value)| (key, value)));
        let held = lock(&self.held);
        Successor::start(command, sockets, held.instance.as_ref().map(|it| it.as_fd()))
    }

    fn listen_again(&self, operator: &Arc<Operator>) {
        let Some(files) = &self.files else { return };
        let handler = Arc::clone(operator);
        match ControlServer::bind(files.socket(), handler) {
            Ok(control) => lock(&self.held).control = Some(control),
            Err(error) => tracing::error!(error = %Chain(&error), "operators find nobody"),
        }
    }
}

/// Where a program was: the kernel says so of a file that another one has replaced since, and a
/// process that was started again runs such a file.
fn as_started(path: PathBuf) -> PathBuf {
    match path.as_os_str().as_bytes().strip_suffix(b" (deleted)") {
        Some(before) if !path.exists() => PathBuf::from(OsStr::from_bytes(before)),
        _ => path,
    }
}

fn failed(error: &SuccessionError) -> Refused {
    let exit = match error {
        SuccessionError::Ended(status) => status.code().and_then(|code| u8::try_from(code).ok()),
        _ => None,
    };
    let exit = exit.filter(|code| *code != 0).unwrap_or(Exit::Internal.code());
    Refused::new(exit, format!("{}; this process serves as before", Chain(error)))
}

/// Takes the place of the process before this one, which waits for that: the lock, and the socket
/// that operators speak to.
pub(crate) fn take_place(
    predecessor: Predecessor,
    pid_file: Option<&Path>,
    held: &Mutex<Held>,
    listen: impl FnOnce() -> Option<ControlServer>,
) {
    let mut predecessor = predecessor;
    predecessor.ready();
    if let (Some(file), Some(path)) = (predecessor.lock.take(), pid_file) {
        match Instance::take_over(file, path) {
            Ok(instance) => lock(held).instance = Some(instance),
            Err(error) => tracing::error!(error = %Chain(&error), "cannot write the PID file"),
        }
    }
    lock(held).control = listen();
    predecessor.taken();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_was_replaced_is_looked_for_where_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let was = directory.path().join("app");
        let replaced = directory.path().join("app (deleted)");
        assert_eq!(as_started(replaced.clone()), was);
        assert_eq!(as_started(was.clone()), was);
        // A file may be called so.
        std::fs::write(&replaced, "").unwrap();
        assert_eq!(as_started(replaced.clone()), replaced);
    }
}
