use std::{fmt::Write as _, fs, hint::black_box, path::Path};

use arc_swap::ArcSwap;
use framework_config::{Changes, Config, ConfigHandle, LiveConfig, Settings, Sources};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::{task::JoinSet, time::Instant};

use crate::measure::{Row, median, millis, nanos_each};

const CALLS: u32 = 200_000;
const ROUNDS: usize = 41;
const RELOADS: usize = 31;

/// A section of ten keys, of which the application has fifty.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct TenSettings {
    a: u32,
    b: u32,
    c: u32,
    d: u32,
    e: String,
    f: String,
    g: String,
    h: bool,
    i: bool,
    j: f64,
}

impl Settings for TenSettings {}

const SECTIONS: usize = 50;

/// What reading a section costs, and what a reload takes until the last of all watchers knows.
pub(crate) fn run() -> Vec<Row> {
    let directory = std::env::temp_dir().join(format!("framework-bench-{}", std::process::id()));
    fs::create_dir_all(&directory).expect("the machine has room for files");
    let path = directory.join("app.toml");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_time()
        .build()
        .expect("the machine has threads left");
    let reload = runtime.block_on(reload(&path));
    // What is left behind are a few kilobytes of a directory for such things.
    let _ = fs::remove_dir_all(&directory);
    let mut rows = read();
    rows.push(Row {
        what: "reload of 500 keys with 50 watching modules, file event to the last, in ms"
            .to_owned(),
        measured: format!("{reload:.1}"),
        value: reload,
        at_most: 20.0,
    });
    rows
}

fn read() -> Vec<Row> {
    let mut live = LiveConfig::new(Sources::none().set("ten.a=1"));
    let config: Config<TenSettings> = live.section("ten");
    let _handle = live.load().expect("the configuration is right");
    let bare = ArcSwap::from_pointee(TenSettings { a: 1, ..TenSettings::default() });
    let (mut loads, mut refs, mut fulls, mut gets) = (vec![], vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        loads.push(nanos_each(CALLS, || _ = black_box(black_box(&bare).load().a)));
        refs.push(nanos_each(CALLS, || _ = black_box(black_box(&config).load().a)));
        fulls.push(nanos_each(CALLS, || _ = black_box(black_box(&bare).load_full().a)));
        gets.push(nanos_each(CALLS, || _ = black_box(black_box(&config).get().a)));
    }
    let (load, guard) = (median(loads), median(refs));
    let (full, get) = (median(fulls), median(gets));
    let row = |what: &str, ours: f64, theirs: f64| Row {
        what: what.to_owned(),
        measured: format!("{:.2} × ({ours:.1} ns)", ours / theirs),
        value: ours / theirs,
        at_most: 2.0,
    };
    vec![
        row("`Config::load`, beside `load` of a bare `ArcSwap`", guard, load),
        row("`Config::get`, beside `load_full` of a bare `ArcSwap`", get, full),
    ]
}

/// The middle of the times from when the file is known to have changed until every module has seen
/// its section change.
async fn reload(path: &Path) -> f64 {
    write(path, 0);
    let mut live = LiveConfig::new(Sources::none().file(path));
    let names = (0..SECTIONS).map(|n| &*Box::leak(format!("section_{n}").into_boxed_str()));
    let configs: Vec<Config<TenSettings>> = names.map(|name| live.section(name)).collect();
    let handle = live.load().expect("the configuration is right");
    let mut watchers: Vec<_> = configs.iter().map(Config::watch).collect();
    let mut times = Vec::new();
    for round in 1..=RELOADS {
        write(path, round);
        let (took, back) = one_reload(&handle, watchers).await;
        watchers = back;
        times.push(millis(took));
    }
    median(times)
}

async fn one_reload(
    handle: &ConfigHandle,
    watchers: Vec<Changes<TenSettings>>,
) -> (std::time::Duration, Vec<Changes<TenSettings>>) {
    let mut tasks: JoinSet<_> = watchers
        .into_iter()
        .map(|mut changes| async move {
            changes.next().await;
            (Instant::now(), changes)
        })
        .collect();
    let begun = Instant::now();
    let record = handle.reload().await;
    assert!(record.is_applied(), "{record:?}");
    let (mut last, mut watchers) = (begun, Vec::new());
    while let Some(done) = tasks.join_next().await {
        let (at, changes) = done.expect("no watcher panics");
        last = last.max(at);
        watchers.push(changes);
    }
    (last - begun, watchers)
}

fn write(path: &Path, round: usize) {
    let mut text = String::new();
    for section in 0..SECTIONS {
        let _ = write!(
            text,
            "[section_{section}]\na = {round}\nb = 2\nc = 3\nd = 4\ne = \"five\"\nf = \"six\"\n\
             g = \"seven\"\nh = true\ni = {}\nj = 0.5\n\n",
            round.is_multiple_of(2)
        );
    }
    fs::write(path, text).expect("the machine has room for files");
}
