//! Runs the application: what the process is given, what becomes of it, and why it may not start.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use framework_app::AppBuilder;
use framework_core::Issue;
use framework_observability::Telemetry;
use framework_process::{
    Outcome,
    tasks::{ProcessPoolModule, TaskChild, Tasks},
};

use self::{
    refusal::{Refusal, does_not_fit, no_log, not_ours, refused},
    start::{Start, start},
};
use crate::{
    Console, Exit,
    args::ServeArgs,
    codes,
    prepare::{Configured, Prepared},
    verbs::check,
};

mod refusal;
mod served;
mod start;

/// How long the process that was started waits for the one in the background.
const UNTIL_READY: Duration = Duration::from_secs(90);

/// Runs the application until it ends or a signal ends it.
pub(crate) fn serve(app: AppBuilder, args: &ServeArgs, console: &mut Console<'_>) -> Exit {
    let name = app.name();
    let started = match TaskChild::take() {
        Ok(None) => start(app, args),
        Ok(Some(child)) => match do_tasks(app, args, child) {
            Ok(()) => return Exit::Clean,
            Err(refusal) => Err(refusal),
        },
        Err(error) => Err(not_ours(&error)),
    };
    let refusal = match started {
        Ok(Start::Here(served)) => return served.run(console),
        Ok(Start::Elsewhere(outcome)) => return elsewhere(name, outcome, console),
        Err(refusal) => refusal,
    };
    let exit = match refusal.exit {
        Exit::Invalid => check::refuse(name, &refusal.issues, refusal.config.as_ref(), console),
        exit => {
            refusal.issues.iter().for_each(|issue| console.complain(&issue.to_string()));
            exit
        }
    };
    if let Some(reporter) = refusal.reporter {
        reporter.failed(exit.code());
    }
    exit
}

/// What the process that was started says of the one in the background.
fn elsewhere(name: &str, outcome: Outcome, console: &mut Console<'_>) -> Exit {
    match outcome {
        Outcome::Ready { pid } => {
            // Whoever closes the pipe has seen enough.
            let _ = console.print(&format!("ok: {name} runs in the background as process {pid}\n"));
            Exit::Clean
        }
        // It has said why, on the same standard error.
        Outcome::Failed { code } => Exit::from_code(code),
        Outcome::Crashed => {
            let issue = Issue::new(&codes::SYSTEM, format!("`{name}` ended before it was ready"))
                .help("what it wrote above, or its log, may say why");
            console.complain(&issue.to_string());
            Exit::Internal
        }
        _ => {
            let issue = Issue::new(&codes::SYSTEM, format!("`{name}` is still not ready"))
                .evidence(format!("it was waited for {} s", UNTIL_READY.as_secs()))
                .help(format!("`{name} status` tells how far it is, `{name} stop` gives it up"));
            console.complain(&issue.to_string());
            Exit::Internal
        }
    }
}

/// Does tasks for the pool of another process, and nothing else of the application.
fn do_tasks(app: AppBuilder, args: &ServeArgs, child: TaskChild) -> Result<(), Refusal> {
    let sources = args.sources.sources(app.name(), false);
    let configured =
        Configured::load(app, &sources).map_err(|issue| Refusal::new(Exit::Invalid, issue))?;
    let telemetry = configured.telemetry.as_ref().map(Telemetry::new).transpose();
    let telemetry = telemetry.map_err(|error| no_log(&error))?;
    let found = Arc::new(OnceLock::new());
    let Prepared { app, config, .. } = configured.prepare_to_look();
    let planned = app.replace_module(ProcessPoolModule::to_find(Arc::clone(&found))).plan();
    planned.map_err(|error| does_not_fit(&error, Some(config)))?;
    let _log = telemetry.map(Telemetry::install).transpose().map_err(|error| no_log(&error))?;
    let tasks: Tasks = found.get().cloned().unwrap_or_default();
    child.run(&tasks).map_err(|error| refused(&codes::SYSTEM, "cannot do tasks", &error))
}
