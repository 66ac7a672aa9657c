use axum::{extract::State, response::Response};
use framework_core::ModuleStatus;
use framework_registry::{Graph, ModuleNode};
use serde_json::{Value, json};

use super::json;
use crate::AdminState;

pub(super) async fn show(State(state): State<AdminState>) -> Response {
    let now = state.lifecycle.now();
    let graph = state.graph();
    let modules: Vec<_> = in_start_order(&state, graph.as_deref())
        .into_iter()
        .map(|(status, node)| {
            let note = status.note.as_ref();
            let mut module = json!({
                "name": status.name,
                "state": status.state.as_str(),
                "since_ms": now.saturating_sub(status.since).as_secs_f64() * 1000.0,
                "note": note.map(|(text, _)| text),
            });
            if let (Some(graph), Some(node)) = (&graph, node) {
                describe(&mut module, graph, node);
            }
            module
        })
        .collect();
    json(&json!({ "phase": state.lifecycle.phase().as_str(), "modules": modules }))
}

/// The modules with their place in the graph, as far as there is one.
pub(super) fn in_start_order<'g>(
    state: &AdminState,
    graph: Option<&'g Graph>,
) -> Vec<(ModuleStatus, Option<&'g ModuleNode>)> {
    let nodes = graph.map_or(&[][..], Graph::modules);
    let place = |name: &str| nodes.iter().position(|node| node.name == name);
    let mut modules = state.lifecycle.modules();
    modules.sort_by_key(|status| place(status.name).unwrap_or(usize::MAX));
    modules
        .into_iter()
        .map(|status| {
            let node = place(status.name).map(|at| &nodes[at]);
            (status, node)
        })
        .collect()
}

fn describe(module: &mut Value, graph: &Graph, node: &ModuleNode) {
    let waits_for = node.own_waits().map(|wait| graph.modules()[wait.module].name);
    module["waits_for"] = waits_for.collect();
    module["provides"] = node.values.iter().map(|value| value.key.clone()).collect();
    let units = node.units.iter().map(|(stage, name)| format!("{stage} {name}"));
    module["units"] = units.collect();
    module["version"] = json!(node.version);
    module["optional"] = json!(node.optional);
    module["foundation"] = json!(node.foundation);
    module["place"] = json!(node.place());
}
