use std::io::{self, Write};

use framework_app::{App, AppBuilder};
use framework_cli::{Console, Exit};
use framework_config::{ConfigModule, Sources};
use framework_core::module_fn;

fn app() -> AppBuilder {
    App::builder("shop").module(module_fn("greeting", |reg| {
        reg.provide(|_cx| async { Ok(String::from("hello")) });
    }))
}

fn run(app: AppBuilder, args: &[&str]) -> (Exit, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let exit = framework_cli::run(app, args, &mut Console::to(&mut out, &mut err));
    (exit, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

#[test]
fn a_configuration_of_the_applications_own_is_refused_and_not_passed_over() {
    for verb in [&["check"][..], &["serve"], &["graph"], &["config", "show"]] {
        let app = app().module(ConfigModule::from(Sources::none()));
        let (exit, out, err) = run(app, &[&["shop"], verb].concat());
        assert_eq!(exit, Exit::Invalid);
        assert!((out + &err).contains("error[E0801]: `shop` brings a configuration module"));
    }
}

#[test]
fn a_default_of_the_application_gives_way_to_what_the_command_line_reads() {
    let app = app().default_modules(ConfigModule::from(Sources::none().set("nobody.knows=1")));
    let (exit, out, _) = run(app, &["shop", "check"]);
    assert_eq!(exit, Exit::Clean, "{out}");
}

#[test]
fn the_configuration_names_the_application_and_how_it_stops() {
    let args = ["shop", "config", "show", "--set", "app.name=till", "--set", "shutdown.timeout=9s"];
    let (exit, out, err) = run(app(), &args);
    assert_eq!(exit, Exit::Clean, "{err}");
    assert!(out.contains("name = \"till\"") && out.contains("timeout = \"9s\""), "{out}");
}

#[test]
fn an_unreadable_source_is_told_by_every_verb_that_needs_it() {
    for verb in [&["check"][..], &["serve"], &["graph"], &["config", "show"]] {
        let (exit, out, err) =
            run(app(), &[&["shop"], verb, &["--config", "no/such.toml"]].concat());
        assert_eq!(exit, Exit::Invalid);
        assert!((out + &err).starts_with("error[E0401]:"), "{verb:?}");
    }
}

/// A disk without room.
struct Full(io::ErrorKind);

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_answer_that_cannot_be_written_is_told_unless_nobody_wants_it() {
    for (kind, expected) in [
        (io::ErrorKind::StorageFull, Exit::OperatingSystem),
        (io::ErrorKind::BrokenPipe, Exit::Clean),
    ] {
        let mut err = Vec::new();
        let mut out = Full(kind);
        let exit =
            framework_cli::run(app(), ["shop", "graph"], &mut Console::to(&mut out, &mut err));
        assert_eq!(exit, expected);
        let told = String::from_utf8(err).unwrap();
        assert_eq!(told.starts_with("error[E0804]"), expected != Exit::Clean, "{told}");
    }
}
