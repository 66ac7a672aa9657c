use std::sync::{Arc, Mutex};

use framework_core::Registrar;
use framework_di::{Inject, InjectError, InjectExt, Resolver, Scope, Scoped};
use proptest::prelude::*;

use crate::app::start;

const NODES: usize = 5;

/// Which nodes of lower number each node takes when it is made.
#[derive(Clone, Copy, Debug, Default)]
struct Edges([[bool; NODES]; NODES]);

type Log = Arc<Mutex<Vec<String>>>;

/// A scoped value that writes down when it comes and goes.
struct Node<const N: usize> {
    log: Log,
}

/// The nodes that `N` takes. It does not keep them, so only the scope orders their end.
struct Lower<const N: usize>;

/// Has a node made, in a scope.
type Make = Box<dyn Fn(&Resolver<'_>) -> Result<(), InjectError> + Send + Sync>;

impl<const N: usize> Node<N> {
    fn new(log: &Log) -> Self {
        log.lock().unwrap().push(format!("+{N}"));
        Self { log: Arc::clone(log) }
    }

    fn need(reg: &mut Registrar<'_>) -> Make {
        let needs = Arc::<Self>::declare(reg);
        Box::new(move |from| Arc::<Self>::resolve(&needs, from).map(drop))
    }

    fn register(reg: &mut Registrar<'_>, log: &Log) -> Ask {
        let log = Arc::clone(log);
        let node = reg.scoped(move |_: Lower<N>| Self::new(&log));
        Box::new(move |scope| ask(scope, &node))
    }
}

impl<const N: usize> Drop for Node<N> {
    fn drop(&mut self) {
        self.log.lock().unwrap().push(format!("-{N}"));
    }
}

impl<const N: usize> Inject for Lower<N> {
    type Needs = Vec<Make>;

    fn declare(reg: &mut Registrar<'_>) -> Self::Needs {
        let Edges(edges) = *reg.shared::<Edges>();
        let needs: [fn(&mut Registrar<'_>) -> Make; NODES] =
            [Node::<0>::need, Node::<1>::need, Node::<2>::need, Node::<3>::need, Node::<4>::need];
        let lower = needs.into_iter().zip(edges[N]).take(N);
        lower.filter(|(_, takes)| *takes).map(|(need, _)| need(reg)).collect()
    }

    fn resolve(needs: &Self::Needs, from: &Resolver<'_>) -> Result<Self, InjectError> {
        needs.iter().try_for_each(|make| make(from)).map(|()| Self)
    }
}

/// Asks a scope for a node.
type Ask = Box<dyn Fn(&Scope) + Send + Sync>;

fn ask<const N: usize>(scope: &Scope, node: &Scoped<Node<N>>) {
    scope.get(node).unwrap();
}

/// The nodes that are made, first made first, when `asked` are asked for in this order.
fn expected(edges: &Edges, asked: &[usize]) -> Vec<usize> {
    fn make(Edges(edges): &Edges, node: usize, made: &mut Vec<usize>) {
        if !made.contains(&node) {
            (0..node)
                .filter(|&lower| edges[node][lower])
                .for_each(|n| make(&Edges(*edges), n, made));
            made.push(node);
        }
    }

    let mut made = Vec::new();
    asked.iter().for_each(|&node| make(edges, node, &mut made));
    made
}

proptest! {
    #[test]
    fn a_scope_lets_go_of_its_values_in_the_reverse_order_of_their_making(
        edges: [[bool; NODES]; NODES],
        asked in prop::collection::vec(0..NODES, 0..8),
    ) {
        let (log, edges) = (Log::default(), Edges(edges));
        let to = Arc::clone(&log);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (app, nodes) = runtime
            .block_on(start(move |reg| {
                *reg.shared::<Edges>() = edges;
                [
                    Node::<0>::register(reg, &to),
                    Node::<1>::register(reg, &to),
                    Node::<2>::register(reg, &to),
                    Node::<3>::register(reg, &to),
                    Node::<4>::register(reg, &to),
                ]
            }))
            .unwrap();

        let scope = Scope::new(&app.cx);
        asked.iter().for_each(|&node| nodes[node](&scope));
        drop(scope);

        let made = expected(&edges, &asked);
        let came = made.iter().map(|n| format!("+{n}"));
        let went = made.iter().rev().map(|n| format!("-{n}"));
        let expected: Vec<_> = came.chain(went).collect();
        prop_assert_eq!(&*log.lock().unwrap(), &expected);
    }
}
