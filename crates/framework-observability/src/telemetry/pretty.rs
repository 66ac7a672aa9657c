//! Lines for people.

use std::io::Write;

use tracing::Level;

use super::layer::Line;

const DIM: &str = "\u{1b}[2m";
const BOLD: &str = "\u{1b}[1m";
const PLAIN: &str = "\u{1b}[0m";

pub(super) fn render(line: &Line, colour: bool) -> Vec<u8> {
    let paint = |with: &'static str| if colour { with } else { "" };
    let (dim, bold, plain) = (paint(DIM), paint(BOLD), paint(PLAIN));
    let level = paint(colour_of(line.level));
    let mut text = Vec::with_capacity(128);
    // Writing to memory cannot fail.
    let _ = write!(text, "{dim}{}{plain} {level}{:>5}{plain} ", line.time, line.level.as_str());
    let _ = write!(text, "{dim}[{}]{plain} ", line.pid);
    for (name, values) in &line.spans {
        let _ = write!(text, "{bold}{name}{plain}");
        if !values.is_empty() {
            let _ = write!(text, "{bold}{{{plain}{values}{bold}}}{plain}");
        }
        let _ = write!(text, "{dim}:{plain}");
    }
    if !line.spans.is_empty() {
        text.push(b' ');
    }
    let _ = write!(text, "{dim}{}:{plain} {}", line.target, Escaped(&line.message));
    if !line.values.is_empty() {
        let _ = write!(text, " {}", Escaped(&line.values.to_string()));
    }
    text.push(b'\n');
    text
}

fn colour_of(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\u{1b}[31m",
        Level::WARN => "\u{1b}[33m",
        Level::INFO => "\u{1b}[32m",
        Level::DEBUG => "\u{1b}[34m",
        Level::TRACE => "\u{1b}[35m",
    }
}

/// Text that cannot command the terminal: what clients send may end up in the log.
struct Escaped<'t>(&'t str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use std::fmt::Write as _;
        for character in self.0.chars() {
            let harmless = !character.is_control() || matches!(character, '\n' | '\t');
            if harmless {
                f.write_char(character)?;
            } else {
                write!(f, "{}", character.escape_unicode())?;
            }
        }
        Ok(())
    }
}
