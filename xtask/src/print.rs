//! What this tool says: plain lines, and colour only on a terminal.

use std::error::Error;

use anstyle::{AnsiColor, Style};

const STEP: Style = AnsiColor::Cyan.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const FAINT: Style = Style::new().dimmed();

/// Opens a step.
pub(crate) fn step(name: &str) {
    anstream::println!("{STEP}==> {name}{STEP:#}");
}

/// Shows the exact command that runs next.
pub(crate) fn command(line: &str) {
    anstream::println!("    {FAINT}$ {line}{FAINT:#}");
}

/// Says something by the way.
pub(crate) fn note(text: &str) {
    anstream::println!("    {text}");
}

/// Says that something went well.
pub(crate) fn good(text: &str) {
    anstream::println!("    {GOOD}{text}{GOOD:#}");
}

/// Says that something went wrong.
pub(crate) fn bad(text: &str) {
    anstream::println!("    {BAD}{text}{BAD:#}");
}

/// Prints an error and everything that caused it.
pub(crate) fn error(error: &dyn Error) {
    anstream::eprintln!("{BAD}error{BAD:#}: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        anstream::eprintln!("    caused by: {error}");
        cause = error.source();
    }
}
