use std::fmt::Write as _;

use crate::Graph;

pub(super) fn write(graph: &Graph) -> String {
    let mut text = String::from(
        "digraph app {\n    rankdir=BT;\n    node [shape=box, fontname=\"sans-serif\"];\n",
    );
    for module in graph.modules() {
        let _ = writeln!(text, "    {:?} [label={:?}];", module.name, module.to_string());
        for wait in module.own_waits() {
            let other = graph.modules()[wait.module].name;
            let _ =
                writeln!(text, "    {:?} -> {other:?} [label={:?}];", module.name, graph.why(wait));
        }
    }
    text.push_str("}\n");
    text
}
