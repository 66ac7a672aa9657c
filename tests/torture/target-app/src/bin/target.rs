//! The target, as sound as the framework is, but for the sin that its file may have.

use std::process::ExitCode;

use framework::http::HttpModule;
use framework_torture_target::{Mistakes, Sin, app};

fn main() -> ExitCode {
    // An executable that cannot be read has no sin either.
    let sin = Sin::own().unwrap_or_default();
    sin.before_all();
    framework::cli::main(app(HttpModule::new(), Mistakes { sin, ..Mistakes::default() }))
}
