use std::{collections::BTreeSet, time::Duration};

use framework_app::App;
use framework_core::{BoxModule, ProviderSpec, ShutdownReason, module_fn};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::time::Instant;

use crate::measure::{Row, cpu_time, median, millis};

/// How many modules, how many edges, how often.
const SMALL: (usize, usize, usize) = (1000, 5000, 31);
const LARGE: (usize, usize, usize) = (10_000, 50_000, 11);

/// Declare to ready of empty modules in a random acyclic graph.
pub(crate) fn run() -> Vec<Row> {
    let (small, large) = (Shape::random(SMALL.0, SMALL.1), Shape::random(LARGE.0, LARGE.1));
    let (mut wall, mut of_small, mut of_large) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..SMALL.2 {
        let took = small.start();
        wall.push(millis(took.wall));
        of_small.push(millis(took.cpu));
        if round < LARGE.2 {
            of_large.push(millis(large.start().cpu));
        }
    }
    let (wall, small, large) = (median(wall), median(of_small), median(of_large));
    vec![
        Row {
            what: "start of 1,000 empty modules with 5,000 edges, declare to ready, in ms"
                .to_owned(),
            measured: format!("{wall:.1}"),
            value: wall,
            at_most: 10.0,
        },
        Row {
            what: "10,000 modules with 50,000 edges, beside that, in processor time".to_owned(),
            measured: format!("{:.1} × ({large:.0} ms)", large / small),
            value: large / small,
            at_most: 12.0,
        },
    ]
}

/// How long a start took, and how much of that it had on a processor.
struct Took {
    wall: Duration,
    cpu: Duration,
}

/// What modules wait for.
struct Token;

/// A random graph: the name of each module, and what it needs.
struct Shape {
    names: Vec<&'static str>,
    needs: Vec<&'static [&'static str]>,
}

impl Shape {
    fn random(modules: usize, edges: usize) -> Self {
        let mut random = StdRng::seed_from_u64(7);
        let names: Vec<&'static str> =
            (0..modules).map(|n| &*Box::leak(format!("module-{n}").into_boxed_str())).collect();
        let mut pairs = BTreeSet::new();
        while pairs.len() < edges {
            let (a, b) = (random.random_range(0..modules), random.random_range(0..modules));
            if a != b {
                pairs.insert((a.max(b), a.min(b)));
            }
        }
        let mut needs: Vec<Vec<&'static str>> = vec![Vec::new(); modules];
        pairs.into_iter().for_each(|(after, before)| needs[after].push(names[before]));
        let needs = needs.into_iter().map(|needs| &*needs.leak()).collect();
        Self { names, needs }
    }

    /// From the first declaration to readiness.
    fn start(&self) -> Took {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_time()
            .build()
            .expect("the machine has threads left");
        runtime.block_on(async {
            let (begun, cpu) = (Instant::now(), cpu_time());
            let modules = self.names.iter().zip(&self.needs).map(|(&name, needs)| {
                let needs = *needs;
                BoxModule::new(module_fn(name, move |reg| {
                    // Each offers something that costs nothing to offer, so that the others can wait
                    // for it: edges are types.
                    let spec = ProviderSpec::transient().name(Some(name));
                    reg.provide_on_demand::<Token, _, _>(spec, |_reg| (), |()| ());
                    for need in needs {
                        reg.need_named::<Token>(need);
                    }
                }))
            });
            let app = App::builder("bench").modules(modules.collect::<Vec<_>>());
            let running = app.build().expect("the graph has no cycle").start().await;
            let took = Took { wall: begun.elapsed(), cpu: cpu_time().saturating_sub(cpu) };
            let stop = ShutdownReason::Requested("the round is over".to_owned());
            running.expect("nothing can fail").stop(stop).await.expect("nothing can fail");
            took
        })
    }
}
