//! What each feature costs in crates.

use std::{collections::BTreeSet, env, process::Command};

/// The names of the crates that the facade stands on with these features.
fn crates(features: &str) -> BTreeSet<String> {
    let output = Command::new(env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()))
        .args(["tree", "--offline", "--package", "framework", "--no-default-features"])
        .args(["--features", features, "--edges", "normal", "--prefix", "none", "--no-dedupe"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| line.split(" (").next().unwrap().to_owned()).collect()
}

#[track_caller]
fn assert_without(features: &str, foreign: &[&str]) {
    let crates = crates(features);
    for name in foreign {
        let found = crates.iter().find(|it| it.split(' ').next() == Some(name));
        assert_eq!(found, None, "the features [{features}] bring it");
    }
}

#[test]
fn injection_alone_stands_on_at_most_forty_crates() {
    let crates = crates("di");
    assert!(crates.len() <= 40, "{}: {crates:#?}", crates.len());
}

#[test]
fn no_feature_brings_what_belongs_to_another() {
    const HTTP: [&str; 3] = ["axum", "hyper", "tower"];
    assert_without("di", &["clap", "figment", "prometheus", "sqlx", "tracing-subscriber"]);
    assert_without("config", &["clap", "prometheus", "sqlx", "tracing-subscriber"]);
    assert_without("http", &["clap", "prometheus", "sqlx", "tracing-subscriber"]);
    assert_without("admin", &["clap", "sqlx"]);
    for features in ["di", "config", "observability", "cli"] {
        assert_without(features, &HTTP);
    }
}
