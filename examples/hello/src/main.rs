//! Says hello over HTTP.

use framework::prelude::*;

fn main() -> ExitCode {
    framework::cli::main(hello::app())
}
