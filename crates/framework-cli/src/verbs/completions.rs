use std::io;

use clap::Command;
use clap_complete::Shell;

use crate::{Console, Exit};

/// Prints a script that teaches a shell the verbs.
pub(crate) fn completions(
    command: &mut Command,
    shell: Shell,
    console: &mut Console<'_>,
) -> io::Result<Exit> {
    let mut script = Vec::new();
    let name = command.get_name().to_owned();
    clap_complete::generate(shell, command, name, &mut script);
    console.print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Clean)
}
