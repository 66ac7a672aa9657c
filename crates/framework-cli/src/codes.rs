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

/// Another process holds the PID file.
pub static HELD: ErrorCode = ErrorCode {
    id: "E0807",
    title: "another instance holds the PID file",
    page: "\
The PID file is locked by a process that runs. Two instances with one PID file would be two where
one is wanted, so this one does not start, and ends with exit code 75. What counts is the lock and
not the number in the file: a file that a process left behind is in nobody's way.

What to do
  `APP status` tells about the instance that runs, `APP stop` stops it. For a second one beside it,
  name another file with `--pid-file`, and give it addresses of its own.",
};

/// The PID file cannot be used.
pub static PID_FILE: ErrorCode = ErrorCode {
    id: "E0808",
    title: "the PID file cannot be used",
    page: "\
The PID file, or the control socket beside it, cannot be made, locked or written: the directory is
missing or belongs to somebody else, the disk is full, the path is longer than a socket's can be, or
something else stands in its place. What was in the file is still there. The process ends with exit
code 71.

What to do
  Name a file in a directory of the user that runs the application: `--pid-file /run/shop/shop.pid`.",
};

/// The process cannot go into the background.
pub static NOT_DETACHED: ErrorCode = ErrorCode {
    id: "E0809",
    title: "the process cannot go into the background",
    page: "\
`--detach` starts the application in the background and ends when it is ready. That would mislead
whoever watches this very process: a service manager, which takes its end for the service's, or a
container, which ends with its first process.

What to do
  Leave `--detach` out. systemd and container runtimes keep the application in the background
  themselves.",
};

/// There is no instance to speak to.
pub static NOT_RUNNING: ErrorCode = ErrorCode {
    id: "E0810",
    title: "no instance is running",
    page: "\
Nobody listens at the control socket. Where that is depends on how the application was started: it is
beside the PID file that was named with `--pid-file`; without one it belongs to the user and to the
directory in which the application was started.

What to do
  Ask as the same user in the same directory, or name the same `--pid-file`.",
};

/// The instance does not do what it was asked.
pub static REFUSED: ErrorCode = ErrorCode {
    id: "E0811",
    title: "the running instance refuses",
    page: "\
The instance was asked for something and has not done it; it is as it was before, and says why. The
exit code is the one that belongs to the reason: 78 for a configuration that it does not take.",
};

/// The instance does not answer.
pub static NO_ANSWER: ErrorCode = ErrorCode {
    id: "E0812",
    title: "the running instance does not answer",
    page: "\
There is an instance, and it cannot be spoken to: the socket belongs to another user, the instance
ended in the middle of its answer, or it was built with another version of the framework.

What to do
  Ask as the user that runs it. What it logs may say more.",
};

/// The environment speaks of a service manager or of sockets that make no sense.
pub static HANDED_OVER: ErrorCode = ErrorCode {
    id: "E0813",
    title: "what the service manager hands over cannot be used",
    page: "\
`LISTEN_FDS`, `LISTEN_FDNAMES` or `NOTIFY_SOCKET` are set for this process and make no sense: a
number that is none, a descriptor that is not open or is no listening socket, an address that is
none. The application does not start, since it would listen elsewhere than its manager believes. The
process ends with exit code 71.

What to do
  Look at the unit's sockets (`systemctl show NAME.socket`), or unset the variables.",
};

/// The process cannot become the user that it was told to become.
pub static USER: ErrorCode = ErrorCode {
    id: "E0814",
    title: "the process cannot become that user",
    page: "\
`--user` has the process become another user before it opens anything: its PID file, its log and its
ports are then that user's business. Only root can become somebody else.

What to do
  Name a user and a group that there are, and start as root. A service manager does the same with
  `User=`, and can bind ports below 1024 before it does.",
};

/// Every code of this crate, in order.
pub static CODES: &[&ErrorCode] = &[
    &OWN_CONFIGURATION,
    &LOG,
    &SYSTEM,
    &OUTPUT,
    &NO_KEY,
    &NOT_CHANGED,
    &HELD,
    &PID_FILE,
    &NOT_DETACHED,
    &NOT_RUNNING,
    &REFUSED,
    &NO_ANSWER,
    &HANDED_OVER,
    &USER,
];

/// Every code that the application can report, in order.
pub(crate) fn known(app: &AppBuilder) -> Vec<&'static ErrorCode> {
    let own = [framework_config::CODES, framework_observability::CODES, CODES].concat();
    let mut codes = [app.known_codes(), &own].concat();
    codes.sort_by_key(|code| code.id);
    codes.dedup_by_key(|code| code.id);
    codes
}
