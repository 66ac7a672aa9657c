use std::{fmt::Write as _, io};

use framework_app::{AppBuilder, Graph};
use framework_config::ConfigHandle;
use framework_core::Issue;
use serde_json::{Value, json};

use crate::{Console, Exit, args::CheckArgs, console::Stream, prepare::Configured};

/// Plans the application, and prints everything that is wrong with it.
pub(crate) fn check(
    app: AppBuilder,
    args: &CheckArgs,
    console: &mut Console<'_>,
) -> io::Result<Exit> {
    let name = app.name();
    let mut config = None;
    let planned = Configured::load(app, &args.sources.sources(name, false))
        .map_err(|issue| vec![issue])
        .and_then(|configured| {
            let prepared = configured.prepare_to_look();
            config = Some(prepared.config);
            prepared.app.plan().map_err(|error| error.issues().to_vec())
        });
    if let Some(config) = &config {
        warn_of_last_good(config, console);
    }
    let wrong = config.and_then(|config| config.error());
    match planned {
        Ok(graph) => {
            console.print(&if args.json { json_of(&graph) } else { praise(&graph) })?;
            Ok(Exit::Clean)
        }
        Err(issues) if args.json => {
            console.print(&json_of_issues(&issues))?;
            Ok(Exit::Invalid)
        }
        Err(issues) => {
            console.print(&list(&issues))?;
            if let Some(wrong) = wrong {
                console.draw(&wrong, Stream::Out)?;
            }
            console.print(&summary(name, &issues))?;
            Ok(Exit::Invalid)
        }
    }
}

/// Says why something other than a check cannot be done, and where in the files of the
/// configuration that is.
pub(crate) fn refuse(
    app: &str,
    issues: &[Issue],
    config: Option<&ConfigHandle>,
    console: &mut Console<'_>,
) -> Exit {
    console.complain(&list(issues));
    if let Some(wrong) = config.and_then(ConfigHandle::error) {
        // That it cannot be written has been seen with what comes before it.
        let _ = console.draw(&wrong, Stream::Err);
    }
    console.complain(&summary(app, issues));
    Exit::Invalid
}

/// Says so if what is looked at is not what the files say.
pub(crate) fn warn_of_last_good(config: &ConfigHandle, console: &mut Console<'_>) {
    let Some(last_good) = config.last_good() else { return };
    let reason = &last_good.reason;
    console.complain(&format!("{reason}\nthe files are broken: this is about {last_good}\n"));
}

/// Every issue.
fn list(issues: &[Issue]) -> String {
    let mut text = String::new();
    for issue in issues {
        let _ = writeln!(text, "{issue}");
    }
    text
}

/// How many issues there are, and where to read more.
fn summary(app: &str, issues: &[Issue]) -> String {
    let problems = if issues.len() == 1 { "problem" } else { "problems" };
    let mut text = format!("{} {problems}\n", issues.len());
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
