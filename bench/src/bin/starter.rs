//! Starts an application of many empty modules in a random acyclic graph, once, and prints how long
//! that took and how much of it this process had on a processor, both in nanoseconds: a start is
//! something that happens once, in a new process.

#![allow(clippy::print_stdout, reason = "it is asked for its times")]

use std::{collections::BTreeSet, time::Duration};

use framework_app::App;
use framework_core::{BoxModule, ProviderSpec, ShutdownReason, module_fn};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::time::Instant;

fn main() {
    let mut numbers = std::env::args().skip(1).map(|number| number.parse());
    let (Some(Ok(modules)), Some(Ok(edges))) = (numbers.next(), numbers.next()) else {
        panic!("it is told how many modules there are, and how many edges");
    };
    let took = Shape::random(modules, edges).start();
    println!("{} {}", took.wall.as_nanos(), took.cpu.as_nanos());
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
        // They lie side by side, as the literals of a program do.
        let each: Vec<_> = (0..modules).map(|n| format!("module-{n}")).collect();
        let mut rest: &'static str = each.concat().leak();
        let name = |name: &String| {
            let (name, others) = rest.split_at(name.len());
            rest = others;
            name
        };
        let names: Vec<&'static str> = each.iter().map(name).collect();
        let mut pairs = BTreeSet::new();
        while pairs.len() < edges {
            let (a, b) = (random.random_range(0..modules), random.random_range(0..modules));
            if a != b {
                pairs.insert((a.max(b), a.min(b)));
            }
        }
        let mut needs: Vec<Vec<&'static str>> = vec![Vec::new(); modules];
        pairs.into_iter().for_each(|(after, before)| needs[after].push(names[before]));
        let mut rest: &'static [&'static str] = needs.concat().leak();
        let of_one = |needs: &Vec<_>| {
            let (needs, others) = rest.split_at(needs.len());
            rest = others;
            needs
        };
        Self { names, needs: needs.iter().map(of_one).collect() }
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

/// The time that this process has had on a processor, so that what others take does not count.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or(0), nanos.unwrap_or(0))
}
