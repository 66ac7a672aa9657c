//! The verbs that speak to the running instance.

use std::{fmt::Write as _, io, path::PathBuf, time::Duration};

use clap::Args;
use framework_app::AppBuilder;
use framework_core::Issue;
use framework_process::{ControlClient, ControlError, ReloadHow, Request, RunFiles};
use serde_json::Value;

use crate::{Console, Exit, codes};

/// Which instance is meant.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct InstanceArgs {
    /// The PID file that the instance was started with; without it, the instance that was started
    /// in this directory
    #[arg(long, value_name = "FILE")]
    pub(crate) pid_file: Option<PathBuf>,
    /// Prints JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Asks the running instance of `app`, and prints its answer.
pub(crate) fn ask(
    app: &AppBuilder,
    args: &InstanceArgs,
    request: &Request,
    console: &mut Console<'_>,
) -> io::Result<Exit> {
    let name = app.name();
    let files = match RunFiles::of(name, args.pid_file.as_deref()) {
        Ok(files) => files,
        Err(error) => return Ok(refuse(name, &ControlError::from_files(error), console)),
    };
    let asked = ControlClient::connect(files.socket()).and_then(|client| {
        client.ask(request, |step| {
            if let Some(text) = step["step"].as_str()
                && !args.json
            {
                // Whoever closes the pipe still wants it done.
                let _ = console.print(&format!("  {text}\n"));
            }
        })
    });
    match asked {
        Ok(answer) if args.json => console.print(&format!("{answer:#}\n")).map(|()| Exit::Clean),
        Ok(answer) => console.print(&text(name, request, &answer)).map(|()| outcome(&answer)),
        Err(error) => Ok(refuse(name, &error, console)),
    }
}

/// What the end of a stopped instance was is the end of whoever stopped it.
fn outcome(answer: &Value) -> Exit {
    match answer["exit"].as_u64() {
        Some(code) if code == u64::from(Exit::Cut.code()) => Exit::Cut,
        Some(code) if code != 0 => Exit::Internal,
        _ => Exit::Clean,
    }
}

fn refuse(name: &str, error: &ControlError, console: &mut Console<'_>) -> Exit {
    let (issue, exit) = match error {
        ControlError::NotRunning { path, .. } => {
            let summary = format!("no `{name}` is running here");
            let issue = Issue::new(&codes::NOT_RUNNING, summary)
                .evidence(format!("nobody listens at {}", path.display()))
                .help("ask in the directory where it was started, or name its `--pid-file`");
            (issue, Exit::Unavailable)
        }
        ControlError::Refused(refused) => {
            let issue = Issue::new(&codes::REFUSED, format!("`{name}` refuses"));
            (issue.evidence(&refused.message), Exit::from_code(refused.exit))
        }
        other => {
            let issue = Issue::new(&codes::NO_ANSWER, format!("`{name}` does not answer"));
            (issue.evidence(framework_core::Chain(other).to_string()), Exit::OperatingSystem)
        }
    };
    console.complain(&issue.to_string());
    exit
}

fn text(name: &str, request: &Request, answer: &Value) -> String {
    match request {
        Request::Status => status(answer),
        Request::Stop => format!("ok: {name} has stopped\n"),
        Request::Reload { how } => reload(answer, *how == ReloadHow::DryRun),
        Request::Dump => match answer["file"].as_str() {
            Some(file) => format!("{file}\n"),
            None => "ok: a dump was written less than a second ago\n".to_owned(),
        },
        Request::Restart | Request::Upgrade => match answer["workers"].as_u64() {
            Some(workers) => {
                let generation = &answer["generation"];
                format!("ok: {workers} workers of generation {generation} serve\n")
            }
            None => format!("ok: {name} serves as process {}\n", answer["pid"]),
        },
        Request::LogsLevel { .. } => format!("{}\n", answer["level"].as_str().unwrap_or("-")),
        _ => format!("ok: {name}\n"),
    }
}

fn status(status: &Value) -> String {
    let text = |key: &str| status[key].as_str().unwrap_or_default().to_owned();
    let mut title = text("app");
    if !text("version").is_empty() {
        let _ = write!(title, " {}", text("version"));
    }
    let phase = match text("phase").as_str() {
        "ready" => "is running".to_owned(),
        other => format!("is {other}"),
    };
    let uptime = Duration::from_secs_f64(status["uptime_seconds"].as_f64().unwrap_or_default());
    let mut rows = vec![
        ("process", format!("{}, up {}", status["pid"], span(uptime))),
        ("health", text("health")),
    ];
    if let Some(bytes) = status["rss_bytes"].as_f64() {
        rows.push(("memory", format!("{:.1} MiB", bytes / f64::from(1 << 20))));
    }
    for address in status["addresses"].as_array().into_iter().flatten() {
        let (module, url) =
            address.as_str().unwrap_or_default().split_once('=').unwrap_or_default();
        rows.push(("listens", format!("{url}  ({module})")));
    }
    rows.push(("profile", text("profile")));
    rows.push(("config", config(status)));
    rows.push(("modules", modules(status)));
    if let Some(level) = status["log_level"].as_str() {
        rows.push(("log", level.to_owned()));
    }
    let mut table = format!("{title} {phase}\n\n");
    for (name, value) in rows {
        let _ = writeln!(table, "  {name:<9} {value}");
    }
    if let Some(cluster) = status.get("cluster") {
        table.push_str(&workers(cluster));
    }
    table
}

