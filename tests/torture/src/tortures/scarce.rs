//! What every process takes for granted, and does not have.

use std::{
    fs::{self, read_link},
    os::unix::{fs::symlink, process::ExitStatusExt as _},
    path::Path,
    time::Duration,
};

use rustix::process::Signal;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use super::{cluster, rotation};
use crate::{
    BoxError,
    client::Dial,
    process::{Line, PID_FILE, Process, Program},
    suite::Setting,
    verdict::Verdict,
};

/// The exit code where the operating system refuses something.
const REFUSED: i32 = 71;

/// How long anything may take that is not judged by that.
const LIMIT: Duration = Duration::from_secs(20);

/// How soon whoever cannot start has to have given up.
const GIVES_UP: Duration = Duration::from_secs(2);

/// How soon the log has to be written again when there is space.
const RECOVERED: Duration = Duration::from_secs(2);

/// How many lines are lost on purpose.
const LINES: u64 = 200;

/// P5: a disk that is full: for the PID file, and for the log.
pub(crate) async fn space(setting: Setting) -> Result<Verdict, BoxError> {
    let (mut verdict, rounds) = (Verdict::default(), setting.times_among(10, 2, 100));
    let mut done = 0;
    for _ in 0..rounds {
        for workers in [None, Some(2)] {
            no_room_for_the_pid(&mut verdict, setting, workers).await?;
            done += 1;
        }
        no_room_for_the_log(&mut verdict, setting).await?;
        done += 1;
    }
    verdict.injected("full disks", 3 * rounds, done);
    Ok(verdict)
}

fn program(setting: Setting, workers: Option<usize>) -> Result<Program, BoxError> {
    let program = setting.program("target")?.alone();
    Ok(if workers.is_some() { program.cluster(workers) } else { program })
}

async fn no_room_for_the_pid(
    verdict: &mut Verdict,
    setting: Setting,
    workers: Option<usize>,
) -> Result<(), BoxError> {
    // Whoever has started this program may ignore the signal that comes with the error.
    let full = "ulimit -f 0 && exec env --default-signal=XFSZ \"$0\" \"$@\"";
    let program = program(setting, workers)?.after(full);
    let path = program.place().path().join(PID_FILE);
    for old in ["", "4711\n"] {
        fs::write(&path, old)?;
        let ended = program.clone().spawn()?.ended(LIMIT).await?;
        let named = ended.log.find(PID_FILE).is_some_and(|line| line.text.starts_with("error["));
        verdict.require(ended.code() == Some(REFUSED) && named, || {
            format!("no room for a pid: {}\n{}", ended.status, ended.log.last_words())
        });
        let now = fs::read_to_string(&path)?;
        verdict.require(now == old, || format!("the file was {old:?}, and is {now:?}"));
    }
    Ok(())
}

async fn no_room_for_the_log(verdict: &mut Verdict, setting: Setting) -> Result<(), BoxError> {
    let program = program(setting, None)?;
    let file = program.place().path().join("app.log");
    symlink("/dev/full", &file)?;
    let process = rotation::logging(program, "app.log", 0).await?;
    let (dial, operator) = (process.dial(), process.operator().clone());
    answers(&dial).await?;
    let before = operator.lost_lines().await?;
    for _ in 0..10 {
        let logged = rotation::logged(&dial, 0, LINES / 10).await;
        verdict.require(logged.is_ok(), || format!("with no room for its log: {logged:?}"));
    }
    let lost = operator.lost_lines().await? - before;
    verdict.require(lost == LINES, || format!("{LINES} lines were lost, and {lost} counted"));

    fs::remove_file(&file)?;
    let began = process.signal(Signal::USR2)?;
    let mut written = 0;
    while written < 5 && began.elapsed() < RECOVERED {
        let logged = rotation::logged(&dial, 0, 5).await;
        verdict.require(logged.is_ok(), || format!("with room for its log: {logged:?}"));
        let text = fs::read_to_string(&file).unwrap_or_default();
        written = text.lines().filter(|line| line.contains("\"number\"")).count();
    }
    verdict.require(written >= 5, || format!("only {written} lines in {RECOVERED:?}"));
    let counted = operator.lost_lines().await?;
    let ended = process.stop().await?;
    let said = format!("{counted} lines of the log could not be written");
    verdict.require(ended.log.find(&said).is_some(), || {
        format!("it does not say in the end that {said}:\n{}", ended.log.last_words())
    });
    Ok(())
}

