//! Becomes another program, as the first process of a container: the orphans of all are its
//! children, and one of them ends soon.

use std::{
    env, io,
    os::unix::process::CommandExt as _,
    process::{Command, ExitCode},
};

use rustix::process::{Pid, set_child_subreaper};

fn main() -> ExitCode {
    let Err(error) = become_another();
    // Standard error is read by whoever has started this.
    let _ = io::Write::write_all(&mut io::stderr(), format!("{error}\n").as_bytes());
    ExitCode::from(71)
}

fn become_another() -> io::Result<std::convert::Infallible> {
    set_child_subreaper(Some(Pid::INIT))?;
    // It has a parent that knows nothing of it.
    Command::new("/bin/sh").args(["-c", "sleep 0.3 & :"]).status()?;
    let mut arguments = env::args_os().skip(1);
    let program = arguments.next().ok_or(io::ErrorKind::InvalidInput)?;
    Err(Command::new(program).args(arguments).exec())
}
