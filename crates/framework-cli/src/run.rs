use std::{ffi::OsString, io, process::ExitCode};

use framework_app::AppBuilder;
use framework_core::Issue;
use framework_process::{ReloadHow, Request};

use crate::{
    Console, Exit,
    args::{Arguments, LogsVerb, Verb, command},
    codes, verbs,
};

/// Does what the arguments of the process say with `app`, and returns how the process ends: the
/// whole `main` of an application.
///
/// ```no_run
/// use std::process::ExitCode;
///
/// fn main() -> ExitCode {
///     framework_cli::main(framework_app::App::builder("hello"))
/// }
/// ```
#[must_use = "the exit code tells whoever started the process how it ended"]
pub fn main(app: AppBuilder) -> ExitCode {
    run(app, std::env::args_os(), &mut Console::process()).into()
}

/// Does what `args` say with `app`; the first of them is the name of the program.
///
/// `serve` makes a runtime of its own, so it must not be called within one; it sets up the log of
/// the process, and handles its signals.
pub fn run<I, T>(app: AppBuilder, args: I, console: &mut Console<'_>) -> Exit
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    let verb = match Arguments::parse(&app, args) {
        Ok(arguments) => arguments.verb(),
        Err(error) => {
            console.usage(&error);
            return if error.use_stderr() { Exit::Usage } else { Exit::Clean };
        }
    };
    let done = match verb {
        Verb::Serve(args) => return verbs::serve(app, &args, console),
        Verb::Check(args) => verbs::check(app, &args, console),
        Verb::Graph(args) => verbs::graph(app, &args, console),
        Verb::Config(verb) => verbs::config(app, &verb, console),
        Verb::Status(instance) => verbs::ask(&app, &instance, &Request::Status, console),
        Verb::Stop(instance) => verbs::ask(&app, &instance, &Request::Stop, console),
        Verb::Reload { dry_run, instance } => {
            let how = if dry_run { ReloadHow::DryRun } else { ReloadHow::Now };
            verbs::ask(&app, &instance, &Request::Reload { how }, console)
        }
        Verb::Restart(instance) => verbs::ask(&app, &instance, &Request::Restart, console),
        Verb::Upgrade(instance) => verbs::ask(&app, &instance, &Request::Upgrade, console),
        Verb::Dump(instance) => verbs::ask(&app, &instance, &Request::Dump, console),
        Verb::Logs(LogsVerb::Reopen(instance)) => {
            verbs::ask(&app, &instance, &Request::LogsReopen, console)
        }
        Verb::Logs(LogsVerb::Level { level, instance }) => {
            verbs::ask(&app, &instance, &Request::LogsLevel { level }, console)
        }
        Verb::Explain { code } => verbs::explain(&app, code.as_deref(), console),
        Verb::Completions { shell } => verbs::completions(&mut command(&app), shell, console),
    };
    done.unwrap_or_else(|error| not_written(&error, console))
}

fn not_written(error: &io::Error, console: &mut Console<'_>) -> Exit {
    // Whoever closes a pipe has seen enough.
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Exit::Clean;
    }
    let issue = Issue::new(&codes::OUTPUT, "the answer cannot be written");
    console.complain(&issue.evidence(error.to_string()).to_string());
    Exit::OperatingSystem
}
