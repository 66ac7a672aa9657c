//! `cargo xtask dev`: an example that starts again whenever a source file changes.

mod watch;

use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use clap::Args;
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
};

use self::watch::Watch;
use crate::{
    Outcome, command::Invocation, print, running::Running, stopwatch::pause, workspace::Workspace,
};

/// How often the source files are looked at.
const LOOK: Duration = Duration::from_millis(500);

/// How long the example may take to stop before it is killed.
const STOP: Duration = Duration::from_secs(30);

/// What `cargo xtask dev` is told.
#[derive(Debug, Args)]
pub(crate) struct DevArgs {
    /// The example to run.
    #[arg(default_value = "shop")]
    app: String,
}

/// Why an example stops running.
#[derive(Debug)]
enum Turn {
    Changed(String),
    Interrupted,
}

/// Builds and runs until a file changes, then again; ends with Ctrl-C.
///
/// # Errors
///
/// Returns an error if the files cannot be watched or the example cannot be started. An example
/// that does not build, or that ends by itself, is not one: the next change may mend it.
pub(crate) fn run(workspace: &Workspace, args: &DevArgs) -> Outcome {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        flag::register(signal, Arc::clone(&interrupted))?;
    }
    let build = Invocation::cargo(workspace.root(), "build --bins --package").arg(&args.app);
    let binary = workspace.target()?.join("debug").join(&args.app);
    let dir = env::current_dir()?;

    let mut watch = Watch::new(workspace.root())?;
    loop {
        print::step(&args.app);
        let mut app = match build.run() {
            Ok(()) => Some(Running::start(&binary, &dir)?),
            Err(error) => {
                print::error(&error);
                None
            }
        };
        let turn = wait(&mut watch, &mut app, &interrupted)?;
        // A file that changed is worth more than why the old program did not stop well.
        if let Some(Err(error)) = app.map(|app| app.stop(STOP)) {
            print::error(&error);
        }
        match turn {
            Turn::Changed(path) => print::note(&format!("{path} has changed")),
            Turn::Interrupted => return Ok(()),
        }
    }
}

fn wait(
    watch: &mut Watch,
    app: &mut Option<Running>,
    interrupted: &AtomicBool,
) -> Result<Turn, Box<dyn std::error::Error>> {
    loop {
        if interrupted.load(Ordering::Relaxed) {
            return Ok(Turn::Interrupted);
        }
        if let Some(path) = watch.changed()? {
            return Ok(Turn::Changed(path.display().to_string()));
        }
        let ended = app.as_mut().map_or(Ok(None), Running::ended)?;
        if let Some(status) = ended {
            print::bad(&format!("ended with {status}; waiting for a change"));
            *app = None;
        }
        pause(LOOK);
    }
}
