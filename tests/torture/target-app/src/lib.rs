//! What the tortures aim at: an application with a route for each way in which a server can be hurt,
//! and two smaller programs.
//!
//! * [`serve`] is the application. Of its modules [`Traffic`] has slow, endless, streamed, echoed and
//!   upgraded responses; [`Generations`] tells which configuration answered, and can be told to read
//!   it again; [`boot`] takes its time to start, in many steps; [`Sin`] is what an executable does
//!   wrong then.
//! * [`hold`] holds a PID file and does nothing else.
//! * [`talk()`] exchanges messages with another process.

#![deny(missing_docs)]

mod boot;
mod generations;
mod holder;
mod sin;
pub mod talk;
mod talker;
mod traffic;

use std::process::ExitCode;

use framework::{http::HttpModule, prelude::*};

pub use self::{
    boot::{BootSettings, boot},
    generations::{Generations, Judge, LeftSettings, RightSettings},
    holder::hold,
    sin::Sin,
    talker::talk,
    traffic::Traffic,
};

/// Serves, with the sin that the file of this executable may have.
#[must_use]
pub fn serve() -> ExitCode {
    // An executable that cannot be read has no sin either.
    let sin = Sin::own().unwrap_or_default();
    sin.before_all();
    let http = HttpModule::new();
    let app = App::builder("target").version(env!("CARGO_PKG_VERSION")).modules((
        boot(sin),
        Traffic::new(http.handle()),
        Generations,
        Judge,
        http,
    ));
    framework::cli::main(app)
}
