//! A log that is moved away under those who write it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::process::Signal;
use serde_json::Value;
use tokio::{task::JoinSet, time::interval};

use super::cluster;
use crate::{
    BoxError,
    client::{Dial, request},
    history::Outcome,
    process::{Operator, Process, Program},
    suite::Setting,
    verdict::Verdict,
};

/// How many workers write to the one file.
const WORKERS: usize = 8;

/// How many clients have them write, and how many lines each time.
const CLIENTS: u64 = 8;
const BATCH: u64 = 50;

/// How often the file is moved away.
const ROTATED: Duration = Duration::from_millis(50);

/// P8: the log is moved away every 50 ms, and every line of it is somewhere, once and whole.
pub(crate) async fn under_writers(setting: Setting) -> Result<Verdict, BoxError> {
    let mut verdict = Verdict::default();
    // In fewer, the log would hardly be moved.
    let each = setting.times_among(250_000, 3000, 250_000).max(3000);
    let each = u64::try_from(each)? / BATCH * BATCH;
    let program = cluster::program(setting, WORKERS)?;
    let process = logging(program, "app.log", WORKERS).await?;
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        clients.spawn(write(process.dial(), client * each, each));
    }
    let mut rotation = Rotation::new(&process);
    let (mut ticks, mut slowest_writer) = (interval(ROTATED), 0_usize);
    while !clients.is_empty() {
        tokio::select! {
            biased;
            _ = ticks.tick() => rotation.rotate(&process).await?,
            Some(written) = clients.join_next() => {
                written??;
                slowest_writer = rotation.files.len();
            }
        }
    }
    let last = each * CLIENTS;
    rotation.refused(&process, last, &mut verdict).await?;
    let moved = rotation.files.clone();
    rotation.still(&mut verdict);
    // What was written last is in the file that nobody has moved away.
    let here = process.place().path().join("app.log");
    let mut lines = vec![0_u8; usize::try_from(last + BATCH)?];
    for path in moved.iter().map(|moved| &moved.path).chain([&here]) {
        count(path, &mut lines, &mut verdict)?;
    }
    let of = |test: fn(u8) -> bool| lines.iter().filter(|times| test(**times)).count();
    let (lost, twice) = (of(|times| times == 0), of(|times| times > 1));
    verdict.injected("lines", lines.len(), lines.len() - lost);
    verdict.require(lost == 0, || format!("{lost} lines were lost"));
    verdict.require(twice == 0, || format!("{twice} lines were written twice"));
    verdict.figure(format_args!("{} files", moved.len() + 1));
    verdict.require(slowest_writer >= 3, || "the log was hardly ever moved".to_owned());
    cluster::stop(process, &mut verdict).await?;
    Ok(verdict)
}

/// Starts a program that says nothing but in a file of its place, and waits until it serves.
///
/// # Errors
///
/// Returns an error if it does not serve.
pub(super) async fn logging(
    program: Program,
    file: &str,
    workers: usize,
) -> Result<Process, BoxError> {
    let free = std::net::TcpListener::bind((program.ip(), 0))?.local_addr()?;
    let mut process = program.set("http.addr", free).set("telemetry.log.file", file).spawn()?;
    process.http = free;
    if workers > 0 {
        let limit = Duration::from_secs(30);
        process.operator().until(limit, |seen| seen.are(workers)).await?;
    }
    Ok(process)
}

/// Has lines written with these numbers.
async fn write(dial: Dial, first: u64, lines: u64) -> Result<(), BoxError> {
    for first in (first..first + lines).step_by(usize::try_from(BATCH)?) {
        logged(&dial, first, BATCH).await.map_err(|outcome| format!("no lines: {outcome:?}"))?;
    }
    Ok(())
}

/// Has some lines written.
pub(super) async fn logged(dial: &Dial, first: u64, lines: u64) -> Result<(), Outcome> {
    let text = request("POST", &format!("/log?first={first}&count={lines}"), "close", b"");
    let answer = dial.connect().await?.request(&text).await?;
    if answer.status == 200 { Ok(()) } else { Err(Outcome::WrongBody) }
}

/// The files that the log was moved to.
struct Rotation {
    directory: PathBuf,
    operator: Operator,
    files: Vec<Moved>,
}

#[derive(Clone, Debug)]
struct Moved {
    path: PathBuf,
    /// How long it was when nobody was to write to it any more; of one that was moved with a signal,
    /// after the next verb.
    length: Option<u64>,
}

impl Rotation {
    fn new(process: &Process) -> Self {
        let directory = process.place().path().to_owned();
        Self { directory, operator: process.operator().clone(), files: Vec::new() }
    }

    /// Moves the file away, if there is one again, and has it opened anew: by signal, or by a verb
    /// that says when that is done.
    async fn rotate(&mut self, process: &Process) -> Result<(), BoxError> {
        let number = self.files.len();
        let path = self.directory.join(format!("app.log.{number}"));
        match fs::rename(self.directory.join("app.log"), &path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            moved => moved?,
        }
        self.files.push(Moved { path, length: None });
        // The first time by the verb: whoever did not hear of it would write there for ever.
        if number.is_multiple_of(2) {
            self.operator.reopen_logs().await?;
            for Moved { path, length } in self.files.iter_mut().filter(|it| it.length.is_none()) {
                *length = Some(fs::metadata(path)?.len());
            }
        } else {
            process.signal(Signal::USR2)?;
        }
        Ok(())
    }

    /// Moves the file away when no new one can be opened: that is said, and the lines go on where they
    /// went before.
    async fn refused(
        &mut self,
        process: &Process,
        first: u64,
        verdict: &mut Verdict,
    ) -> Result<(), BoxError> {
        self.operator.reopen_logs().await?;
        let (here, path) = (self.directory.join("app.log"), self.directory.join("app.log.kept"));
        fs::rename(&here, &path)?;
        fs::create_dir(&here)?;
        let refused = self.operator.reopen_logs().await.is_err();
        verdict.require(refused, || "a log that cannot be opened was said to be".to_owned());
        let logged = logged(&process.dial(), first, BATCH).await;
        verdict.require(logged.is_ok(), || format!("with no new log: {logged:?}"));
        fs::remove_dir(&here)?;
        self.operator.reopen_logs().await?;
        self.files.push(Moved { length: Some(fs::metadata(&path)?.len()), path });
        Ok(())
    }

    /// Requires that nobody has written to a file after that was said.
    fn still(&self, verdict: &mut Verdict) {
        for Moved { path, length } in &self.files {
            let Some(length) = *length else { continue };
            let now = fs::metadata(path).map_or(0, |file| file.len());
            verdict.require(now == length, || {
                format!("{} bytes came late to {}", now.abs_diff(length), path.display())
            });
        }
    }
}

/// Counts the lines that have a number, each of which has to be whole.
fn count(path: &Path, lines: &mut [u8], verdict: &mut Verdict) -> Result<(), BoxError> {
    let text = fs::read_to_string(path)?;
    verdict.require(text.is_empty() || text.ends_with('\n'), || "the last line is torn".to_owned());
    for line in text.lines() {
        let Ok(whole) = serde_json::from_str::<Value>(line) else {
            verdict.require(false, || format!("torn: {line}"));
            continue;
        };
        let number = whole["fields"]["number"].as_u64().and_then(|it| usize::try_from(it).ok());
        if let Some(times) = number.and_then(|number| lines.get_mut(number)) {
            *times = times.saturating_add(1);
        }
    }
    Ok(())
}
