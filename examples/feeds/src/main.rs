//! Runs the feed optimizer; `--help` names what else it can do.

fn main() -> std::process::ExitCode {
    framework::cli::main(feeds::app())
}
