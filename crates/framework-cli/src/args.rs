use std::{ffi::OsString, num::NonZeroUsize, path::PathBuf};

use clap::{
    Arg, ArgAction, Args, Command, CommandFactory as _, FromArgMatches as _, Parser, Subcommand,
    ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser as _},
};
use clap_complete::Shell;
use framework_app::AppBuilder;
use framework_config::Sources;
use framework_registry::Format;

use crate::verbs::InstanceArgs;

/// What the arguments say.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true, disable_version_flag = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    serve: ServeArgs,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Runs the application; what happens without a verb
    Serve(ServeArgs),
    /// Checks the modules and the configuration, and prints everything that is wrong
    ///
    /// Nothing is started and nothing is connected to. The exit code is 0, or 78 if anything is
    /// wrong.
    Check(CheckArgs),
    /// Prints the modules, what they provide, and who waits for whom
    Graph(GraphArgs),
    /// Prints the configuration, or what may be in it
    #[command(subcommand)]
    Config(ConfigVerb),
    /// Tells how the running instance is
    Status(InstanceArgs),
    /// Stops the running instance in order, and waits for its end
    Stop(InstanceArgs),
    /// Has the running instance read its configuration again
    Reload {
        /// Only tells what would change
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        instance: InstanceArgs,
    },
    /// Starts the running instance again, without a moment in which nobody serves
    ///
    /// A cluster replaces its workers one after the other: each new one has to be ready and well
    /// before the old one is let go. If one is not, the old ones stay.
    ///
    /// An application of one process is replaced by a new process at the same addresses.
    Restart(InstanceArgs),
    /// Starts the program that is on the disk now in the place of the running instance, without a
    /// moment in which nobody serves
    ///
    /// The new process has to be ready before the old one lets go. If it is not, the old one serves
    /// as before.
    Upgrade(InstanceArgs),
    /// Has the running instance write down how everything is, for somebody who looks for an error
    Dump(InstanceArgs),
    /// Looks after the log of the running instance
    #[command(subcommand)]
    Logs(LogsVerb),
    /// Explains an error by its code; without one, lists all codes
    Explain {
        /// The code, as in `E0103`
        code: Option<String>,
    },
    /// Prints completions for a shell
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
    },
}

/// What to do about the log.
#[derive(Debug, Subcommand)]
pub(crate) enum LogsVerb {
    /// Opens the log file again, after it was moved away
    Reopen(InstanceArgs),
    /// Tells how much is logged, or changes it until the next start
    Level {
        /// The new filter, as in `info,shop=debug`
        #[arg(value_name = "FILTER")]
        level: Option<String>,
        #[command(flatten)]
        instance: InstanceArgs,
    },
}

/// Where the configuration comes from.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct SourceArgs {
    /// Reads a file in addition to those in `config`; may be given several times
    #[arg(long = "config", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Chooses the profile, and with it the file `config/NAME.*`
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Sets a key, as in `http.addr=0.0.0.0:80`; may be given several times
    #[arg(long = "set", value_name = "KEY=VALUE")]
    assignments: Vec<String>,
    /// Goes on with the files that were good last if those there are now cannot be used
    #[arg(long)]
    last_good: bool,
}

#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) sources: SourceArgs,
    /// Logs at level `debug`, and where the time of the start went
    #[arg(long)]
    pub(crate) debug: bool,
    /// Goes into the background once it is ready; the exit code is 0 then, and otherwise that of
    /// the application
    #[arg(long)]
    pub(crate) detach: bool,
    /// Holds a file, so that no second instance starts with it
    #[arg(long, value_name = "FILE")]
    pub(crate) pid_file: Option<PathBuf>,
    /// Becomes another user before anything is opened; only root can
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// Takes this group instead of the user's own
    #[arg(long, value_name = "NAME", requires = "user")]
    pub(crate) group: Option<String>,
    /// Runs the application in several processes, which one more watches; without a number, in as
    /// many as there are processors
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true)]
    pub(crate) cluster: Option<Option<NonZeroUsize>>,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) sources: SourceArgs,
    /// Prints JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct GraphArgs {
    #[command(flatten)]
    pub(crate) sources: SourceArgs,
    /// The form to print the graph in
    #[arg(long, value_name = "FORM", default_value = "text", value_parser = formats())]
    pub(crate) format: Format,
}

