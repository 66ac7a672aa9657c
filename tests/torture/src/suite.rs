//! The list of tortures, and how it is worked through.

use std::{future::Future, pin::Pin};

use rand::{SeedableRng as _, rngs::StdRng};
use tokio::{task::JoinSet, time::Instant};

use crate::{BoxError, planted, process::Program, tortures, verdict::Verdict};

/// What was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    pub(crate) ids: Vec<String>,
    pub(crate) soak: bool,
    pub(crate) seed: u64,
    pub(crate) planted: bool,
}

/// What every torture is given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) seed: u64,
    pub(crate) soak: bool,
    /// Whether it was asked for by its number, and not as one of all.
    pub(crate) chosen: bool,
    pub(crate) planted: Option<&'static str>,
}

type Running = Pin<Box<dyn Future<Output = Result<Verdict, BoxError>> + Send>>;

/// One torture.
#[derive(Clone, Copy)]
pub(crate) struct Torture {
    pub(crate) id: &'static str,
    what: &'static str,
    /// Whether it mostly waits, and so can run beside others without disturbing them.
    waits: bool,
    run: fn(Setting) -> Running,
}

macro_rules! torture {
    ($id:literal, $what:literal, waits, $run:path) => {
        Torture { id: $id, what: $what, waits: true, run: |setting| Box::pin($run(setting)) }
    };
    ($id:literal, $what:literal, $run:path) => {
        Torture { id: $id, what: $what, waits: false, run: |setting| Box::pin($run(setting)) }
    };
}

pub(crate) const TORTURES: &[Torture] = &[
    torture!("R10", "SIGTERM with requests of 0.5, 5 and 60 s", waits, tortures::drain::cut),
    torture!(
        "R12",
        "SIGTERM with six hundred clients that do not leave",
        waits,
        tortures::drain::crowd
    ),
    torture!("R13", "SIGTERM twice and three times", waits, tortures::drain::again),
    torture!(
        "H2",
        "bodies sent and responses read too slowly",
        waits,
        tortures::hostile::slow_bodies
    ),
    torture!("INIT", "orphans that are given to it", waits, tortures::instance::orphans),
    torture!("R1", "one rolling restart after the other", tortures::roll::rolling),
    torture!("R3", "binaries that replace a cluster, or cannot", tortures::upgrade::of_a_cluster),
    torture!("R3-ONE", "binaries that replace one process, or cannot", tortures::upgrade::of_one),
    torture!("R4", "SIGKILL for workers", tortures::killed::workers),
    torture!("R5", "SIGKILL for the primary", tortures::killed::primary),
    torture!("R6", "a worker that is stopped, and goes on", tortures::stuck::asleep),
    torture!("R7", "a worker whose runtime is blocked", tortures::stuck::blocked),
    torture!("R8", "from eight workers to two and back", tortures::scale::back_and_forth),
    torture!("M4R", "workers that are replaced after some requests", tortures::roll::recycling),
    torture!("SPREAD", "who gets the new connections", tortures::roll::spread),
    torture!("S1", "workers that never start", tortures::broken::at_boot),
    torture!("S2", "a worker that crashes whenever it is started", tortures::broken::one_slot),
    torture!("S3", "rolls to workers that do not start", tortures::broken::roll),
    torture!("S5", "workers that are killed when they are ready", tortures::broken::mortality),
    torture!("R9", "SIGTERM under load", tortures::stop::plain),
    torture!("R9-TLS", "SIGTERM under load, over TLS", tortures::stop::over_tls),
    torture!("R9-HEIR", "SIGTERM for a process that took a place", tortures::stop::heir),
    torture!("R11", "SIGTERM with nobody connected", tortures::stop::idle),
    torture!("R14", "SIGTERM at random points of the start", tortures::start::interrupted),
    torture!("R15", "SIGTERM under HTTP/2", tortures::streams::goodbye),
    torture!("R16", "SIGTERM while a balancer still sends requests", tortures::stop::lame_duck),
    torture!("C1", "a storm of SIGHUP under load", tortures::reload::storm),
    torture!("C2", "malformed configurations", tortures::malformed::rejected),
    torture!("C3", "a configuration that changes under its readers", tortures::reload::generations),
    torture!("C4", "another address in the configuration", tortures::reload::address),
    torture!("C5", "signals of all kinds", tortures::signals::all),
    torture!("H1", "slow-loris", tortures::hostile::slow_heads),
    torture!("H3", "clients that say nothing", tortures::hostile::silence),
    torture!("H4", "connections reset in every state", tortures::hostile::resets),
    torture!("I1", "workers that talk nonsense to the primary", tortures::ipc::nonsense),
    torture!("I2", "SIGKILL for a process that owes a thousand answers", tortures::ipc::killed),
    torture!("I3", "a flood of messages, and signs of life", tortures::ipc::flood),
    torture!("I5", "messages that are too much, or of another version", tortures::ipc::refused),
    torture!("P1", "sixty-four starts at the same moment", tortures::instance::simultaneous),
    torture!("P2", "starts and ends all the while", tortures::instance::churn),
    torture!("P3", "SIGKILL for whoever holds the place", tortures::instance::again),
    torture!("P4", "ports in use", tortures::ports::taken),
    torture!("P5", "disks that are full", tortures::scarce::space),
    torture!("P6", "nothing to stand on", tortures::scarce::ground),
    torture!("P7", "daemons that do not start", tortures::daemon::failing),
    torture!("P8", "a log that is moved away", tortures::rotation::under_writers),
    torture!("P9", "more clients than file descriptors", tortures::ports::exhausted),
    torture!("TLS", "certificates that change under load", tortures::certificates::rotate),
];

