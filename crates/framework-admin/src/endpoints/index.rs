use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use framework_core::{ClusterQuestion, ModuleStatus};
use framework_observability::CheckReport;
use framework_registry::{Format, Graph, ModuleNode};
use http::{HeaderValue, header};
use serde_json::Value;

use super::{
    cluster::{no_answer, parse},
    escape,
    modules::in_start_order,
    text,
};
use crate::AdminState;

const PAGE: &str = include_str!("index.html");

const LINKS: [&str; 11] = [
    "/health",
    "/metrics",
    "/cluster",
    "/debug",
    "/debug/modules",
    "/debug/startup?format=text",
    "/debug/config",
    "/debug/health-report",
    "/debug/log-level",
    "/debug/routes",
    "/debug/graph?format=text",
];

/// No script runs on the page, and nothing is fetched for it.
const POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'");

pub(super) async fn show(State(state): State<AdminState>) -> Response {
    let graph = state.graph();
    let app = &state.identity;
    let parts = [
        ("title", escape(&app.name)),
        ("name", escape(&app.name)),
        ("version", escape(&app.version)),
        ("profile", escape(&app.profile)),
        ("facts", facts(&state, graph.as_deref())),
        ("links", LINKS.iter().map(anchor).collect()),
        ("modules", module_rows(&state, graph.as_deref())),
        ("health", checks(&state)),
        ("cluster", cluster(&state).await),
        ("graph", graph.as_ref().map(|graph| graph.export(Format::Svg)).unwrap_or_default()),
    ];
    let page = text("text/html; charset=utf-8", fill(PAGE, &parts));
    ([(header::CONTENT_SECURITY_POLICY, POLICY)], page).into_response()
}

/// Puts each part in its place; what is put in is not looked at again.
fn fill(template: &str, parts: &[(&str, String)]) -> String {
    let mut page = String::with_capacity(template.len() * 4);
    let mut rest = template;
    while let Some(start) = rest.find('{') {
        let (before, from) = rest.split_at(start);
        page.push_str(before);
        let end = from.find('}').map(|end| (&from[1..end], end + 1));
        let part = end.and_then(|(name, after)| {
            let (_, text) = parts.iter().find(|(known, _)| *known == name)?;
            Some((text, after))
        });
        let after = match part {
            Some((text, after)) => {
                page.push_str(text);
                after
            }
            // A brace of the style sheet.
            None => {
                page.push('{');
                1
            }
        };
        rest = &from[after..];
    }
    page.push_str(rest);
    page
}

fn facts(state: &AdminState, graph: Option<&Graph>) -> String {
    let mut facts = vec![
        format!("phase <b>{}</b>", state.lifecycle.phase()),
        format!("up {} s", state.metrics.uptime().as_secs()),
        format!("pid {}", std::process::id()),
    ];
    if let Some(startup) = state.lifecycle.startup() {
        facts.push(format!("started in {:.1} ms", startup.took().as_secs_f64() * 1000.0));
    }
    if let Some(address) = state.http().and_then(|http| http.local_addr()) {
        facts.push(format!("serving on {address}"));
    }
    if let Some(graph) = graph {
        facts.push(format!("plan {:016x}", graph.hash()));
    }
    facts.join(" · ")
}

fn anchor(link: &&str) -> String {
    let name = link.split('?').next().unwrap_or_default();
    format!("<a href=\"{link}\">{name}</a>")
}

fn module_rows(state: &AdminState, graph: Option<&Graph>) -> String {
    let modules = in_start_order(state, graph);
    modules.iter().map(|(status, node)| module_row(status, *node, graph)).collect()
}

