//! The target, as sound as the framework is, but for the sin that its file may have.

use std::process::ExitCode;

fn main() -> ExitCode {
    framework_torture_target::serve()
}
