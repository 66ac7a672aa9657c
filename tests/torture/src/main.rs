//! Fires at real processes and judges afterwards what they did with every request.
//!
//! * [`process`] starts an application and reads what it says and how it ends.
//! * [`client`] speaks HTTP/1.1, HTTP/2, TLS, WebSocket and server-sent events, and never tries
//!   again; [`load`] has many of them ask at a stated rate.
//! * [`history`] is what happened to each request; [`verdict`] is what that amounts to.
//! * [`tortures`] are the ways to be cruel, each under its number; [`suite`] is the list of them.
//!
//! Whatever is random comes from one seed, which is printed first. A run that was less cruel than
//! it states, or whose clients were slower than four fifths of their rate, has failed.

#![deny(missing_docs)]

mod client;
mod history;
mod load;
mod planted;
mod process;
mod suite;
mod tortures;
mod verdict;

use std::process::ExitCode;

use clap::Parser;

use crate::suite::Selection;

/// Whatever can go wrong around a torture.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Tortures the applications that were built beside this program.
#[derive(Debug, Parser)]
#[command(name = "torture")]
struct Arguments {
    /// Which ones, as `R9` or `C2`; without any, all of them
    ids: Vec<String>,
    /// As often as it takes to find what is rare
    #[arg(long)]
    soak: bool,
    /// What all random choices come from
    #[arg(long, default_value_t = 20_260)]
    seed: u64,
    /// Tortures builds with known mistakes, and passes if each is found
    #[arg(long)]
    planted: bool,
    /// Says what there is, and does nothing
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    let Arguments { ids, soak, seed, planted, list } = Arguments::parse();
    let selection = Selection { ids, soak, seed, planted };
    if list {
        suite::list();
        return ExitCode::SUCCESS;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            anstream::eprintln!("cannot start a runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(suite::run(&selection)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
