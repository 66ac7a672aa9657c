use std::process::{Command, Stdio};

use crate::measure::{Row, median};

/// How many modules, how many edges.
const SMALL: (usize, usize) = (1000, 5000);
const LARGE: (usize, usize) = (10_000, 50_000);

const ROUNDS: usize = 31;

/// Declare to ready of empty modules in a random acyclic graph, each time in a new process.
pub(crate) fn run() -> Vec<Row> {
    let (mut wall, mut of_small, mut of_large) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let took = start(SMALL);
        wall.push(took.wall);
        of_small.push(took.cpu);
        of_large.push(start(LARGE).cpu);
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

/// How long a start took, and how much of that it had on a processor, in milliseconds.
struct Took {
    wall: f64,
    cpu: f64,
}

fn start((modules, edges): (usize, usize)) -> Took {
    let starter = std::env::current_exe().expect("it has a path").with_file_name("starter");
    let mut command = Command::new(starter);
    let output = command.args([modules, edges].map(|it| it.to_string())).stderr(Stdio::inherit());
    let output = output.output().expect("`cargo xtask bench` builds it");
    let text = String::from_utf8_lossy(&output.stdout);
    let mut times = text.split_whitespace().map(|nanos| nanos.parse::<f64>());
    match (times.next(), times.next()) {
        (Some(Ok(wall)), Some(Ok(cpu))) => Took { wall: wall / 1e6, cpu: cpu / 1e6 },
        _ => panic!("it started, and said {text:?}"),
    }
}
