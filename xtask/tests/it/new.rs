use std::{
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::verbs::{stderr, stdout, xtask};

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary directories have plain names")
}

fn new_app(dir: &TempDir) -> PathBuf {
    let app = dir.path().join("web-shop");
    let output = xtask(&["new", "app", "web-shop", "--path", text(&app)]);
    assert!(output.status.success(), "{}", stderr(&output));
    app
}

fn new_module(app: &Path, args: &[&str]) -> Result<String, String> {
    let output = xtask(&[&["new", "module", "--app", text(app)], args].concat());
    if output.status.success() { Ok(stdout(&output)) } else { Err(stderr(&output)) }
}

fn read(app: &Path, path: &str) -> String {
    fs::read_to_string(app.join(path)).expect("the file was written")
}

#[test]
fn a_new_application_has_a_binary_a_library_a_configuration_and_tests() {
    let dir = tempfile::tempdir().unwrap();
    let app = new_app(&dir);
    let manifest = read(&app, "Cargo.toml");
    assert!(manifest.contains("name = \"web-shop\""), "{manifest}");
    assert!(manifest.contains("crates/framework\" }"), "{manifest}");
    assert!(manifest.contains("[workspace]"), "it stands alone:\n{manifest}");
    assert!(read(&app, "src/main.rs").contains("framework::cli::main(web_shop::app())"));
    assert!(read(&app, "src/lib.rs").contains("App::builder(\"web-shop\")"));
    assert!(read(&app, "src/greeting.rs").contains("impl Module for Greeting"));
    assert!(read(&app, "config/app.toml").contains("[greeting]"));
    assert!(read(&app, "tests/it/main.rs").contains("use web_shop::app;"));
    assert_eq!(read(&app, ".gitignore"), "/data\n/target\n");
    assert!(read(&app, "build.rs").contains("DEP_FRAMEWORK_LINK_ARG"));
    assert!(read(&app, "README.md").contains("WEB_SHOP_GREETING__TEXT"));
}

#[test]
fn no_template_leaves_a_mark_behind() {
    let dir = tempfile::tempdir().unwrap();
    let app = new_app(&dir);
    new_module(&app, &["billing", "--needs", "greeting"]).unwrap();
    let files = ["Cargo.toml", "README.md", "config/app.toml", "src/billing.rs", "src/greeting.rs"];
    for file in files.into_iter().chain(["src/lib.rs", "src/main.rs", "tests/it/main.rs"]) {
        let made = read(&app, file);
        assert!(!made.contains("{{") && !made.contains("{%"), "{file}:\n{made}");
        assert!(made.ends_with('\n') && !made.ends_with("\n\n"), "{file}:\n{made}");
        assert!(!made.contains("\n\n\n"), "{file}:\n{made}");
    }
}

#[test]
fn a_version_of_the_framework_is_written_as_one() {
    let dir = tempfile::tempdir().unwrap();
    let app = dir.path().join("blog");
    let path = text(&app);
    let output = xtask(&["new", "app", "blog", "--path", path, "--framework", "0.1"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(read(&app, "Cargo.toml").contains("framework = { version = \"0.1\" }"));
}

#[test]
fn an_application_is_never_written_over_another() {
    let dir = tempfile::tempdir().unwrap();
    let app = new_app(&dir);
    fs::write(app.join("README.md"), "mine").unwrap();
    let output = xtask(&["new", "app", "web-shop", "--path", text(&app)]);
    assert!(!output.status.success());
    assert!(stderr(&output).contains("exists already"), "{}", stderr(&output));
    assert_eq!(read(&app, "README.md"), "mine");
}

#[test]
fn a_new_module_is_declared_added_and_requires_what_it_needs() {
    let dir = tempfile::tempdir().unwrap();
    let app = new_app(&dir);
    new_module(&app, &["billing"]).unwrap();
    new_module(&app, &["order-book", "--needs", "greeting,billing"]).unwrap();
    let module = read(&app, "src/order_book.rs");
    assert!(module.contains("reg.requires::<crate::greeting::Greeting>();"), "{module}");
    assert!(module.contains("reg.requires::<crate::billing::Billing>();"), "{module}");
    let lib = read(&app, "src/lib.rs");
    assert!(lib.contains("mod billing;\nmod greeting;\nmod order_book;\n"), "{lib}");
    assert!(lib.contains("        billing::Billing,\n        order_book::OrderBook,\n"), "{lib}");
}

#[test]
fn what_a_refused_module_would_change_stays_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let app = new_app(&dir);
    let lib = read(&app, "src/lib.rs");

    let error = new_module(&app, &["billing", "--needs", "ledger"]).unwrap_err();
    assert!(error.contains("no module `ledger`; it has `greeting`"), "{error}");
    let error = new_module(&app, &["greeting"]).unwrap_err();
    assert!(error.contains("declares the module `greeting` already"), "{error}");
    let error = new_module(&app, &["Billing"]).unwrap_err();
    assert!(error.contains("kebab-case"), "{error}");
    fs::write(app.join("src/ledger.rs"), "// mine\n").unwrap();
    let error = new_module(&app, &["ledger"]).unwrap_err();
    assert!(error.contains("exists already"), "{error}");

    assert_eq!(read(&app, "src/lib.rs"), lib);
    assert_eq!(read(&app, "src/ledger.rs"), "// mine\n");
    assert!(!app.join("src/billing.rs").exists());
}

#[test]
fn an_application_without_markers_is_refused_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let app = new_app(&dir);
    fs::write(app.join("src/lib.rs"), "mod greeting;\n").unwrap();
    let error = new_module(&app, &["billing"]).unwrap_err();
    assert!(error.contains("add the module by hand"), "{error}");
    assert!(!app.join("src/billing.rs").exists());
}
