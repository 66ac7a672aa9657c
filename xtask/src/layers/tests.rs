use super::{
    finding::{Finding, findings},
    graph::Graph,
    table::{Table, TableError},
};

const TABLE: &str = "
Some text | with a bar.
<!-- layers:begin -->
| crate | may name | lives only here |
|---|---|---|
| `core` | — | — |
| `http` | `core` | `axum`, `hyper` |
| `app` | `core` | — |
| `facade` | `app`, `core`, `http` | `axum` |
| `tool` | any | — |
<!-- layers:end -->
| `not` | a row |
";

const MEMBERS: [(&str, &[&str]); 5] = [
    ("core", &["thiserror"]),
    ("http", &["core", "axum", "hyper"]),
    ("app", &["core", "thiserror"]),
    ("facade", &["core", "app", "http", "axum"]),
    ("tool", &["facade", "thiserror"]),
];

const FOREIGN: [&str; 3] = ["axum", "hyper", "thiserror"];

fn check(members: &[(&str, &[&str])], table: &str) -> Vec<Finding> {
    findings(&Graph::fake(members, &FOREIGN), &Table::parse(table).unwrap())
}

fn with(
    name: &'static str,
    named: &'static [&'static str],
) -> Vec<(&'static str, &'static [&'static str])> {
    let others = MEMBERS.into_iter().filter(|(other, _)| *other != name);
    others.chain([(name, named)]).collect()
}

#[test]
fn crates_that_name_what_they_may_pass() {
    assert_eq!(check(&MEMBERS, TABLE), []);
}

#[test]
fn a_planted_forbidden_arrow_is_found_with_both_crates() {
    let found = check(&with("http", &["core", "app"]), TABLE);
    assert_eq!(found, [Finding::Arrow { from: "http".into(), to: "app".into() }]);
    assert_eq!(found[0].to_string(), "`http` names `app`, which it may not");
    assert!(found[0].cure().starts_with("move what `http` needs of `app`"));
}

#[test]
fn an_arrow_out_of_a_crate_that_may_name_nothing_is_found() {
    let found = check(&with("core", &["http"]), TABLE);
    assert_eq!(found, [Finding::Arrow { from: "core".into(), to: "http".into() }]);
}

#[test]
fn a_foreign_crate_outside_its_home_is_found() {
    let found = check(&with("app", &["core", "axum"]), TABLE);
    let homes = vec!["facade".into(), "http".into()];
    assert_eq!(found, [Finding::Foreign { from: "app".into(), to: "axum".into(), homes }]);
    assert_eq!(found[0].to_string(), "`app` names `axum`, which lives only in `facade`, `http`");
}

#[test]
fn whoever_may_name_any_crate_of_ours_still_may_not_name_a_foreign_one_that_lives_elsewhere() {
    let found = check(&with("tool", &["core", "hyper"]), TABLE);
    let homes = vec!["http".into()];
    assert_eq!(found, [Finding::Foreign { from: "tool".into(), to: "hyper".into(), homes }]);
}

#[test]
fn a_crate_missing_from_the_table_is_found() {
    let found = check(&with("cache", &["core"]), TABLE);
    assert_eq!(found, [Finding::Missing { name: "cache".into() }]);
}

#[test]
fn a_stale_row_is_found() {
    let table = TABLE.replace("| `app` |", "| `gone` | — | — |\n| `app` |");
    assert_eq!(check(&MEMBERS, &table), [Finding::Stale { name: "gone".into() }]);
}

#[test]
fn names_in_a_row_that_nothing_has_are_found() {
    let table = TABLE.replace("| `http` | `core` |", "| `http` | `core`, `cor` |");
    let table = table.replace("`hyper` |", "`hyper`, `hypr` |");
    assert_eq!(
        check(&MEMBERS, &table),
        [
            Finding::StaleArrow { from: "http".into(), to: "cor".into() },
            Finding::StaleForeign { home: "http".into(), name: "hypr".into() },
        ]
    );
}

#[test]
fn every_difference_is_found_at_once() {
    let found = check(&[("core", &["http", "axum"]), ("http", &[]), ("new", &[])], TABLE);
    assert_eq!(found.len(), 7, "2 of core, 1 missing, 3 stale rows, 1 stale arrow: {found:#?}");
}

#[test]
fn a_table_that_cannot_be_read_says_why() {
    let parse = |from: &str, to: &str| Table::parse(&TABLE.replace(from, to)).unwrap_err();
    assert_eq!(parse("<!-- layers:begin -->", ""), TableError::Marks);
    assert_eq!(parse("<!-- layers:end -->", ""), TableError::Marks);
    assert!(matches!(
        parse("| `core` | — | — |", "| `core` | — |"),
        TableError::Columns { columns: 2, .. }
    ));
    assert!(matches!(parse("| `core` |", "| core |"), TableError::Name { .. }));
    assert_eq!(parse("| `app` |", "| `core` |"), TableError::Twice { name: "core".into() });
    assert_eq!(parse("| `core` | —", "| `core` | none"), TableError::Cell { cell: "none".into() });
}
