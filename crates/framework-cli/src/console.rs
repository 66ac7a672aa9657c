use std::{
    env, fmt,
    io::{self, IsTerminal as _, Write},
};

use anstyle::{AnsiColor, Style};
use framework_config::ConfigError;

use crate::excerpt;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const HELP: Style = AnsiColor::Cyan.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();

/// Where answers and complaints go, and whether they may be coloured.
pub struct Console<'w> {
    out: Sink<'w>,
    err: Sink<'w>,
}

/// Which stream something is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Where answers go.
    Out,
    /// Where complaints go.
    Err,
}

struct Sink<'w> {
    writer: Box<dyn Write + 'w>,
    colour: bool,
}

impl<'w> Console<'w> {
    /// The standard streams of the process. Each has colour if it is a terminal and `NO_COLOR` is
    /// not set.
    #[must_use]
    pub fn process() -> Self {
        let no_colour = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let (out, err) = (io::stdout(), io::stderr());
        let colours = (out.is_terminal() && !no_colour, err.is_terminal() && !no_colour);
        Self {
            out: Sink { writer: Box::new(out), colour: colours.0 },
            err: Sink { writer: Box::new(err), colour: colours.1 },
        }
    }

    /// Other streams, without colour.
    #[must_use]
    pub fn to(out: &'w mut dyn Write, err: &'w mut dyn Write) -> Self {
        Self {
            out: Sink { writer: Box::new(out), colour: false },
            err: Sink { writer: Box::new(err), colour: false },
        }
    }

    /// Writes an answer.
    pub(crate) fn print(&mut self, text: &str) -> io::Result<()> {
        self.out.write(text)
    }

    /// Draws what is wrong in files of the configuration, below the answer or the complaint that
    /// tells of it.
    pub(crate) fn draw(&mut self, error: &ConfigError, to: Stream) -> io::Result<()> {
        let sink = match to {
            Stream::Out => &mut self.out,
            Stream::Err => &mut self.err,
        };
        let text = excerpt::draw(error, sink.colour);
        sink.writer.write_all(text.as_bytes())?;
        sink.writer.flush()
    }

    /// Writes a complaint. That it cannot be written would be a complaint, too.
    pub(crate) fn complain(&mut self, text: &str) {
        let _ = self.err.write(text);
    }

    /// Writes text in clap's own markup as an answer or a complaint.
    pub(crate) fn usage(&mut self, error: &clap::Error) {
        let sink = if error.use_stderr() { &mut self.err } else { &mut self.out };
        let text = error.render();
        let text = if sink.colour { text.ansi().to_string() } else { text.to_string() };
        let _ = sink.writer.write_all(text.as_bytes()).and_then(|()| sink.writer.flush());
    }
}

impl Sink<'_> {
    fn write(&mut self, text: &str) -> io::Result<()> {
        let painted = if self.colour { paint(text) } else { text.to_owned() };
        self.writer.write_all(painted.as_bytes())?;
        self.writer.flush()
    }
}

/// Colours what each issue begins with, and its cures.
fn paint(text: &str) -> String {
    text.split_inclusive('\n').map(paint_line).collect()
}

fn paint_line(line: &str) -> String {
    let style = match line {
        line if line.starts_with("error") => ERROR,
        line if line.starts_with("help:") => HELP,
        line if line.starts_with("ok:") => GOOD,
        _ => return line.to_owned(),
    };
    match line.split_once(':') {
        Some((lead, rest)) => format!("{style}{lead}:{style:#}{rest}"),
        None => line.to_owned(),
    }
}

impl fmt::Debug for Console<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console")
            .field("out_colour", &self.out.colour)
            .field("err_colour", &self.err.colour)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_adds_to_the_text_and_takes_nothing_away() {
        let text = "error[E0103]: 2 modules form a cycle\n\n    a   b.rs:1\n\nhelp: remove: one\n";
        let painted = paint(text);
        assert!(painted.starts_with("\u{1b}[1m\u{1b}[31merror[E0103]:"), "{painted:?}");
        let plain: String = painted
            .split('\u{1b}')
            .enumerate()
            .map(|(n, part)| if n == 0 { part } else { part.split_once('m').unwrap().1 })
            .collect();
        assert_eq!(plain, text);
    }

    #[test]
    fn other_streams_than_those_of_the_process_have_no_colour() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut console = Console::to(&mut out, &mut err);
        console.print("ok: fine\n").unwrap();
        console.complain("error: not fine\n");
        drop(console);
        assert_eq!(
            (out.as_slice(), err.as_slice()),
            (&b"ok: fine\n"[..], &b"error: not fine\n"[..])
        );
    }
}