/// Waits until something answers that cannot say that it is ready.
async fn answers(dial: &Dial) -> Result<(), BoxError> {
    let give_up = Instant::now() + LIMIT;
    while dial.get("/").await.is_err() {
        if Instant::now() > give_up {
            return Err("it does not answer".into());
        }
        sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// P6: no working directory, no standard streams, few files, and places that nobody can write to.
pub(crate) async fn ground(setting: Setting) -> Result<Verdict, BoxError> {
    let (mut verdict, rounds) = (Verdict::default(), setting.times_among(10, 2, 100));
    let mut done = 0;
    for _ in 0..rounds {
        no_directory(&mut verdict, setting).await?;
        if !verdict.is_good() {
            return Ok(verdict);
        }
        for workers in [None, Some(2)] {
            no_streams(&mut verdict, setting, workers).await?;
            few_files(&mut verdict, setting, workers).await?;
            read_only(&mut verdict, setting, workers).await?;
        }
        done += 7;
    }
    verdict.injected("starts with something missing", 7 * rounds, done);
    Ok(verdict)
}

/// Who asks for nothing in the directory is served without one; who does is told.
async fn no_directory(verdict: &mut Verdict, setting: Setting) -> Result<(), BoxError> {
    let gone = "mkdir gone && cd gone && rmdir ../gone";
    let process = match setting.program("target")?.after(gone).start().await {
        Ok(process) => process,
        Err(error) => {
            verdict.require(false, || format!("without a directory it does not start: {error}"));
            return Ok(());
        }
    };
    serves(verdict, process, "without a working directory", 4).await?;

    let ended = program(setting, None)?.after(gone).spawn()?.ended(LIMIT).await?;
    let named = ended.log.find(PID_FILE).is_some_and(|line| line.text.starts_with("error["));
    verdict.require(ended.code() == Some(REFUSED) && named, || {
        format!("a PID file nowhere: {}\n{}", ended.status, ended.log.last_words())
    });
    Ok(())
}

/// Whatever it writes there must not go to what was opened in their place.
async fn no_streams(
    verdict: &mut Verdict,
    setting: Setting,
    workers: Option<usize>,
) -> Result<(), BoxError> {
    let program = program(setting, workers)?.after("exec 0<&- 1>&- 2>&-");
    let process = rotation::logging(program, "app.log", workers.unwrap_or(0)).await?;
    answers(&process.dial()).await?;
    for pid in process.place().processes() {
        for stream in 0..3 {
            let is = read_link(format!("/proc/{pid}/fd/{stream}"));
            let null = is.as_ref().is_ok_and(|is| is == Path::new("/dev/null"));
            verdict.require(null, || format!("stream {stream} of {workers:?} is {is:?}"));
        }
    }
    serves(verdict, process, "without standard streams", 4).await
}

async fn few_files(
    verdict: &mut Verdict,
    setting: Setting,
    workers: Option<usize>,
) -> Result<(), BoxError> {
    let process = program(setting, workers)?.open_files(64).start().await?;
    serves(verdict, process, "with 64 files", 16).await?;
    for limit in [6, 8, 12, 16, 18, 20, 22, 24] {
        let mut process = program(setting, workers)?.open_files(limit).spawn()?;
        let ready = |line: &Line| line.text.contains("\"addresses\":") && !line.is_of_a_worker();
        let told = |line: &Line| line.text.contains("Too many open files");
        let (log, what) = (process.log().clone(), "that it is ready, or why not");
        let runs = log.until_some(0, |line| ready(line) || told(line), what).await?;
        // A cluster of which one worker serves goes on, and tries again.
        let by_itself = told(&runs) && timeout(GIVES_UP, process.exit()).await.is_ok();
        if !by_itself {
            process.signal(Signal::TERM)?;
        }
        let ended = process.ended(LIMIT).await?;
        let by_signal = ended.status.signal() == Some(Signal::TERM.as_raw());
        let ends = match ended.code() {
            Some(REFUSED) => told(&runs),
            Some(code) => !by_itself && code == 0,
            None => !by_itself && told(&runs) && by_signal,
        };
        verdict.require(ends, || {
            let words = ended.log.last_words();
            format!("{limit} files for {workers:?}: {}\n{words}", ended.status)
        });
    }
    Ok(())
}

/// Nobody makes files there, not even root.
async fn read_only(
    verdict: &mut Verdict,
    setting: Setting,
    workers: Option<usize>,
) -> Result<(), BoxError> {
    let cluster = |program: Program| match workers {
        Some(_) => program.cluster(workers),
        None => program,
    };
    let pid = setting.program("target")?.argument("--pid-file").argument("/proc/app.pid");
    let log = setting.program("target")?.set("telemetry.log.file", "/proc/app.log");
    for (program, path) in [(pid, "/proc/app.pid"), (log, "/proc/app.log")] {
        let ended = cluster(program).spawn()?.ended(LIMIT).await?;
        let named = ended.log.find(path).is_some();
        verdict.require(ended.code() == Some(REFUSED) && named, || {
            format!("{path}: {}\n{}", ended.status, ended.log.last_words())
        });
    }
    Ok(())
}

/// Requires that clients are answered, and that it ends in order.
async fn serves(
    verdict: &mut Verdict,
    process: Process,
    how: &str,
    clients: usize,
) -> Result<(), BoxError> {
    let mut asked = JoinSet::new();
    for _ in 0..clients {
        let dial = process.dial();
        asked.spawn(async move { dial.get("/").await.map(|answer| answer.status) });
    }
    for answer in asked.join_all().await {
        verdict.require(answer == Ok(200), || format!("{how} it answers {answer:?}"));
    }
    cluster::stop(process, verdict).await
}
