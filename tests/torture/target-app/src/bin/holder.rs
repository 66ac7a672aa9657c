//! Holds a PID file for as long as it runs, as an application does, and does nothing else: so many
//! of them can be started at a time that they meet.

use std::{env, path::Path, process::ExitCode, thread};

use framework_process::{Instance, InstanceError};

fn main() -> ExitCode {
    let Some(path) = env::args().skip_while(|argument| argument != "--pid-file").nth(1) else {
        return ExitCode::from(64);
    };
    match Instance::acquire(Path::new(&path)) {
        Ok(_instance) => loop {
            thread::park();
        },
        Err(InstanceError::Held { .. }) => ExitCode::from(75),
        Err(_) => ExitCode::from(71),
    }
}
