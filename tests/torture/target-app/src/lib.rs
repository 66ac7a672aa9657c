//! What the tortures aim at: an application with a route for each way in which a server can be hurt.
//!
//! * [`Traffic`] has slow, endless, streamed, echoed and upgraded responses.
//! * [`Generations`] tells which configuration answered, and can be told to read it again.
//! * [`boot`] takes its time to start, in many steps.
//!
//! [`app`] is all of them. [`Mistakes`] are what a planted build does wrong.

#![deny(missing_docs)]

mod boot;
mod generations;
mod traffic;

pub use self::{
    boot::{BootSettings, boot},
    generations::{Generations, Judge, LeftSettings, RightSettings},
    traffic::Traffic,
};

use framework::{http::HttpModule, prelude::*};

/// What the target does wrong on purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mistakes {
    /// A module uses a new value while others may still refuse the change.
    pub swap_before_veto: bool,
}

/// The application around this server, with these mistakes.
pub fn app(http: HttpModule, mistakes: Mistakes) -> AppBuilder {
    App::builder("target").version(env!("CARGO_PKG_VERSION")).modules((
        boot(),
        Traffic::new(http.handle()),
        Generations::new(mistakes),
        Judge,
        http,
    ))
}
