use std::{collections::BTreeSet, process::Command};

use crate::measure::Row;

/// What a user who wants modules and DI, and nothing else, compiles.
pub(crate) fn run() -> Vec<Row> {
    let features = ["--no-default-features", "--features", "di"];
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--package", "framework", "--edges", "normal,build", "--prefix", "none"])
        .args(features)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo is there, for it has built this");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8_lossy(&output.stdout);
    let crates: BTreeSet<_> =
        tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let heavy: Vec<_> = ["axum", "clap", "figment", "hyper", "sqlx"]
        .into_iter()
        .filter(|name| crates.contains(name))
        .collect();
    assert!(heavy.is_empty(), "modules and DI compile {}", heavy.join(", "));
    vec![Row {
        what: "crates compiled for modules and DI only".to_owned(),
        measured: crates.len().to_string(),
        value: crates.len() as f64,
        at_most: 40.0,
    }]
}