fn module_row(status: &ModuleStatus, node: Option<&ModuleNode>, graph: Option<&Graph>) -> String {
    let names = graph.map_or(&[][..], Graph::modules);
    let waits: Vec<_> = node
        .into_iter()
        .flat_map(ModuleNode::own_waits)
        .map(|wait| names[wait.module].name)
        .collect();
    let values = node.map_or(&[][..], |node| &node.values);
    let values: Vec<_> = values.iter().map(|value| escape(&value.key)).collect();
    let (name, state) = (escape(status.name), status.state);
    format!(
        "<tr><td>{name}</td><td class=\"{state}\">{state}</td><td>{}</td><td>{}</td></tr>\n",
        waits.join(", "),
        values.join(", "),
    )
}

/// The workers, if there are several processes.
async fn cluster(state: &AdminState) -> String {
    let Some(cluster) = &state.cluster else { return String::new() };
    let answer = cluster.ask(ClusterQuestion::Workers).await;
    let shown = answer.map_err(no_answer).and_then(|answer| parse(&answer));
    let Ok(shown) = shown else {
        return "<h2>Workers</h2>\n<p class=\"failed\">the primary does not answer</p>\n"
            .to_owned();
    };
    let rows: String = shown["workers"].as_array().into_iter().flatten().map(worker_row).collect();
    let (primary, generation) = (&shown["primary"], &shown["generation"]);
    format!(
        "<h2>Workers</h2>\n<p>primary {primary} · generation {generation}</p>\n<table>\n<tr>\
         <th>slot</th><th>pid</th><th>state</th><th>health</th><th>generation</th><th>restarts</th>\
         <th>requests</th><th>memory</th><th>heard</th></tr>\n{rows}</table>\n"
    )
}

fn worker_row(worker: &Value) -> String {
    let plain = |key: &str| match &worker[key] {
        Value::Null => "-".to_owned(),
        Value::String(text) => escape(text),
        other => other.to_string(),
    };
    let memory = worker["rss"].as_f64().map(|bytes| bytes / f64::from(1 << 20));
    let memory = memory.map_or("-".to_owned(), |mebibytes| format!("{mebibytes:.1} MiB"));
    let heard = worker["heartbeat_age_ms"].as_u64();
    let heard = heard.map_or("-".to_owned(), |millis| format!("{millis} ms ago"));
    let (state, health) = (plain("state"), plain("health"));
    format!(
        "<tr><td>{}</td><td>{}</td><td class=\"{state}\">{state}</td>\
         <td class=\"{health}\">{health}</td><td>{}</td><td>{}</td><td>{}</td><td>{memory}</td>\
         <td>{heard}</td></tr>\n",
        plain("slot"),
        plain("pid"),
        plain("generation"),
        plain("restarts"),
        plain("requests"),
    )
}

fn checks(state: &AdminState) -> String {
    let report = state.board.report(state.metrics.system());
    let status = report.status;
    let overall = format!("<p class=\"{status}\">{status}</p>\n");
    if report.checks.is_empty() {
        return overall;
    }
    let rows: String = report.checks.iter().map(check_row).collect();
    format!(
        "{overall}<table>\n<tr><th>check</th><th>module</th><th>status</th><th>detail</th></tr>\n\
         {rows}</table>\n"
    )
}

fn check_row(check: &CheckReport) -> String {
    let detail = escape(check.detail.as_deref().unwrap_or_default());
    let (name, module, status) = (escape(check.name), escape(check.module), check.status);
    format!(
        "<tr><td>{name}</td><td>{module}</td><td class=\"{status}\">{status}</td>\
         <td>{detail}</td></tr>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_into_the_page_is_not_taken_for_a_part_of_it() {
        let parts = [("name", "{health}".to_owned()), ("health", "well".to_owned())];
        assert_eq!(fill("a { b: {name} } {health}", &parts), "a { b: {health} } well");
    }

    #[test]
    fn every_place_of_the_page_is_filled() {
        let names = ["title", "name", "version", "profile", "facts", "links", "modules", "health"];
        for name in names.into_iter().chain(["cluster", "graph"]) {
            assert!(PAGE.contains(&format!("{{{name}}}")), "{name}");
        }
    }
}
