//! A start into the background, which fails at each of its steps.

use std::{collections::BTreeSet, fs, net::TcpListener, time::Duration};

use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use crate::{
    BoxError,
    process::{Ended, PID_FILE, Process, Program, kill},
    suite::Setting,
    verdict::Verdict,
};

/// How soon whoever started it has to know.
const KNOWN: Duration = Duration::from_secs(1);

/// The same where workers are tried again before.
const TRIED_AGAIN: Duration = Duration::from_secs(10);

/// How long a process may take that is not judged by that.
const LIMIT: Duration = Duration::from_secs(30);

/// Where a start fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The configuration cannot be read.
    Read,
    /// It does not fit the modules.
    Plan,
    Lock,
    Port,
    Fail,
    Panic,
    Crash,
}

// ===== impl Step =====

impl Step {
    const ALL: [Self; 7] =
        [Self::Read, Self::Plan, Self::Lock, Self::Port, Self::Fail, Self::Panic, Self::Crash];

    /// The code that the operator's contract states; `None` where a process dies without one.
    fn code(self, cluster: bool) -> Option<i32> {
        match self {
            Self::Read | Self::Plan => Some(78),
            Self::Lock => Some(75),
            Self::Port => Some(69),
            Self::Fail | Self::Panic => Some(70),
            // There is somebody left to say so.
            Self::Crash => cluster.then_some(70),
        }
    }

    /// How soon it has to be known.
    fn limit(self, cluster: bool) -> Duration {
        match self {
            Self::Fail | Self::Panic | Self::Crash if cluster => TRIED_AGAIN,
            _ => KNOWN,
        }
    }
}

/// What keeps a start from succeeding, and the program that is started.
struct Doomed {
    program: Program,
    _port: Option<TcpListener>,
    holder: Option<Process>,
}

/// P7: what whoever starts a daemon learns is what the process in the background would have said.
pub(crate) async fn failing(setting: Setting) -> Result<Verdict, BoxError> {
    let (mut verdict, rounds) = (Verdict::default(), setting.times_among(10, 1, 100));
    let (mut failed, mut killed, mut ready) = (0, 0, 0);
    for _ in 0..rounds {
        for workers in [None, Some(2)] {
            for step in Step::ALL {
                told(&mut verdict, setting, step, workers).await?;
                failed += 1;
            }
            if !verdict.is_good() {
                return Ok(verdict);
            }
            kill_before_ready(&mut verdict, setting, workers).await?;
            killed += 1;
            ready_when_it_says_so(&mut verdict, setting, workers).await?;
            ready += 1;
        }
    }
    verdict.injected("starts that fail", rounds * 2 * Step::ALL.len(), failed);
    verdict.injected("daemons killed before they were ready", 2 * rounds, killed);
    verdict.injected("daemons that were ready", 2 * rounds, ready);
    Ok(verdict)
}

fn program(setting: Setting, workers: Option<usize>) -> Result<Program, BoxError> {
    let program = setting.program("target")?.alone().set("cluster.min_ready", "100ms");
    Ok(if workers.is_some() { program.cluster(workers) } else { program })
}

async fn doomed(setting: Setting, step: Step, workers: Option<usize>) -> Result<Doomed, BoxError> {
    let mut doomed = Doomed { program: program(setting, workers)?, _port: None, holder: None };
    let with = |key: &str, value: &str| doomed.program.clone().set(key, value);
    doomed.program = match step {
        Step::Read => {
            doomed.program.place().configure("[http")?;
            doomed.program
        }
        Step::Plan => with("http.colour", "red"),
        Step::Lock => {
            doomed.holder = Some(doomed.program.clone().start().await?);
            doomed.program
        }
        Step::Port => {
            let port = TcpListener::bind((doomed.program.ip(), 0))?;
            let program = with("http.addr", &port.local_addr()?.to_string());
            doomed._port = Some(port);
            program
        }
        Step::Fail => with("boot.sin", "fail"),
        Step::Panic => with("boot.sin", "panic"),
        Step::Crash => with("boot.sin", "crash"),
    };
    Ok(doomed)
}

