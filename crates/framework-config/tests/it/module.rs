use std::sync::{Arc, Mutex};

use framework_config::{Config, ConfigExt, ConfigHandle, ConfigModule, Sources};
use framework_core::{Declarations, Module, Modules, module_fn};

use crate::settings::{DbSettings, HttpSettings};

/// Registers the modules and runs the gates, as planning does: the issues, the handle, and the
/// declarations for more questions.
pub(crate) fn plan(
    config: ConfigModule,
    modules: impl Modules,
) -> (Vec<String>, ConfigHandle, Declarations) {
    let handle = config.handle();
    let mut list = Vec::new();
    modules.add_to(&mut list);
    config.add_to(&mut list);
    let mut declarations = Declarations::default();
    for module in list {
        declarations.register(module).unwrap();
    }
    declarations.seal();
    let issues = declarations.run_gates().into_iter().flat_map(|gate| gate.found.unwrap());
    let issues = issues.map(|issue| issue.to_string()).collect();
    (issues, handle, declarations)
}

/// A module for each of the settings.
pub(crate) fn claims() -> impl Modules {
    (
        module_fn("http", |reg| {
            reg.config::<HttpSettings>("http");
        }),
        module_fn("data", |reg| {
            reg.config::<DbSettings>("db");
        }),
    )
}

/// A module that hands its view of the section `db` out.
fn reader(name: &'static str) -> (impl Module, impl Fn() -> Config<DbSettings>) {
    let kept = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&kept);
    let module = module_fn(name, move |reg| {
        *keep.lock().unwrap() = Some(reg.config::<DbSettings>("db"));
    });
    (module, move || kept.lock().unwrap().clone().unwrap())
}

fn from_toml(text: &str) -> ConfigModule {
    ConfigModule::from(Sources::none().toml_text("app.toml", text))
}

#[test]
fn values_can_be_read_as_soon_as_the_plan_is_made() {
    let (module, config) = reader("data");
    let (issues, handle, _) = plan(from_toml("[db]\nurl = \"x\"\n"), module);
    assert_eq!(issues, [] as [String; 0]);
    assert_eq!(config().get().url, "x");
    assert_eq!(handle.report().unwrap().generation(), 1);
}

#[test]
fn two_modules_share_a_section_of_one_type() {
    let ((one, first), (two, second)) = (reader("one"), reader("two"));
    let (issues, ..) = plan(from_toml(""), (one, two));
    assert_eq!(issues, [] as [String; 0]);
    assert!(Arc::ptr_eq(&first().get(), &second().get()));
}

#[test]
fn a_section_claimed_with_two_types_names_both_modules() {
    let (module, config) = reader("orders");
    let other = module_fn("catalog", |reg| {
        reg.config::<HttpSettings>("db");
    });
    let (issues, ..) = plan(from_toml(""), (module, other));
    assert_eq!(issues.len(), 1);
    assert!(
        issues[0].starts_with("error[E0403]: the section `db` is claimed with two types\n"),
        "{}",
        issues[0]
    );
    assert!(issues[0].contains("`orders` reads it as DbSettings "), "{}", issues[0]);
    assert!(issues[0].contains("`catalog` reads it as HttpSettings"), "{}", issues[0]);
    assert!(issues[0].contains("tests/it/module.rs:"), "{}", issues[0]);
    assert!(config().try_get().is_none());
}

