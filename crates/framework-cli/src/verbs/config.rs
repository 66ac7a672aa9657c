use std::{io, path::Path, sync::Arc};

use framework_app::{AppBuilder, PlanError};
use framework_config::{
    ConfigFile, ConfigFileError, ConfigReport, Explanation, Origin, Overridden, Sources,
};
use framework_core::{Chain, Issue};
use framework_observability::LogLevel;
use serde_json::Value;

use crate::{
    Console, Exit,
    args::{ConfigVerb, ReferenceFormat},
    codes,
    prepare::Configured,
    verbs::check,
};

/// Prints the configuration in force, or what may be in it, or changes it.
pub(crate) fn config(
    app: AppBuilder,
    verb: &ConfigVerb,
    console: &mut Console<'_>,
) -> io::Result<Exit> {
    let name = app.name();
    let sources = match verb {
        ConfigVerb::Show { sources, .. }
        | ConfigVerb::Get { sources, .. }
        | ConfigVerb::Explain { sources, .. } => sources.sources(name, false),
        ConfigVerb::Set { sources, assignment, .. } => sources.sources(name, false).set(assignment),
        ConfigVerb::Schema | ConfigVerb::Reference { .. } => Sources::standard(name),
    };
    let values = !matches!(verb, ConfigVerb::Schema | ConfigVerb::Reference { .. });
    let report = match report(app, &sources, values) {
        Ok(report) => report,
        Err(issues) => return Ok(check::refuse(name, &issues, console)),
    };
    match answer(verb, &report) {
        Ok(text) => {
            console.print(&text)?;
            Ok(Exit::Clean)
        }
        Err(refusal) => {
            console.complain(&refusal.issue.to_string());
            Ok(refusal.exit)
        }
    }
}

/// Why a key is not shown or not changed.
struct Refusal {
    exit: Exit,
    issue: Issue,
}

/// Plans the application for what it says about its configuration. What may be in it is known
/// even if what is in it is wrong.
fn report(
    app: AppBuilder,
    sources: &Sources,
    values: bool,
) -> Result<Arc<ConfigReport>, Vec<Issue>> {
    let prepared = match Configured::load(app, sources) {
        Ok(configured) => configured.prepare(LogLevel::detached()),
        Err(issue) => return Err(vec![issue]),
    };
    let planned = prepared.app.plan();
    match (prepared.config.report(), planned) {
        (Some(report), Ok(_)) => Ok(report),
        (Some(report), Err(_)) if !values => Ok(report),
        (_, Err(error)) => Err(issues(&error)),
        (None, Ok(_)) => Err(Vec::new()),
    }
}

fn issues(error: &PlanError) -> Vec<Issue> {
    error.issues().to_vec()
}

fn answer(verb: &ConfigVerb, report: &ConfigReport) -> Result<String, Refusal> {
    Ok(match verb {
        ConfigVerb::Show { json: true, .. } => format!("{:#}\n", report.to_json()),
        ConfigVerb::Show { origin, .. } => report.show(*origin),
        ConfigVerb::Get { key, .. } => match explain(report, key)?.entry.value {
            Value::String(text) => format!("{text}\n"),
            value => format!("{value}\n"),
        },
        ConfigVerb::Explain { key, json: true, .. } => {
            format!("{:#}\n", explain(report, key)?.to_json())
        }
        ConfigVerb::Explain { key, .. } => explain(report, key)?.to_string(),
        ConfigVerb::Set { assignment, file, .. } => set(report, assignment, file.as_deref())?,
        ConfigVerb::Schema => format!("{:#}\n", report.schema()),
        ConfigVerb::Reference { format: ReferenceFormat::Toml } => report.reference_toml(),
        ConfigVerb::Reference { format: ReferenceFormat::Markdown } => report.reference_markdown(),
    })
}

fn explain(report: &ConfigReport, key: &str) -> Result<Explanation, Refusal> {
    report.explain(key).ok_or_else(|| {
        let issue = Issue::new(&codes::NO_KEY, format!("the configuration has no key `{key}`"));
        let cure = report.nearest_key(key).map(|near| format!("did you mean `{near}`?"));
        let issue = cure.into_iter().fold(issue, Issue::help);
        Refusal { exit: Exit::Usage, issue }
    })
}

/// Writes the value that `assignment` gave to its key in `report`, which proves that it is right.
fn set(report: &ConfigReport, assignment: &str, to: Option<&Path>) -> Result<String, Refusal> {
    let (key, text) = assignment.split_once('=').unwrap_or((assignment, ""));
    let explanation = explain(report, key.trim())?;
    let entry = &explanation.entry;
    // A secret is shown to nobody, but it is what was given.
    let secret = entry.value == "***";
    let value = if secret { Value::from(text) } else { entry.value.clone() };
    let strongest = report.files().filter(|file| file.ends_with(".toml")).last();
    let path = to.unwrap_or(Path::new(strongest.unwrap_or("config/app.toml")));
    write(path, &entry.key, &value).map_err(|error| {
        let issue = Issue::new(&codes::NOT_CHANGED, Chain(&error).to_string());
        Refusal { exit: Exit::OperatingSystem, issue }
    })?;
    let mut told = format!("{}: {} = {}\n", path.display(), entry.key, entry.value);
    let stronger =
        |other: &&Overridden| !matches!(other.origin, Origin::File { .. } | Origin::Default);
    if let Some(other) = explanation.overridden.iter().find(stronger) {
        told.push_str(&format!(
            "but {} counts more, and sets it to {}\n",
            other.origin, other.value
        ));
    }
    Ok(told)
}

fn write(path: &Path, key: &str, value: &Value) -> Result<(), ConfigFileError> {
    let mut file = ConfigFile::open(path)?;
    file.set(key, value)?;
    file.save()
}