/// Fails both ways, and compares.
async fn told(
    verdict: &mut Verdict,
    setting: Setting,
    step: Step,
    workers: Option<usize>,
) -> Result<(), BoxError> {
    let cluster = workers.is_some();
    let Doomed { program, _port, holder } = doomed(setting, step, workers).await?;
    let itself = program.clone().spawn()?.ended(LIMIT).await?;
    let began = Instant::now();
    let launcher = program.clone().argument("--detach").spawn()?.ended(LIMIT).await?;
    let took = launcher.at - began;
    let limit = step.limit(cluster);
    verdict.require(took <= limit, || format!("{step:?} was known after {took:?}, {workers:?}"));
    verdict.require(itself.code() == step.code(cluster), || {
        format!("{step:?} ended with {}, {workers:?}", itself.status)
    });
    // Of one that died without a word, that is what there is to say.
    let code = itself.code().unwrap_or(70);
    verdict.require(launcher.code() == Some(code), || {
        let words = launcher.log.last_words();
        format!("{step:?} of {workers:?}: {}, and not {code}:\n{words}", launcher.status)
    });
    let (said, heard) = (errors(&itself), errors(&launcher));
    let same = match itself.code() {
        Some(_) => said == heard && !said.is_empty(),
        None => heard.iter().any(|error| error.contains("ended before it was ready")),
    };
    verdict.require(same, || format!("{step:?} of {workers:?}: {said:?} became {heard:?}"));
    if let Some(holder) = holder {
        holder.stop().await?;
    }
    let empty = program.place().empty(LIMIT).await;
    verdict.require(empty.is_some(), || format!("{step:?} of {workers:?} leaves processes"));
    Ok(())
}

/// What was said to be wrong. How long anything took differs from one start to the next.
fn errors(ended: &Ended) -> BTreeSet<String> {
    let lines = ended.log.from(0).into_iter().map(|line| line.text);
    lines.filter(|line| line.starts_with("error[")).collect()
}

async fn kill_before_ready(
    verdict: &mut Verdict,
    setting: Setting,
    workers: Option<usize>,
) -> Result<(), BoxError> {
    let program = program(setting, workers)?.set("boot.sin", "hang").argument("--detach");
    let launcher = program.clone().spawn()?;
    let daemon = holder(&program).await?;
    let killed = kill(daemon, Signal::KILL)?;
    let ended = launcher.ended(LIMIT).await?;
    let took = ended.at - killed;
    verdict.require(took <= KNOWN, || format!("the end of {workers:?} was known after {took:?}"));
    verdict.require(ended.code() == Some(70), || {
        format!("a daemon of {workers:?} was killed, and the launcher says {}", ended.status)
    });
    let empty = program.place().empty(LIMIT).await;
    verdict.require(empty.is_some(), || format!("a daemon of {workers:?} leaves processes"));
    Ok(())
}

/// The process that has written its number into the file.
async fn holder(program: &Program) -> Result<u32, BoxError> {
    let (path, give_up) = (program.place().path().join(PID_FILE), Instant::now() + LIMIT);
    while Instant::now() < give_up {
        let written = fs::read_to_string(&path).ok();
        if let Some(pid) = written.and_then(|text| text.strip_suffix('\n')?.parse().ok()) {
            return Ok(pid);
        }
        // Nothing tells of that.
        sleep(Duration::from_millis(5)).await;
    }
    Err("no daemon has taken its place".into())
}

/// Whoever is told that it is ready is served at once.
async fn ready_when_it_says_so(
    verdict: &mut Verdict,
    setting: Setting,
    workers: Option<usize>,
) -> Result<(), BoxError> {
    let program = program(setting, workers)?.set("boot.step", "20ms").argument("--detach");
    let free = TcpListener::bind((program.ip(), 0))?.local_addr()?;
    let program = program.set("http.addr", free);
    let launcher = program.clone().spawn()?;
    let (operator, mut dial) = (launcher.operator().clone(), launcher.dial());
    dial.address = free;
    let ended = launcher.ended(LIMIT).await?;
    let answer = dial.get("/").await;
    verdict.require(ended.code() == Some(0), || format!("it ended with {}", ended.status));
    verdict.require(answer.as_ref().is_ok_and(|answer| answer.status == 200), || {
        format!("a daemon of {workers:?} was said to be ready, and answers {answer:?}")
    });
    let processes = program.place().processes().len();
    let wanted = workers.map_or(1, |workers| workers + 1);
    verdict.require(processes == wanted, || format!("{processes} processes run, not {wanted}"));
    operator.must("stop").await?;
    let empty = program.place().empty(LIMIT).await;
    verdict.require(empty.is_some(), || format!("a daemon of {workers:?} does not stop"));
    Ok(())
}
