//! Says hello over HTTP.

use std::process::ExitCode;

fn main() -> ExitCode {
    framework::cli::main(hello::app())
}
