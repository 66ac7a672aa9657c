use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
};

use petgraph::{
    Direction,
    algo::tarjan_scc,
    graph::{DiGraph, EdgeIndex, NodeIndex},
    visit::EdgeRef,
};

/// How many cycles are worked out; breaking these usually breaks the rest.
const MAX_CYCLES: usize = 10;

/// A graph whose nodes are positions, and whose edges point from what is first to what waits.
/// Each edge carries a position in the caller's own list.
pub(crate) type Order = DiGraph<(), usize, u32>;

/// Builds the graph of `len` nodes; edges from a node to itself say nothing and are left out.
pub(crate) fn graph(len: usize, edges: impl Iterator<Item = (usize, usize)>) -> Order {
    let mut graph = Order::with_capacity(len, edges.size_hint().0);
    for _ in 0..len {
        graph.add_node(());
    }
    for (at, (before, after)) in edges.enumerate() {
        if before != after {
            graph.add_edge(NodeIndex::new(before), NodeIndex::new(after), at);
        }
    }
    graph
}

/// The nodes in an order in which every edge points forward; nodes that nothing orders keep that
/// of their positions (Kahn, "Topological sorting of large networks", 1962, with a heap for ties).
///
/// With a cycle, what is in it and after it is left out.
pub(crate) fn sort(graph: &Order) -> Vec<usize> {
    let mut waits_for = vec![0_u32; graph.node_count()];
    graph.raw_edges().iter().for_each(|edge| waits_for[edge.target().index()] += 1);
    let successors = Successors::of(graph);
    let free = |(at, waits): (usize, &u32)| (*waits == 0).then_some(Reverse(at));
    let mut ready: BinaryHeap<_> = waits_for.iter().enumerate().filter_map(free).collect();
    let mut order = Vec::with_capacity(waits_for.len());
    while let Some(Reverse(at)) = ready.pop() {
        order.push(at);
        for &next in successors.of_node(at) {
            let waits = &mut waits_for[next as usize];
            *waits -= 1;
            if *waits == 0 {
                ready.push(Reverse(next as usize));
            }
        }
    }
    order
}

/// The nodes after each node, side by side: a large graph is gone through once, and following its
/// lists of edges would miss the processor's cache at every step.
struct Successors {
    // Where the successors of each node begin; one more says where the last ones end.
    begin: Vec<u32>,
    nodes: Vec<u32>,
}

impl Successors {
    fn of(graph: &Order) -> Self {
        let mut begin = vec![0_u32; graph.node_count() + 1];
        graph.raw_edges().iter().for_each(|edge| begin[edge.source().index() + 1] += 1);
        for at in 1..begin.len() {
            begin[at] += begin[at - 1];
        }
        let mut next = begin.clone();
        let mut nodes = vec![0; graph.edge_count()];
        for edge in graph.raw_edges() {
            let at = &mut next[edge.source().index()];
            nodes[*at as usize] =
                u32::try_from(edge.target().index()).expect("the graph counts nodes in 32 bits");
            *at += 1;
        }
        Self { begin, nodes }
    }

    fn of_node(&self, at: usize) -> &[u32] {
        &self.nodes[self.begin[at] as usize..self.begin[at + 1] as usize]
    }
}

/// Cycles whose breaking leaves none, up to ten, each as the positions of its edges: the first
/// edge is that of the smallest node, which waits for the node of the second edge, and so on round.
///
/// Of those through a node the shortest is taken, and then broken where `strength` is least.
pub(crate) fn cycles(graph: &Order, strength: impl Fn(usize) -> u8) -> Vec<Vec<usize>> {
    let mut graph = graph.clone();
    let mut cycles = Vec::new();
    while cycles.len() < MAX_CYCLES {
        let Some(cycle) = shortest_cycle(&graph) else { break };
        let weakest = cycle.iter().copied().min_by_key(|edge| strength(graph[*edge]));
        cycles.push(cycle.iter().map(|edge| graph[*edge]).collect());
        match weakest {
            Some(edge) => {
                graph.remove_edge(edge);
            }
            None => break,
        }
    }
    cycles
}

/// The shortest cycle through the smallest node that is on one.
fn shortest_cycle(graph: &Order) -> Option<Vec<EdgeIndex>> {
    let tangles = tarjan_scc(graph).into_iter().filter(|nodes| nodes.len() > 1);
    let start = tangles.flatten().min()?;
    // Breadth first, from what waits to what it waits for.
    let mut reached_by: Vec<Option<EdgeIndex>> = vec![None; graph.node_count()];
    let mut queue = VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        for edge in graph.edges_directed(node, Direction::Incoming) {
            let next = edge.source();
            if next == start {
                return Some(walk_back(graph, start, edge.id(), &reached_by));
            }
            if reached_by[next.index()].is_none() {
                reached_by[next.index()] = Some(edge.id());
                queue.push_back(next);
            }
        }
    }
    None
}

fn walk_back(
    graph: &Order,
    start: NodeIndex,
    last: EdgeIndex,
    reached_by: &[Option<EdgeIndex>],
) -> Vec<EdgeIndex> {
    let mut cycle = vec![last];
    let mut edge = last;
    while let Some((_, waiting)) = graph.edge_endpoints(edge) {
        if waiting == start {
            break;
        }
        let Some(before) = reached_by[waiting.index()] else { break };
        cycle.push(before);
        edge = before;
    }
    cycle.reverse();
    cycle
}