/// How one torture ended.
struct Done {
    id: &'static str,
    verdict: Verdict,
}

// ===== impl Setting =====

impl Setting {
    /// How often, in CI and where there is time.
    pub(crate) fn times(self, ci: usize, soak: usize) -> usize {
        match self {
            // A mistake shows soon, or the torture is not fit to find it.
            Self { planted: Some(_), .. } => ci.div_ceil(10),
            Self { soak: true, .. } => soak,
            _ => ci,
        }
    }

    /// As [`times`](Self::times), but less often where all tortures together must not take longer
    /// than people wait: the number that is stated is that of a torture on its own.
    pub(crate) fn times_among(self, ci: usize, among_all: usize, soak: usize) -> usize {
        let all = !(self.chosen || self.soak);
        self.times(if all { among_all } else { ci }, soak)
    }

    /// Randomness that is the same in each run with the same seed.
    pub(crate) fn random(self, salt: u64) -> StdRng {
        StdRng::seed_from_u64(self.seed ^ salt.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// An example, or the target with a mistake in its place.
    ///
    /// # Errors
    ///
    /// Returns an error if it is not built.
    pub(crate) fn program(self, name: &str) -> Result<Program, BoxError> {
        let program = Program::new(name)?;
        Ok(match self.planted {
            Some(mistake) => program.planted(mistake, name),
            None => program,
        })
    }
}

// ===== impl Torture =====

impl Torture {
    /// What it finds out.
    pub(crate) async fn verdict(self, setting: Setting) -> Verdict {
        (self.run)(setting).await.unwrap_or_else(|error| {
            let mut verdict = Verdict::default();
            verdict.require(false, || format!("it could not be run to its end: {error}"));
            verdict
        })
    }

    async fn done(self, setting: Setting) -> Done {
        let began = Instant::now();
        let verdict = self.verdict(setting).await;
        let Self { id, what, .. } = self;
        let (result, took) = (if verdict.is_good() { "ok" } else { "FAILED" }, began.elapsed());
        let (figures, seconds) = (verdict.figures(), took.as_secs_f64());
        anstream::println!("{id:<8}{result:<8}{seconds:>6.1} s  {what}: {figures}");
        for fault in verdict.shown() {
            anstream::println!("        - {fault}");
        }
        Done { id, verdict }
    }
}

/// Prints what there is.
pub(crate) fn list() {
    for Torture { id, what, .. } in TORTURES {
        anstream::println!("{id:<8}{what}");
    }
    planted::list();
}

/// Runs what was asked for.
///
/// # Errors
///
/// Returns an error if something is not called that, or did not end well.
pub(crate) async fn run(selection: &Selection) -> Result<(), BoxError> {
    let Selection { ids, soak, seed, planted } = selection;
    let profile = if *soak { "soak" } else { "ci" };
    anstream::println!("seed {seed}, profile {profile}");
    let chosen = chosen(ids)?;
    let setting = Setting { seed: *seed, soak: *soak, chosen: !ids.is_empty(), planted: None };
    if *planted { planted::run(&chosen, setting).await } else { run_sound(&chosen, setting).await }
}

fn chosen(ids: &[String]) -> Result<Vec<Torture>, BoxError> {
    let known = |id: &String| TORTURES.iter().any(|torture| torture.id.eq_ignore_ascii_case(id));
    if let Some(unknown) = ids.iter().find(|id| !known(id)) {
        return Err(format!("no torture is called `{unknown}`; `--list` says what there is").into());
    }
    let is_chosen = |torture: &&Torture| {
        ids.is_empty() || ids.iter().any(|id| torture.id.eq_ignore_ascii_case(id))
    };
    Ok(TORTURES.iter().filter(is_chosen).copied().collect())
}

async fn run_sound(chosen: &[Torture], setting: Setting) -> Result<(), BoxError> {
    let began = Instant::now();
    let (waiting, busy): (Vec<Torture>, Vec<_>) =
        chosen.iter().copied().partition(|torture| torture.waits);
    let mut done = Vec::new();
    let mut together = JoinSet::new();
    for torture in waiting {
        together.spawn(torture.done(setting));
    }
    while let Some(ended) = together.join_next().await {
        done.push(ended?);
    }
    for torture in busy {
        done.push(torture.done(setting).await);
    }
    let failed: Vec<_> =
        done.iter().filter(|done| !done.verdict.is_good()).map(|done| done.id).collect();
    let (count, took) = (done.len(), began.elapsed().as_secs());
    anstream::println!("{count} tortures in {took} s, {} failed", failed.len());
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", ")).into()) }
}