/// A line for each worker.
fn workers(cluster: &Value) -> String {
    let mut about = format!("generation {}", cluster["generation"]);
    if cluster["rolling"] == true {
        about.push_str(", being replaced");
    }
    if cluster["degraded"] == true {
        about.push_str(", degraded: workers end too often");
    }
    let mut lines = vec![
        [
            "slot", "process", "state", "health", "gen", "up", "restarts", "requests", "memory",
            "heard",
        ]
        .map(str::to_owned),
    ];
    lines.extend(cluster["workers"].as_array().into_iter().flatten().map(worker));
    let mut widths = [0; 10];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut table = format!("\n  workers   {}, {about}\n\n", cluster["workers_wanted"]);
    for line in lines {
        let cells: Vec<_> =
            line.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        let _ = writeln!(table, "    {}", cells.join("  ").trim_end());
    }
    table
}

fn worker(worker: &Value) -> [String; 10] {
    let plain = |key: &str| match &worker[key] {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let seconds = worker["uptime_seconds"].as_u64();
    let bytes = worker["rss"].as_f64().filter(|bytes| *bytes > 0.0);
    let heard = worker["heartbeat_age_ms"].as_f64();
    [
        plain("slot"),
        plain("pid"),
        plain("state"),
        plain("health"),
        plain("generation"),
        seconds.map_or("-".to_owned(), |seconds| span(Duration::from_secs(seconds))),
        plain("restarts"),
        plain("requests"),
        bytes.map_or("-".to_owned(), |bytes| format!("{:.1} MiB", bytes / f64::from(1 << 20))),
        heard.map_or("-".to_owned(), |millis| format!("{:.1} s ago", millis / 1000.0)),
    ]
}

fn config(status: &Value) -> String {
    let last = &status["last_reload"];
    match (status["reloads"].as_u64(), last["outcome"].as_str()) {
        (Some(count), Some(outcome)) => {
            let times =
                if count == 1 { "one reload".to_owned() } else { format!("{count} reloads") };
            format!("{times}, the last one {outcome}")
        }
        _ => "as at the start".to_owned(),
    }
}

fn modules(status: &Value) -> String {
    let all = status["modules"].as_array().map(Vec::as_slice).unwrap_or_default();
    let others: Vec<_> = all
        .iter()
        .filter(|module| module["state"] != "running")
        .map(|module| format!("{} {}", text_of(&module["name"]), text_of(&module["state"])))
        .collect();
    let running = all.len() - others.len();
    if others.is_empty() {
        return format!("{running} running");
    }
    format!("{running} running, {}", others.join(", "))
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn reload(record: &Value, dry_run: bool) -> String {
    let changes = record["changes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut text = match record["outcome"].as_str().unwrap_or_default() {
        "applied" => "ok: the new configuration is in force\n".to_owned(),
        "unchanged" => "ok: nothing has changed\n".to_owned(),
        "acceptable" if changes.is_empty() => "ok: nothing would change\n".to_owned(),
        "acceptable" => "ok: the new configuration would be taken\n".to_owned(),
        other => format!("ok: {other}\n"),
    };
    for change in changes {
        let value = |key: &str| match &change[key] {
            Value::Null => "(none)".to_owned(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let _ =
            writeln!(text, "  {}: {} -> {}", text_of(&change["key"]), value("old"), value("new"));
    }
    for change in record["pending_restart"].as_array().into_iter().flatten() {
        let verb = if dry_run { "would wait" } else { "waits" };
        let _ = writeln!(text, "  {}: {verb} for the next start", text_of(&change["key"]));
    }
    text
}

/// A time as people say it: `42 s`, `3 min 12 s`, `2 h 5 min`, `4 d 3 h`.
fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{minutes} min {} s", seconds % 60),
        3600..86_400 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_status_says_first_what_an_operator_wants_to_know() {
        let answer = json!({
            "app": "shop", "version": "1.4.0", "profile": "production", "pid": 4242,
            "uptime_seconds": 192.4, "phase": "ready", "health": "healthy",
            "addresses": ["admin=http://127.0.0.1:9090", "http=http://0.0.0.0:8080"],
            "modules": [
                {"name": "data", "state": "running"}, {"name": "orders", "state": "failed"},
            ],
            "reloads": 2, "last_reload": {"outcome": "applied"},
            "rss_bytes": 13_000_000, "log_level": "info",
        });
        assert_eq!(
            status(&answer),
            "\
shop 1.4.0 is running

  process   4242, up 3 min 12 s
  health    healthy
  memory    12.4 MiB
  listens   http://127.0.0.1:9090  (admin)
  listens   http://0.0.0.0:8080  (http)
  profile   production
  config    2 reloads, the last one applied
  modules   1 running, orders failed
  log       info
"
        );
    }

    #[test]
    fn a_time_is_said_as_people_say_it() {
        let said = |seconds| span(Duration::from_secs(seconds));
        assert_eq!(said(59), "59 s");
        assert_eq!(said(61), "1 min 1 s");
        assert_eq!(said(7500), "2 h 5 min");
        assert_eq!(said(356_400), "4 d 3 h");
    }

    #[test]
    fn a_reload_shows_what_is_different_now() {
        let record = json!({
            "outcome": "applied",
            "changes": [{"key": "pool.size", "old": 4, "new": 8}],
            "pending_restart": [{"key": "http.addr"}],
        });
        assert_eq!(
            reload(&record, false),
            "ok: the new configuration is in force\n  pool.size: 4 -> 8\n  \
             http.addr: waits for the next start\n"
        );
        let same = json!({"outcome": "unchanged", "changes": []});
        assert_eq!(reload(&same, false), "ok: nothing has changed\n");
    }
}
