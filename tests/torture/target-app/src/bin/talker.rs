//! Talks to whoever is at the other end of its standard input, a socket, until that has gone. With
//! `--newer` it knows more than others.

use std::{env, io, os::fd::AsFd as _, process::ExitCode};

use framework_process::ipc::{Closed, Peer};
use framework_torture_target::talk;

fn main() -> ExitCode {
    match talk() {
        Ok(Closed::Gone) => ExitCode::SUCCESS,
        Ok(Closed::Version) => ExitCode::from(3),
        Ok(_) => ExitCode::from(4),
        Err(_) => ExitCode::from(71),
    }
}

fn talk() -> io::Result<Closed> {
    let socket = io::stdin().as_fd().try_clone_to_owned()?;
    let newer = env::args().any(|argument| argument == "--newer");
    let handlers = talk::handlers(newer).map_err(io::Error::other)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (_peer, driver) = Peer::open(socket, handlers)?;
        Ok(driver.await)
    })
}
