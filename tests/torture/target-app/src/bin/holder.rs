//! Holds a PID file for as long as it runs.

use std::process::ExitCode;

fn main() -> ExitCode {
    framework_torture_target::hold()
}
