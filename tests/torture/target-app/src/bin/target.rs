//! The target, as sound as the framework is.

use std::process::ExitCode;

use framework::http::HttpModule;
use framework_torture_target::{Mistakes, app};

fn main() -> ExitCode {
    framework::cli::main(app(HttpModule::new(), Mistakes::default()))
}
