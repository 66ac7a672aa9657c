//! One process takes the place of another, and some that would cannot.

use std::{fs, io, io::Write as _, net::TcpListener, path::Path, process::Output, time::Duration};

use rand::{rngs::StdRng, seq::SliceRandom as _};
use tokio::time::Instant;

use super::cluster;
use crate::{
    BoxError,
    load::Plan,
    process::{Operator, Place, Process, Program},
    suite::Setting,
    verdict::Verdict,
};

/// How long a new process may take to be ready, in seconds.
const BOOT_SECONDS: u64 = 3;

/// How soon the verb has to say that it did not work: the process itself gets some seconds more
/// than its workers.
const REFUSED: Duration = Duration::from_secs(BOOT_SECONDS + 5 + 2);

/// How long those that have handed over may take to leave.
const LEFT: Duration = Duration::from_secs(20);

/// A binary of the target, and what is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Binary {
    Good,
    CrashAtOnce,
    Crash,
    HangAtOnce,
    Hang,
    Fail,
}

/// One change of processes.
#[derive(Clone, Copy, Debug)]
struct Change {
    verb: &'static str,
    to: Binary,
}

// ===== impl Binary =====

impl Binary {
    const ALL: [Self; 6] =
        [Self::Good, Self::CrashAtOnce, Self::Crash, Self::HangAtOnce, Self::Hang, Self::Fail];

    fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::CrashAtOnce => "crash-at-once",
            Self::Crash => "crash",
            Self::HangAtOnce => "hang-at-once",
            Self::Hang => "hang",
            Self::Fail => "fail",
        }
    }

    /// Makes all of them from one: each says in its last bytes what is wrong with it.
    fn forge(from: &Path, place: &Place) -> io::Result<()> {
        for binary in Self::ALL {
            let path = place.path().join(binary.name());
            fs::copy(from, &path)?;
            let mark = format!("torture-sin:{:<20}", binary.name());
            fs::OpenOptions::new().append(true).open(&path)?.write_all(mark.as_bytes())?;
        }
        Ok(())
    }

    /// Puts it where the program is started from, at once, as package managers do.
    fn install(self, place: &Place) -> io::Result<()> {
        let (new, app) = (place.path().join("app.new"), place.path().join("app"));
        fs::hard_link(place.path().join(self.name()), &new)?;
        fs::rename(&new, app)?;
        // A file that takes its own place keeps both names.
        match fs::remove_file(new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// R3: the binary of a cluster is replaced, again and again, and half of them are no good.
pub(crate) async fn of_a_cluster(setting: Setting) -> Result<Verdict, BoxError> {
    let changes = upgrades(&mut setting.random(3), setting.times_among(20, 5, 200));
    changed(setting, cluster::program(setting, 2)?, 3, &changes).await
}

/// R3-ONE: the same with an application of one process, which `restart` replaces as well.
pub(crate) async fn of_one(setting: Setting) -> Result<Verdict, BoxError> {
    let mut changes = upgrades(&mut setting.random(33), setting.times_among(10, 5, 100));
    for number in (0..changes.len()).rev() {
        changes.insert(number, Change { verb: "restart", to: Binary::Good });
    }
    changed(setting, cluster::soon(setting.program("target")?), 1, &changes).await
}

/// One in five crashes, and one in five hangs, sooner or later; some end in order, and say why.
fn upgrades(random: &mut StdRng, number: usize) -> Vec<Change> {
    let of = |at: usize| match at % 10 {
        0 => Binary::Crash,
        1 => Binary::Hang,
        2 => Binary::Fail,
        5 => Binary::CrashAtOnce,
        6 => Binary::HangAtOnce,
        _ => Binary::Good,
    };
    let mut changes: Vec<_> =
        (0..number).map(|at| Change { verb: "upgrade", to: of(at) }).collect();
    changes.shuffle(random);
    changes
}

async fn changed(
    setting: Setting,
    program: Program,
    processes: usize,
    changes: &[Change],
) -> Result<Verdict, BoxError> {
    let mut verdict = Verdict::default();
    let original = program.binary().to_owned();
    Binary::forge(&original, program.place())?;
    Binary::Good.install(program.place())?;
    let app = program.place().path().join("app");
    let free = TcpListener::bind((program.ip(), 0))?.local_addr()?;
    let program = cluster::door(program.set("http.addr", free));
    let program = program.set("cluster.boot_timeout", format_args!("{BOOT_SECONDS}s"));
    let process = program.at(app).start().await?;
    let operator = process.operator().clone().with(original);
    let load = Plan::mixed(256, Duration::from_millis(700), setting.seed).start(&process.dial());
    load.history.reaches(1000).await;
    let (rate, mut done, mut slowest) = (load.rate(), 0, Duration::ZERO);
    for change in changes {
        change.to.install(process.place())?;
        let Some(took) = change.make(&operator, &mut verdict).await? else { break };
        if change.to != Binary::Good {
            slowest = slowest.max(took);
        }
        done += 1;
        cluster::answers_at_the_door(process.place(), &mut verdict).await;
        load.history.reaches(load.history.len() + 200).await;
    }
    let records = load.stop().await.records();
    verdict.load(rate);
    verdict.injected("changes", changes.len(), done);
    verdict.figure(format_args!("slowest refusal {slowest:.1?}"));
    verdict.nothing_lost(&records);
    ends(process, &operator, processes, &mut verdict).await?;
    Ok(verdict)
}

impl Change {
    /// How long it took; `None` if nothing more can be tried.
    async fn make(
        self,
        operator: &Operator,
        verdict: &mut Verdict,
    ) -> Result<Option<Duration>, BoxError> {
        let Self { verb, to } = self;
        let (before, began) = (operator.pid().await?, Instant::now());
        let Output { status, stdout, stderr } = operator.verb(verb, REFUSED * 3).await?;
        let took = began.elapsed();
        let good = to == Binary::Good;
        if good != status.success() {
            let out = [stdout, stderr].concat();
            let words = String::from_utf8_lossy(&out).into_owned();
            let name = to.name();
            verdict.require(false, || {
                format!("`{verb}` to a binary that is {name} ended with {status}: {words}")
            });
            return Ok(None);
        }
        let after = operator.pid().await?;
        verdict.require((after != before) == good, || {
            format!("`{verb}` to {}: {after} holds the place of {before}", to.name())
        });
        verdict.require(good || took <= REFUSED, || {
            format!("`{verb}` to {} was refused after {took:?}", to.name())
        });
        Ok(Some(took))
    }
}

/// Requires that one instance is left, that the first one has ended well, and that none is left in
/// the end.
async fn ends(
    process: Process,
    operator: &Operator,
    processes: usize,
    verdict: &mut Verdict,
) -> Result<(), BoxError> {
    let left = until(&process, processes).await;
    verdict.require(left.len() == processes, || format!("these processes are left: {left:?}"));
    let stopped = operator.verb("stop", LEFT).await?.status;
    verdict.require(stopped.success(), || format!("`stop` ended with {stopped}"));
    let none = until(&process, 0).await;
    verdict.require(none.is_empty(), || format!("these processes outlive their end: {none:?}"));
    cluster::no_door(process.place(), verdict);
    let first = process.ended(LEFT).await?;
    verdict.require(first.code() == Some(0), || format!("the first ended with {}", first.status));
    Ok(())
}

/// The processes that are left when there are no more than these, or there is no more time.
async fn until(process: &Process, number: usize) -> Vec<u32> {
    let give_up = Instant::now() + LEFT;
    loop {
        let left = process.place().processes();
        if left.len() <= number || Instant::now() > give_up {
            return left;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
