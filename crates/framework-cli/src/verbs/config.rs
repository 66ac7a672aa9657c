use std::{io, sync::Arc};

use framework_app::{AppBuilder, PlanError};
use framework_config::ConfigReport;
use framework_core::Issue;
use framework_observability::LogLevel;

use crate::{
    Console, Exit,
    args::{ConfigVerb, ReferenceFormat, SourceArgs},
    prepare::Configured,
    verbs::check,
};

/// Prints the configuration in force, or what may be in it.
pub(crate) fn config(
    app: AppBuilder,
    verb: &ConfigVerb,
    console: &mut Console<'_>,
) -> io::Result<Exit> {
    let name = app.name();
    let nowhere = SourceArgs::default();
    let (sources, values) = match verb {
        ConfigVerb::Show { sources, .. } => (sources, true),
        ConfigVerb::Schema | ConfigVerb::Reference { .. } => (&nowhere, false),
    };
    match report(app, sources, values) {
        Ok(report) => {
            console.print(&text(verb, &report))?;
            Ok(Exit::Clean)
        }
        Err(issues) => Ok(check::refuse(name, &issues, console)),
    }
}

/// Plans the application for what it says about its configuration. What may be in it is known
/// even if what is in it is wrong.
fn report(
    app: AppBuilder,
    sources: &SourceArgs,
    values: bool,
) -> Result<Arc<ConfigReport>, Vec<Issue>> {
    let sources = sources.sources(app.name(), false);
    let prepared = match Configured::load(app, &sources) {
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

fn text(verb: &ConfigVerb, report: &ConfigReport) -> String {
    match verb {
        ConfigVerb::Show { json: true, .. } => format!("{:#}\n", report.to_json()),
        ConfigVerb::Show { origin, .. } => report.show(*origin),
        ConfigVerb::Schema => format!("{:#}\n", report.schema()),
        ConfigVerb::Reference { format: ReferenceFormat::Toml } => report.reference_toml(),
        ConfigVerb::Reference { format: ReferenceFormat::Markdown } => report.reference_markdown(),
    }
}