#[test]
fn one_issue_tells_the_faults_of_all_sections() {
    let text = "[db]\nulr = 1\n[http]\ntimeout = 5\n[htpp]\naddr = \"x\"\n[queue]\nsize = 1\n";
    let (issues, handle, _) = plan(from_toml(text), claims());
    assert_eq!(issues.len(), 1);
    insta::assert_snapshot!(issues[0], @r#"
    error[E0402]: 4 problems in the configuration

        htpp               unknown section   app.toml:5:2    did you mean `http`?
        queue              unknown section   app.toml:7:2    no module reads it
        db.ulr             unknown key       app.toml:2:1    did you mean `db.url`?
        http.timeout = 5   missing unit      app.toml:4:11   write "5s"
    "#);
    assert!(handle.report().is_some(), "the reference can be read although the values are wrong");
}

#[test]
fn sections_for_notes_may_belong_to_nobody() {
    let (issues, ..) = plan(from_toml("[x-team]\nname = \"a\"\n"), claims());
    assert_eq!(issues, [] as [String; 0]);
}

#[test]
fn variables_for_sections_that_the_app_does_not_have_are_no_mistake() {
    let sources = Sources::standard("shop").dir("/nowhere");
    let sources = sources.env([("PORT", "80"), ("RUST_LOG", "info"), ("SHOP_SERVICE_HOST", "::")]);
    let (module, _) = reader("data");
    let (issues, ..) = plan(ConfigModule::from(sources.clone()), module);
    assert_eq!(issues, [] as [String; 0]);
    let (module, _) = reader("data");
    let own = sources.env([("RUST_LOG", "info"), ("SHOP_TELEMETRY__LOG__FILE", "x")]);
    let (issues, ..) = plan(ConfigModule::from(own), module);
    assert!(issues[0].contains("telemetry   unknown section"), "{}", issues[0]);
}

#[test]
fn sources_that_cannot_be_read_are_an_issue_of_the_plan() {
    let (module, config) = reader("data");
    let (issues, handle, _) = plan(from_toml("[db\n"), module);
    assert_eq!(issues.len(), 1);
    assert!(issues[0].starts_with("error[E0401]: a source of the configuration cannot be read\n"));
    assert!(config().try_get().is_none());
    let report = handle.report().unwrap();
    assert_eq!((report.entries().count(), report.generation()), (0, 0));
    assert!(report.reference_toml().contains("\n[db]\n"), "{}", report.reference_toml());
}

#[test]
fn a_wrong_configuration_puts_no_value_into_force() {
    let (module, config) = reader("data");
    let (issues, ..) =
        plan(from_toml("[db]\nurl = \"good\"\n[http]\ntimeout = 5\n"), (module, claims_http()));
    assert_eq!(issues.len(), 1);
    assert!(config().try_get().is_none());
}

fn claims_http() -> impl Module {
    module_fn("http", |reg| {
        reg.config::<HttpSettings>("http");
    })
}

#[test]
#[should_panic(expected = "`Config<DbSettings>(db)` was read before the application was planned")]
fn reading_before_the_plan_panics_and_says_so() {
    let mut declarations = Declarations::default();
    let (module, config) = reader("data");
    let mut list = Vec::new();
    module.add_to(&mut list);
    for module in list {
        declarations.register(module).unwrap();
    }
    let _ = config().get();
}

#[test]
fn two_applications_in_one_process_do_not_share_values() {
    let ((one, first), (two, second)) = (reader("data"), reader("data"));
    let (_, _, _keep) = plan(from_toml("[db]\nurl = \"one\"\n"), one);
    let (_, _, _keep) = plan(from_toml("[db]\nurl = \"two\"\n"), two);
    assert_eq!((first().get().url.as_str(), second().get().url.as_str()), ("one", "two"));
}

#[test]
fn a_fixed_section_needs_no_application() {
    assert_eq!(Config::fixed(DbSettings::default()).get().pool.max, 10);
}

#[test]
fn a_section_must_be_named_like_a_key() {
    let module = module_fn("data", |reg| {
        reg.config::<DbSettings>("Data Base");
    });
    let mut list = Vec::new();
    module.add_to(&mut list);
    let error = Declarations::default().register(list.remove(0)).unwrap_err();
    assert!(error.message().contains("snake_case"), "{error}");
}

#[test]
fn sources_are_read_when_the_application_is_planned_and_not_before() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("late.toml");
    let config = ConfigModule::from(Sources::none().file(&file));
    std::fs::write(&file, "[db]\nurl = \"late\"\n").unwrap();
    let (reader, view) = reader("data");
    let (issues, _, _) = plan(config, reader);
    assert_eq!(issues, [""; 0]);
    assert!(format!("{:?}", view().get()).contains("late"));
}
