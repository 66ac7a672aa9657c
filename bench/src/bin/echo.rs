//! Answers what comes through its standard input, a socket: as bytes, or as typed messages.

use std::{io, os::fd::AsFd as _};

use framework_bench::Echo;
use framework_process::ipc::{Handlers, Peer};

fn main() -> io::Result<()> {
    if std::env::args().nth(1).as_deref() == Some("typed") { typed() } else { raw() }
}

fn raw() -> io::Result<()> {
    let (socket, mut bytes) = (io::stdin(), [0; 1024]);
    loop {
        let flags = rustix::net::RecvFlags::empty();
        let (read, _) = rustix::net::recv(&socket, &mut bytes[..], flags)?;
        if read == 0 {
            return Ok(());
        }
        rustix::net::send(&socket, &bytes[..read], rustix::net::SendFlags::empty())?;
    }
}

fn typed() -> io::Result<()> {
    let socket = io::stdin().as_fd().try_clone_to_owned()?;
    let answer = Handlers::new().answer(async |Echo(bytes), _| Ok(bytes));
    let handlers = answer.map_err(io::Error::other)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (_peer, driver) = Peer::open(socket, handlers)?;
        driver.await;
        Ok(())
    })
}
