//! Properties of the order, over random graphs.

use proptest::prelude::*;

use super::*;

const NAMES: [&str; 24] = [
    "m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "m9", "m10", "m11", "m12", "m13", "m14",
    "m15", "m16", "m17", "m18", "m19", "m20", "m21", "m22", "m23",
];

/// Modules each of which provides a value, and needs those of `edges`.
fn modules(len: usize, edges: &[(usize, usize)]) -> Vec<BoxModule> {
    let one = |at: usize| {
        let needs: Vec<_> =
            edges.iter().filter(|(_, after)| *after == at).map(|(before, _)| *before).collect();
        module(NAMES[at], move |reg| {
            reg.provide_named::<u8, _, _>(NAMES[at], |_cx| async { Ok(1.into()) });
            for before in needs {
                reg.need_named::<u8>(NAMES[before]);
            }
        })
    };
    (0..len).map(one).collect()
}

/// A number of nodes, and edges between any of them.
fn any_graph() -> impl Strategy<Value = (usize, Vec<(usize, usize)>)> {
    (2_usize..NAMES.len()).prop_flat_map(|len| {
        let edge = (0..len, 0..len).prop_filter("an edge to itself", |(a, b)| a != b);
        (Just(len), prop::collection::vec(edge, 0..3 * len))
    })
}

/// Whether the graph has no cycle: repeatedly take away what nothing is before.
fn is_acyclic(len: usize, edges: &[(usize, usize)]) -> bool {
    let mut left: Vec<usize> = (0..len).collect();
    loop {
        let free: Vec<_> = left
            .iter()
            .copied()
            .filter(|at| !edges.iter().any(|(b, a)| a == at && left.contains(b)))
            .collect();
        if free.is_empty() {
            return left.is_empty();
        }
        left.retain(|at| !free.contains(at));
    }
}

proptest! {
    #[test]
    fn order_respects_every_edge_and_is_otherwise_that_of_registration(
        (len, edges) in any_graph(),
        ranks in prop::collection::vec(0_u32.., NAMES.len()),
    ) {
        // Pointing each edge from the lower rank to the higher makes the graph acyclic.
        let rank = |at: usize| (ranks[at], at);
        let edges: Vec<_> = edges
            .into_iter()
            .map(|(a, b)| if rank(a) < rank(b) { (a, b) } else { (b, a) })
            .collect();
        let plan = Plan::new(modules(len, &edges)).unwrap();
        let order: Vec<_> = plan.graph().modules().iter().map(|module| module.name).collect();
        let position = |at: usize| order.iter().position(|name| *name == NAMES[at]).unwrap();
        for (before, after) in &edges {
            prop_assert!(position(*before) < position(*after));
        }
        // Of those that could be next, the first registered is.
        let mut placed: Vec<usize> = Vec::new();
        for name in &order {
            let next = (0..len)
                .find(|at| !placed.contains(at) && edges.iter().all(|(b, a)| a != at || placed.contains(b)))
                .unwrap();
            prop_assert_eq!(NAMES[next], *name);
            placed.push(next);
        }
    }

    #[test]
    fn every_cyclic_graph_is_reported_with_a_true_cycle((len, edges) in any_graph()) {
        let planned = Plan::new(modules(len, &edges));
        prop_assert_eq!(planned.is_ok(), is_acyclic(len, &edges));
        let Err(error) = planned else { return Ok(()) };
        for issue in error.issues() {
            prop_assert_eq!(issue.code().id, "E0103");
            let rows: Vec<_> = issue.rows().map(|(text, _)| text.to_owned()).collect();
            let nodes: Vec<usize> = rows
                .chunks(2)
                .map(|pair| pair[0].trim_start_matches(['┌', '─', '>', '│', ' ']).to_owned())
                .map(|name| NAMES.iter().position(|known| *known == name).unwrap())
                .collect();
            let mut unique = nodes.clone();
            unique.sort_unstable();
            unique.dedup();
            prop_assert_eq!(unique.len(), nodes.len(), "a cycle goes through a node once");
            prop_assert_eq!(unique.first(), nodes.first(), "it begins with its smallest node");
            for (n, waits) in nodes.iter().enumerate() {
                let before = nodes[(n + 1) % nodes.len()];
                prop_assert!(edges.contains(&(before, *waits)), "{} does not need {}", waits, before);
                let reason = format!("`u8 {:?}`", NAMES[before]);
                prop_assert!(rows[2 * n + 1].contains(&reason), "the reason is not {reason}");
            }
        }
    }
}
