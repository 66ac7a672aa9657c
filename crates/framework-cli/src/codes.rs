//! The codes of this crate's errors, each with its page.

use framework_app::AppBuilder;
use framework_core::ErrorCode;

/// The application brings a configuration module of its own.
pub static OWN_CONFIGURATION: ErrorCode = ErrorCode {
    id: "E0801",
    title: "the application brings a configuration module of its own",
    page: "\
The command line reads the configuration, because `--config`, `--profile` and `--set` are part of
it, and gives the application a `ConfigModule` that has read it. This application adds a
`ConfigModule` itself, so what is said on the command line would have no effect.

What to do
  Leave `ConfigModule` out of the modules in `app()`; tests, which use no command line, add it to
  what `app()` returns. Files in other places than `config` are named with `--config`.",
};

/// The log cannot be opened.
pub static LOG: ErrorCode = ErrorCode {
    id: "E0802",
    title: "the log cannot be opened",
    page: "\
The file that `telemetry.log.file` names cannot be opened for writing, so nobody would learn what
the application does. It does not start, and the process ends with exit code 71.

Causes
  * The directory is not there, or belongs to somebody else.
  * The disk is full, or the file system is read-only.

What to do
  Make the directory and give it to the user that runs the application, or leave the key out: the
  log then goes to standard error, where containers and systemd expect it.",
};

/// The operating system refused something that every application needs.
pub static SYSTEM: ErrorCode = ErrorCode {
    id: "E0803",
    title: "the operating system refused a thread or a signal handler",
    page: "\
Before anything of the application runs, the process starts the threads of its runtime and asks to
be told of signals. The operating system refused one of these, most often because a limit on the
number of threads, processes or open files is used up. The process ends with exit code 71.

What to do
  Look at the limits (`ulimit -a`, `pids.max` of the container), and at what else runs under the
  same user.",
};

/// What was asked for cannot be written.
pub static OUTPUT: ErrorCode = ErrorCode {
    id: "E0804",
    title: "the answer cannot be written",
    page: "\
What was asked for could not be written to standard output: most often the disk is full to which the
output was sent. Nothing is wrong with the application. The process ends with exit code 71.",
};

/// A key of the configuration that there is not.
pub static NO_KEY: ErrorCode = ErrorCode {
    id: "E0805",
    title: "the configuration has no such key",
    page: "\
A key was asked for that no module of the application reads. Keys are written from the section on,
with points between the levels: `http.addr`.

What to do
  `APP config show` prints every key with its value, `APP config reference` what each means.",
};

/// A configuration file that cannot be changed.
pub static NOT_CHANGED: ErrorCode = ErrorCode {
    id: "E0806",
    title: "the configuration file cannot be changed",
    page: "\
A value was to be written into a configuration file, and the file is what it was: its directory
cannot be written to, it is not TOML, or something stands in the place of a table that the key lies
in. Only TOML files are written, because only there the comments can be kept.

What to do
  Name another file with `--file`, or change this one by hand.",
};

/// Every code of this crate, in order.
pub static CODES: &[&ErrorCode] =
    &[&OWN_CONFIGURATION, &LOG, &SYSTEM, &OUTPUT, &NO_KEY, &NOT_CHANGED];

/// Every code that the application can report, in order.
pub(crate) fn known(app: &AppBuilder) -> Vec<&'static ErrorCode> {
    let own = [framework_config::CODES, framework_observability::CODES, CODES].concat();
    let mut codes = [app.known_codes(), &own].concat();
    codes.sort_by_key(|code| code.id);
    codes.dedup_by_key(|code| code.id);
    codes
}
