//! What the tortures aim at: an application with a route for each way in which a server can be hurt.
//!
//! * [`Traffic`] has slow, endless, streamed, echoed and upgraded responses.
//! * [`talk`] is what two processes say to each other.
//! * [`Generations`] tells which configuration answered, and can be told to read it again.
//! * [`boot`] takes its time to start, in many steps; [`Sin`] is what an executable does wrong then.
//!
//! [`app`] is all of them. [`Mistakes`] are what a planted build does wrong.

#![deny(missing_docs)]

mod boot;
mod generations;
mod sin;
pub mod talk;
mod traffic;

pub use self::{
    boot::{BootSettings, boot},
    generations::{Generations, Judge, LeftSettings, RightSettings},
    sin::Sin,
    traffic::Traffic,
};

use framework::{http::HttpModule, prelude::*};

/// What the target does wrong on purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mistakes {
    /// A module uses a new value while others may still refuse the change.
    pub swap_before_veto: bool,
    /// What the executable does wrong before it serves.
    pub sin: Sin,
}

/// The application around this server, with these mistakes.
pub fn app(http: HttpModule, mistakes: Mistakes) -> AppBuilder {
    App::builder("target").version(env!("CARGO_PKG_VERSION")).modules((
        boot(mistakes.sin),
        Traffic::new(http.handle()),
        Generations::new(mistakes),
        Judge,
        http,
    ))
}
