use std::fmt::Write as _;

use crate::{Graph, ModuleNode};

const BOX_HEIGHT: usize = 34;
const LEVEL_HEIGHT: usize = 96;
const GAP: usize = 28;
const MARGIN: usize = 24;
// Wide enough for a sans-serif digit or letter of 13 px.
const LETTER_WIDTH: usize = 8;

/// A box a module, one row a level, and a curve from each module down to whom it waits for. Rows
/// are sorted by where the neighbours below are, so that few curves cross.
pub(super) fn write(graph: &Graph) -> String {
    let boxes = lay_out(graph);
    let width = boxes.iter().map(|b| b.x + b.width).max().unwrap_or(0) + MARGIN;
    let height = boxes.iter().map(|b| b.y + BOX_HEIGHT).max().unwrap_or(0) + MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" font-family=\"system-ui, sans-serif\" font-size=\"13\">\n"
    );
    for (from, module) in graph.modules().iter().enumerate() {
        for wait in module.own_waits() {
            let title = format!(
                "{} waits for {}: {}",
                module.name,
                graph.modules()[wait.module].name,
                graph.why(wait)
            );
            curve(&mut svg, &boxes[from], &boxes[wait.module], &title);
        }
    }
    for (module, at) in graph.modules().iter().zip(&boxes) {
        draw_box(&mut svg, module, at);
    }
    svg.push_str("</svg>\n");
    svg
}

#[derive(Clone, Copy, Default)]
struct Place {
    x: usize,
    y: usize,
    width: usize,
}

fn lay_out(graph: &Graph) -> Vec<Place> {
    let levels = graph.levels();
    let depth = levels.iter().max().map_or(0, |last| last + 1);
    let mut boxes = vec![Place::default(); levels.len()];
    for level in 0..depth {
        let mut row: Vec<_> = (0..levels.len()).filter(|at| levels[*at] == level).collect();
        row.sort_by_key(|&at| {
            let below = graph.modules()[at].own_waits().map(|wait| &boxes[wait.module]);
            let (sum, count) = below.fold((0, 0), |(sum, n), b| (sum + b.x + b.width / 2, n + 1));
            (sum.checked_div(count).unwrap_or(usize::MAX), at)
        });
        let mut x = MARGIN;
        for at in row {
            let letters = graph.modules()[at].to_string().chars().count();
            let width = letters * LETTER_WIDTH + 24;
            boxes[at] = Place { x, y: MARGIN + (depth - 1 - level) * LEVEL_HEIGHT, width };
            x += width + GAP;
        }
    }
    boxes
}

fn curve(svg: &mut String, from: &Place, to: &Place, title: &str) {
    let (x1, y1) = (from.x + from.width / 2, from.y + BOX_HEIGHT);
    let (x2, y2) = (to.x + to.width / 2, to.y);
    let middle = usize::midpoint(y1, y2);
    let _ = writeln!(
        svg,
        "<path d=\"M{x1} {y1} C{x1} {middle} {x2} {middle} {x2} {y2}\" fill=\"none\" \
         stroke=\"#8a94a6\" stroke-width=\"1.5\"><title>{}</title></path>",
        escape(title),
    );
}

fn draw_box(svg: &mut String, module: &ModuleNode, at: &Place) {
    let Place { x, y, width } = *at;
    let values: Vec<_> = module.values.iter().map(ToString::to_string).collect();
    let fill = if module.foundation { "#eef2f7" } else { "#ffffff" };
    let dash = if module.optional { " stroke-dasharray=\"4 3\"" } else { "" };
    let _ = writeln!(
        svg,
        "<g><title>{}</title><rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{BOX_HEIGHT}\" \
         rx=\"6\" fill=\"{fill}\" stroke=\"#33415c\"{dash}/><text x=\"{}\" y=\"{}\" \
         text-anchor=\"middle\" fill=\"#1b2538\">{}</text></g>",
        escape(&format!("{}\n{}", module.place(), values.join("\n"))),
        x + width / 2,
        y + BOX_HEIGHT / 2 + 5,
        escape(&module.to_string()),
    );
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
