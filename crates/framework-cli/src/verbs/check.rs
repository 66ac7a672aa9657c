use std::{fmt::Write as _, io};

use framework_app::{AppBuilder, Graph};
use framework_core::Issue;
use framework_observability::LogLevel;
use serde_json::{Value, json};

use crate::{Console, Exit, args::CheckArgs, prepare::Configured};

/// Plans the application, and prints everything that is wrong with it.
pub(crate) fn check(
    app: AppBuilder,
    args: &CheckArgs,
    console: &mut Console<'_>,
) -> io::Result<Exit> {
    let name = app.name();
    let planned = Configured::load(app, &args.sources.sources(name, false))
        .map_err(|issue| vec![issue])
        .and_then(|configured| {
            let app = configured.prepare(LogLevel::detached()).app;
            app.plan().map_err(|error| error.issues().to_vec())
        });
    match planned {
        Ok(graph) => {
            console.print(&if args.json { json_of(&graph) } else { praise(&graph) })?;
            Ok(Exit::Clean)
        }
        Err(issues) => {
            console.print(&if args.json {
                json_of_issues(&issues)
            } else {
                list(name, &issues)
            })?;
            Ok(Exit::Invalid)
        }
    }
}

/// Says why something other than a check cannot be done.
pub(crate) fn refuse(app: &str, issues: &[Issue], console: &mut Console<'_>) -> Exit {
    console.complain(&list(app, issues));
    Exit::Invalid
}

/// Every issue, how many there are, and where to read more.
fn list(app: &str, issues: &[Issue]) -> String {
    let mut text = String::new();
    for issue in issues {
        let _ = writeln!(text, "{issue}");
    }
    let problems = if issues.len() == 1 { "problem" } else { "problems" };
    let _ = writeln!(text, "{} {problems}", issues.len());
    if let Some(first) = issues.first() {
        let _ = writeln!(text, "for more about one of them: {app} explain {}", first.code().id);
    }
    text
}

fn praise(graph: &Graph) -> String {
    format!("ok: {} modules, plan hash {:016x}\n", graph.modules().len(), graph.hash())
}

fn json_of(graph: &Graph) -> String {
    let hash = format!("{:016x}", graph.hash());
    let modules = graph.modules().len();
    line(&json!({ "ok": true, "modules": modules, "plan_hash": hash, "problems": [] }))
}

fn json_of_issues(issues: &[Issue]) -> String {
    let problems: Vec<_> = issues.iter().map(problem).collect();
    line(&json!({ "ok": false, "problems": problems }))
}

fn problem(issue: &Issue) -> Value {
    let row = |(text, place): (&str, Option<&framework_core::Place>)| json!({ "text": text, "place": place.map(ToString::to_string) });
    json!({
        "code": issue.code().id,
        "title": issue.code().title,
        "summary": issue.summary(),
        "evidence": issue.rows().map(row).collect::<Vec<_>>(),
        "help": issue.cures().collect::<Vec<_>>(),
    })
}

fn line(value: &Value) -> String {
    format!("{value:#}\n")
}
