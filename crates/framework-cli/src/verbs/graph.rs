use std::io;

use framework_app::AppBuilder;

use crate::{Console, Exit, args::GraphArgs, prepare::Configured, verbs::check};

/// Prints the graph of the modules.
pub(crate) fn graph(
    app: AppBuilder,
    args: &GraphArgs,
    console: &mut Console<'_>,
) -> io::Result<Exit> {
    let name = app.name();
    let prepared = match Configured::load(app, &args.sources.sources(name, false)) {
        Ok(configured) => configured.prepare_to_look(),
        Err(issue) => return Ok(check::refuse(name, &[issue], None, console)),
    };
    match prepared.app.plan() {
        Ok(graph) => {
            console.print(&graph.export(args.format))?;
            Ok(Exit::Clean)
        }
        Err(error) => Ok(check::refuse(name, error.issues(), Some(&prepared.config), console)),
    }
}
