//! Commands that are shown before they run.

use std::{
    env,
    ffi::OsString,
    fmt,
    io::{self, BufRead, BufReader, IsTerminal, Read, Write},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
};

use crate::print;

/// A command line, its environment and its directory.
#[derive(Clone, Debug)]
pub(crate) struct Invocation {
    program: String,
    args: Vec<String>,
    env: Vec<(String, String)>,
    dir: PathBuf,
}

/// Which stream of a command is read along, while it is still shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// A command could not be run, or said that it failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error("cannot run `{line}`")]
    Run { line: String, source: io::Error },
    #[error("`{line}` failed: {status}")]
    Failed { line: String, status: ExitStatus },
}

// ===== impl Invocation =====

impl Invocation {
    /// A `cargo` command in `dir`; `line` is split at spaces.
    pub(crate) fn cargo(dir: &Path, line: &str) -> Self {
        Self {
            program: "cargo".to_owned(),
            args: line.split_whitespace().map(str::to_owned).collect(),
            env: Vec::new(),
            dir: dir.to_owned(),
        }
    }

    #[must_use]
    pub(crate) fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    #[must_use]
    pub(crate) fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    #[must_use]
    pub(crate) fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// Shows the command, runs it, and leaves its output as it comes.
    ///
    /// # Errors
    ///
    /// Returns an error if it cannot be run or does not end with success.
    pub(crate) fn run(&self) -> Result<(), CommandError> {
        print::command(&self.to_string());
        let status = self.command().status().map_err(|source| self.not_run(source))?;
        self.judge(status)
    }

    /// Like [`run`](Self::run), and gives each line of one stream, without colours, to `on_line`.
    ///
    /// # Errors
    ///
    /// Returns an error if it cannot be run or does not end with success.
    pub(crate) fn run_reading(
        &self,
        stream: Stream,
        on_line: impl FnMut(&str),
    ) -> Result<(), CommandError> {
        print::command(&self.to_string());
        let mut command = self.command();
        match stream {
            Stream::Stdout => command.stdout(Stdio::piped()),
            Stream::Stderr => command.stderr(Stdio::piped()),
        };
        if colour_wanted(stream) {
            // The command sees a pipe, and would leave its colours away.
            command.env("CARGO_TERM_COLOR", "always");
        }
        let mut child = command.spawn().map_err(|source| self.not_run(source))?;
        let read = match (child.stdout.take(), child.stderr.take()) {
            (Some(stdout), _) => copy_lines(stdout, &mut anstream::stdout(), on_line),
            (_, Some(stderr)) => copy_lines(stderr, &mut anstream::stderr(), on_line),
            (None, None) => Ok(()),
        };
        // Waited for even when reading failed: no child is left behind.
        let status = child.wait().map_err(|source| self.not_run(source))?;
        read.map_err(|source| self.not_run(source))?;
        self.judge(status)
    }

    /// Whether the command runs and ends with success, without showing anything.
    pub(crate) fn succeeds_silently(&self) -> bool {
        let mut command = self.command();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }

    fn command(&self) -> Command {
        // Inside `cargo run`, CARGO is the cargo that runs us: the same toolchain goes on.
        let program = match self.program.as_str() {
            "cargo" => env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")),
            other => OsString::from(other),
        };
        let mut command = Command::new(program);
        command.args(&self.args).envs(self.env.iter().map(|(k, v)| (k, v)));
        command.current_dir(&self.dir);
        command
    }

    fn not_run(&self, source: io::Error) -> CommandError {
        CommandError::Run { line: self.to_string(), source }
    }

    fn judge(&self, status: ExitStatus) -> Result<(), CommandError> {
        if status.success() {
            Ok(())
        } else {
            Err(CommandError::Failed { line: self.to_string(), status })
        }
    }
}

impl fmt::Display for Invocation {
    /// A line that can be pasted into a shell in the root of the workspace.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.env {
            write!(f, "{name}={} ", quoted(value))?;
        }
        f.write_str(&self.program)?;
        self.args.iter().try_for_each(|arg| write!(f, " {}", quoted(arg)))
    }
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,@+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

fn colour_wanted(stream: Stream) -> bool {
    let terminal = match stream {
        Stream::Stdout => io::stdout().is_terminal(),
        Stream::Stderr => io::stderr().is_terminal(),
    };
    terminal && env::var_os("NO_COLOR").is_none() && env::var_os("CARGO_TERM_COLOR").is_none()
}

fn copy_lines(
    from: impl Read,
    to: &mut impl Write,
    mut on_line: impl FnMut(&str),
) -> io::Result<()> {
    let mut from = BufReader::new(from);
    let mut bytes = Vec::new();
    while from.read_until(b'\n', &mut bytes)? > 0 {
        let line = String::from_utf8_lossy(&bytes);
        to.write_all(line.as_bytes())?;
        on_line(&anstream::adapter::strip_str(line.trim_end()).to_string());
        bytes.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_command_can_be_pasted() {
        let command = Invocation::cargo(Path::new("."), "doc --no-deps")
            .env("RUSTDOCFLAGS", "-D warnings")
            .arg("it's");
        assert_eq!(
            command.to_string(),
            r"RUSTDOCFLAGS='-D warnings' cargo doc --no-deps 'it'\''s'"
        );
    }

    #[test]
    fn lines_are_read_without_their_colours_and_copied_with_them() {
        let mut copy = Vec::new();
        let mut lines = Vec::new();
        let text = "\u{1b}[32mok\u{1b}[0m\nlast, without an end".as_bytes();
        copy_lines(text, &mut copy, |line| lines.push(line.to_owned())).unwrap();
        assert_eq!(lines, ["ok", "last, without an end"]);
        assert_eq!(copy, text);
    }

    #[test]
    fn a_command_that_fails_is_an_error_that_names_it() {
        let command = Invocation::cargo(Path::new("."), "no-such-verb-exists");
        assert!(!command.succeeds_silently());
        let error = command.run().unwrap_err().to_string();
        assert!(error.starts_with("`cargo no-such-verb-exists` failed: exit status"), "{error}");
    }
}
