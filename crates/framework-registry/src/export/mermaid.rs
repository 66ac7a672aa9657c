use std::fmt::Write as _;

use crate::Graph;

pub(super) fn write(graph: &Graph) -> String {
    let mut text = String::from("flowchart TD\n");
    for (at, module) in graph.modules().iter().enumerate() {
        let _ = writeln!(text, "    m{at}[\"{}\"]", escape(&module.to_string()));
        for wait in module.own_waits() {
            let _ =
                writeln!(text, "    m{at} -->|\"{}\"| m{}", escape(&graph.why(wait)), wait.module,);
        }
    }
    text
}

// Mermaid reads HTML entities in quoted text, and takes backticks for Markdown.
fn escape(text: &str) -> String {
    text.replace('`', "")
        .replace('&', "&amp;")
        .replace('"', "&quot;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
