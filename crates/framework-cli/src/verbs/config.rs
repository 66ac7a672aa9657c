use std::{io, path::Path, sync::Arc};

use framework_app::{AppBuilder, PlanError};
use framework_config::{
    ConfigError, ConfigFile, ConfigFileError, ConfigHandle, ConfigReport, Explanation, Origin,
    Overridden, Sources,
};
use framework_core::{Chain, Issue};
use serde_json::Value;

use crate::{
    Console, Exit,
    args::{ConfigVerb, ReferenceFormat},
    codes,
    console::Stream,
    prepare::{Configured, Prepared},
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
        | ConfigVerb::Save { sources, .. }
        | ConfigVerb::Explain { sources, .. } => sources.sources(name, false),
        ConfigVerb::Set { sources, assignment, .. } => sources.sources(name, false).set(assignment),
        ConfigVerb::Schema | ConfigVerb::Reference { .. } => Sources::standard(name),
    };
    let values = !matches!(verb, ConfigVerb::Schema | ConfigVerb::Reference { .. });
    let (handle, report) = match report(app, &sources, values) {
        Ok(found) => found,
        Err((issues, config)) => {
            return Ok(check::refuse(name, &issues, config.as_ref(), console));
        }
    };
    check::warn_of_last_good(&handle, console);
    match answer(verb, &handle, &report, &sources) {
        Ok(text) => {
            console.print(&text)?;
            Ok(Exit::Clean)
        }
        Err(refusal) => {
            console.complain(&refusal.issue.to_string());
            if let Some(error) = &refusal.error {
                console.draw(error, Stream::Err)?;
            }
            Ok(refusal.exit)
        }
    }
}

/// Why a key is not shown or not changed.
struct Refusal {
    exit: Exit,
    issue: Issue,
    error: Option<ConfigError>,
}

/// What is wrong with an application that cannot be planned, and its configuration.
type Unplanned = (Vec<Issue>, Option<ConfigHandle>);

/// Plans the application for what it says about its configuration. What may be in it is known
/// even if what is in it is wrong.
fn report(
    app: AppBuilder,
    sources: &Sources,
    values: bool,
) -> Result<(ConfigHandle, Arc<ConfigReport>), Unplanned> {
    let Prepared { app, config, .. } = match Configured::load(app, sources) {
        Ok(configured) => configured.prepare_to_look(),
        Err(issue) => return Err((vec![issue], None)),
    };
    let planned = app.plan();
    match (config.report(), planned) {
        (Some(report), Ok(_)) => Ok((config, report)),
        (Some(report), Err(_)) if !values => Ok((config, report)),
        (_, Err(error)) => Err((issues(&error), Some(config))),
        (None, Ok(_)) => Err((Vec::new(), None)),
    }
}

fn issues(error: &PlanError) -> Vec<Issue> {
    error.issues().to_vec()
}

fn answer(
    verb: &ConfigVerb,
    handle: &ConfigHandle,
    report: &ConfigReport,
    sources: &Sources,
) -> Result<String, Refusal> {
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
        ConfigVerb::Set { assignment, file, .. } => {
            set(handle, report, sources, assignment, file.as_deref())?
        }
        ConfigVerb::Save { file, .. } => save(handle, report, sources, file.as_deref())?,
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
        Refusal { exit: Exit::Usage, issue, error: None }
    })
}

/// Writes the value that `assignment` gave to its key in `report`, which proves that it is right.
fn set(
    handle: &ConfigHandle,
    report: &ConfigReport,
    sources: &Sources,
    assignment: &str,
    to: Option<&Path>,
) -> Result<String, Refusal> {
    let (key, text) = assignment.split_once('=').unwrap_or((assignment, ""));
    let explanation = explain(report, key.trim())?;
    let entry = &explanation.entry;
    // A secret is shown to nobody, but it is what was given.
    let secret = entry.value == "***";
    let value = if secret { Value::from(text) } else { entry.value.clone() };
    let path = to.unwrap_or(strongest(report));
    let mut file = ConfigFile::open(path).map_err(|error| not_changed(&error))?;
    file.set(&entry.key, &value).map_err(|error| not_changed(&error))?;
    write(handle, report, sources, path, &file)?;
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

/// Writes every value that is no default and stands elsewhere than in the file.
fn save(
    handle: &ConfigHandle,
    report: &ConfigReport,
    sources: &Sources,
    to: Option<&Path>,
) -> Result<String, Refusal> {
    let path = to.unwrap_or(strongest(report));
    let name = path.display().to_string();
    let mut file = ConfigFile::open(path).map_err(|error| not_changed(&error))?;
    let (mut told, mut secrets) = (String::new(), Vec::new());
    for entry in report.entries() {
        let is_there = matches!(&entry.origin, Origin::File { path, .. } if **path == *name);
        if entry.origin == Origin::Default || entry.value.is_null() || is_there {
            continue;
        }
        if holds_secret(&entry.value) {
            secrets.push(entry.key.as_str());
            continue;
        }
        file.set(&entry.key, &entry.value).map_err(|error| not_changed(&error))?;
        told.push_str(&format!("{name}: {} = {}\n", entry.key, entry.value));
    }
    if told.is_empty() {
        told = format!("{name}: there is nothing to save\n");
    } else {
        write(handle, report, sources, path, &file)?;
    }
    if !secrets.is_empty() {
        told.push_str(&format!("left out, because they are secrets: {}\n", secrets.join(", ")));
    }
    Ok(told)
}

/// Whether a secret, or the password of an address, was left out of `value`.
fn holds_secret(value: &Value) -> bool {
    match value {
        Value::String(text) => text == "***" || text.contains(":***@"),
        Value::Array(items) => items.iter().any(holds_secret),
        Value::Object(table) => table.values().any(holds_secret),
        _ => false,
    }
}

/// The file that counts most of those that can be written.
fn strongest(report: &ConfigReport) -> &Path {
    let strongest = report.files().filter(|file| file.ends_with(".toml")).last();
    Path::new(strongest.unwrap_or("config/app.toml"))
}

/// Writes the file if the application would start with it.
fn write(
    handle: &ConfigHandle,
    report: &ConfigReport,
    sources: &Sources,
    path: &Path,
    file: &ConfigFile,
) -> Result<(), Refusal> {
    // What was good last is not what is in the files: they are to be mended first.
    if let Some(last_good) = handle.last_good() {
        let issue = last_good.reason.to_issue().help("mend the files before they are written to");
        return Err(Refusal { exit: Exit::Invalid, issue, error: Some(last_good.reason) });
    }
    // Where it is read anyway it is read in its place; else as if it were given by name.
    let is_read = report.files().any(|file| Path::new(file) == path);
    let sources = sources.clone().instead_of(path, file.text());
    let sources = if is_read { sources } else { sources.file(path) };
    let checked = handle.try_sources(&sources);
    checked.map_err(|error| Refusal {
        exit: Exit::Invalid,
        issue: error.to_issue().help(format!("`{}` is what it was", path.display())),
        error: Some(error),
    })?;
    file.save().map_err(|error| not_changed(&error))
}

fn not_changed(error: &ConfigFileError) -> Refusal {
    let issue = Issue::new(&codes::NOT_CHANGED, Chain(error).to_string());
    Refusal { exit: Exit::OperatingSystem, issue, error: None }
}
