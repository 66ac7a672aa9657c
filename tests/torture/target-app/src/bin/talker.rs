//! Talks to whoever is at the other end of its standard input.

use std::process::ExitCode;

fn main() -> ExitCode {
    framework_torture_target::talk()
}
