//! Runs the shop; `--help` names what else it can do.

fn main() -> std::process::ExitCode {
    framework::cli::main(shop::app())
}