/// What to print about the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigVerb {
    /// Prints the configuration in force, secrets left out
    Show {
        #[command(flatten)]
        sources: SourceArgs,
        /// Names for each value the file and line, the variable or the flag that set it
        #[arg(long)]
        origin: bool,
        /// Prints JSON, always with origins
        #[arg(long)]
        json: bool,
    },
    /// Prints the value of one key
    Get {
        /// The key, as in `http.addr`
        key: String,
        #[command(flatten)]
        sources: SourceArgs,
    },
    /// Tells where the value of one key comes from, what it takes the place of, who reads it, and
    /// whether it can change while the application runs
    Explain {
        /// The key, as in `http.addr`
        key: String,
        #[command(flatten)]
        sources: SourceArgs,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Writes a value into a configuration file, if the application would start with it
    Set {
        /// The key and its value, as in `http.addr=0.0.0.0:80`
        #[arg(value_name = "KEY=VALUE")]
        assignment: String,
        /// The TOML file to write; without it, the one of those read that counts most
        #[arg(long)]
        file: Option<PathBuf>,
        #[command(flatten)]
        sources: SourceArgs,
    },
    /// Writes what is not a default into a configuration file, secrets left out, if the application
    /// would start with it
    ///
    /// Values come from every source: other files, the environment, and `--set`. The comments in
    /// the file stay.
    Save {
        /// The TOML file to write; without it, the one of those read that counts most
        #[arg(long = "to", value_name = "FILE")]
        file: Option<PathBuf>,
        #[command(flatten)]
        sources: SourceArgs,
    },
    /// Prints a JSON Schema of the configuration, for editors
    Schema,
    /// Prints every key with its meaning and its default
    Reference {
        /// The form to print it in
        #[arg(long, value_name = "FORM", value_enum, default_value_t = ReferenceFormat::Markdown)]
        format: ReferenceFormat,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ReferenceFormat {
    /// A file that is valid as it stands and changes nothing
    Toml,
    /// Tables
    Markdown,
}

impl Arguments {
    /// Reads the arguments, the name of the program first.
    pub(crate) fn parse<I, T>(app: &AppBuilder, args: I) -> Result<Self, clap::Error>
    where
        I: IntoIterator<Item = T>,
        T: Into<OsString> + Clone,
    {
        Self::from_arg_matches(&command(app).try_get_matches_from(args)?)
    }

    pub(crate) fn verb(self) -> Verb {
        self.verb.unwrap_or(Verb::Serve(self.serve))
    }
}

/// The command line of an application.
pub(crate) fn command(app: &AppBuilder) -> Command {
    let command = Arguments::command().name(app.name()).bin_name(app.name()).about(None::<&str>);
    match app.stated_version() {
        Some(version) => command.version(version).arg(version_flag()),
        None => command,
    }
}

fn version_flag() -> Arg {
    let flag = Arg::new("version").long("version").short('V').action(ArgAction::Version);
    flag.help("Prints the version")
}

fn formats() -> impl clap::builder::TypedValueParser<Value = Format> {
    let names = Format::ALL.map(|(name, _)| name);
    PossibleValuesParser::new(names).try_map(|name| name.parse::<Format>())
}

impl SourceArgs {
    /// The sources of the application called `app`, with those in the arguments.
    pub(crate) fn sources(&self, app: &str, debug: bool) -> Sources {
        let mut sources = Sources::standard(app);
        if debug {
            // First, so that an assignment of the same key counts.
            sources = sources.set("telemetry.log.level=debug");
        }
        if let Some(profile) = &self.profile {
            sources = sources.profile(profile);
        }
        let sources = sources.last_good(self.last_good);
        let sources = self.files.iter().fold(sources, Sources::file);
        self.assignments.iter().fold(sources, Sources::set)
    }
}

#[cfg(test)]
mod tests {
    use framework_app::App;

    use super::*;

    #[test]
    fn the_command_line_fits_together() {
        command(&App::builder("test")).debug_assert();
        command(&App::builder("test").version("1.0.0")).debug_assert();
    }

    #[test]
    fn options_before_a_verb_are_refused_and_not_dropped() {
        let app = App::builder("test");
        let error = Arguments::parse(&app, ["test", "--set", "a.b=1", "check"]).unwrap_err();
        assert_eq!(error.kind(), clap::error::ErrorKind::ArgumentConflict);
    }

    #[test]
    fn without_a_verb_the_application_is_served() {
        let app = App::builder("test");
        let arguments = Arguments::parse(&app, ["test", "--debug"]).unwrap();
        assert!(matches!(arguments.verb(), Verb::Serve(serve) if serve.debug));
    }
}
