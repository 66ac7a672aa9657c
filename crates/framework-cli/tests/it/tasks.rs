//! Tasks in processes of their own, which may crash.

use std::{fs, path::Path, sync::Arc, time::Duration};

use framework_core::{BoxError, Context, Module, Registrar, ShutdownReason};
use framework_process::{
    ipc::{Message, Request},
    tasks::{ProcessPool, RunTasks, Task, TaskError, TaskExt},
};
use serde::{Deserialize, Serialize};

use crate::process::Process;

/// What the other process is to do.
#[derive(Debug, Serialize, Deserialize)]
enum Do {
    Square(u64),
    Fail,
    Panic,
    Abort,
    NeverEnd,
    TellPid,
}

impl Message for Do {
    const NAME: &'static str = "test.do";
}

impl Request for Do {
    type Reply = u64;
}

impl Task for Do {
    fn run(self) -> Result<u64, BoxError> {
        match self {
            Self::Square(n) => Ok(n * n),
            Self::Fail => Err("on purpose".into()),
            Self::Panic => panic!("in the task"),
            Self::Abort => std::process::abort(),
            Self::NeverEnd => loop {
                std::thread::park();
            },
            Self::TellPid => Ok(u64::from(std::process::id())),
        }
    }
}

/// Crashes once, and leaves a file that tells that it has.
#[derive(Debug, Serialize, Deserialize)]
struct CrashOnce(String);

impl Message for CrashOnce {
    const NAME: &'static str = "test.crash-once";
}

impl Request for CrashOnce {
    type Reply = String;
}

impl Task for CrashOnce {
    const IDEMPOTENT: bool = true;

    fn run(self) -> Result<String, BoxError> {
        if !Path::new(&self.0).exists() {
            fs::write(&self.0, "crashed")?;
            std::process::abort();
        }
        Ok(format!("{} before", fs::read_to_string(&self.0)?))
    }
}

/// Does all of them, writes down what came of it, and stops.
#[derive(Debug)]
pub(crate) struct Doing;

pub(crate) fn tasks() -> Doing {
    Doing
}

impl Module for Doing {
    fn name(&self) -> &'static str {
        "doing"
    }

    fn register(self, reg: &mut Registrar<'_>) {
        reg.task::<Do>();
        reg.task::<CrashOnce>();
        let pool = reg.need::<ProcessPool>();
        reg.run("do", move |cx| async move {
            let told = tell(&cx.get(&pool)).await;
            fs::write("told", told)?;
            Ok(stop(cx))
        });
    }
}

async fn stop(cx: Context) -> Result<(), BoxError> {
    cx.lifecycle().request_shutdown(ShutdownReason::Requested("done".to_owned()));
    cx.shutdown().await;
    Ok(())
}

async fn tell(pool: &ProcessPool) -> String {
    let mut lines = Vec::new();
    for n in 1..=20 {
        assert_eq!(pool.run_task(Do::Square(n)).await, Ok(n * n));
    }
    let pid = pool.run_task(Do::TellPid).await.unwrap();
    lines.push(format!("another process: {}", pid != u64::from(std::process::id())));
    for task in [Do::Fail, Do::Panic, Do::Abort, Do::Square(3), Do::NeverEnd, Do::Square(4)] {
        let name = format!("{task:?}");
        let told = match pool.run_task(task).await {
            Ok(answer) => answer.to_string(),
            Err(TaskError::TimedOut(limit)) => format!("timed out after {limit:?}"),
            Err(error) => error.to_string(),
        };
        lines.push(format!("{name}: {told}"));
    }
    let again = pool.run_task(CrashOnce("crash".to_owned())).await;
    lines.push(format!("crash once: {again:?}"));
    let stats = pool.stats();
    lines.push(format!(
        "done {} failed {} crashed {} timed out {} retried {}",
        stats.done, stats.failed, stats.crashed, stats.timed_out, stats.retried
    ));
    lines.join("\n")
}

#[test]
fn a_crash_loses_one_task_and_nothing_more() {
    let place = Arc::new(tempfile::tempdir().unwrap());
    let args = "serve --set process_pool.task_timeout=2s --set process_pool.processes=2";
    let process = Process::start_at(&place, "tasks", args);
    let (code, log) = process.ends_within(Duration::from_secs(30));
    assert_eq!(code, 0, "{log}");
    let told = fs::read_to_string(place.path().join("told")).unwrap();
    assert_eq!(
        told,
        "another process: true\n\
         Fail: the task failed: on purpose\n\
         Panic: the task panicked: in the task\n\
         Abort: the process that did the task was ended by signal 6\n\
         Square(3): 9\n\
         NeverEnd: timed out after 2s\n\
         Square(4): 16\n\
         crash once: Ok(\"crashed before\")\n\
         done 24 failed 2 crashed 1 timed out 1 retried 1"
    );
}
