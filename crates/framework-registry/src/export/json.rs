use framework_core::Place;
use serde_json::{Value, json};

use crate::{Graph, ModuleNode, ValueNode, Wait};

pub(super) fn write(graph: &Graph) -> String {
    let modules: Vec<_> = graph.modules().iter().map(|node| module(graph, node)).collect();
    let all = json!({ "hash": format!("{:016x}", graph.hash()), "modules": modules });
    format!("{all:#}\n")
}

fn module(graph: &Graph, node: &ModuleNode) -> Value {
    let units: Vec<_> = node
        .units
        .iter()
        .map(|(stage, name)| json!({ "stage": stage.as_str(), "name": name }))
        .collect();
    let contributes: Vec<_> = node
        .contributes
        .iter()
        .map(|(kind, count)| json!({ "kind": kind, "count": count }))
        .collect();
    json!({
        "name": node.name,
        "version": node.version,
        "place": node.place(),
        "optional": node.optional,
        "foundation": node.foundation,
        "waits_for": node.waits_for.iter().map(|w| wait(graph, w)).collect::<Vec<_>>(),
        "values": node.values.iter().map(value).collect::<Vec<_>>(),
        "units": units,
        "contributes": contributes,
        "collects": node.collects,
    })
}

fn wait(graph: &Graph, wait: &Wait) -> Value {
    json!({ "module": graph.modules()[wait.module].name, "reasons": graph.reasons(wait).map(|reason| reason.to_string()).collect::<Vec<_>>() })
}

fn value(value: &ValueNode) -> Value {
    json!({
        "key": value.key,
        "lifetime": value.lifetime.as_str(),
        "on_first_use": value.deferred,
        "replacement": value.replacement,
        "takes": value.takes,
        "place": Place::from(value.location).to_string(),
    })
}
