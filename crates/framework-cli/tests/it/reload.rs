use std::time::Duration;

use framework_config::{ConfigExt as _, Prepared, Settings};
use framework_core::{Module, module_fn};
use rustix::process::Signal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::process::{Process, say};

const SOON: Duration = Duration::from_secs(2);

/// What the pool is like.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
struct PoolSettings {
    /// How many there are.
    size: u32,
    /// Where they are.
    place: String,
}

impl Settings for PoolSettings {
    fn restart_keys() -> &'static [&'static str] {
        &["place"]
    }
}

/// Says what its section becomes, and refuses what is too large.
pub(crate) fn pool() -> impl Module {
    module_fn("pool", |reg| {
        let settings = reg.config::<PoolSettings>("pool");
        reg.on_reload(&settings, |_cx, _old, new| async move {
            match new.size {
                0..100 => Ok(Prepared::nothing()),
                size => Err(format!("{size} do not fit in here").into()),
            }
        });
        reg.run("follow", move |cx| async move {
            let mut changes = settings.watch();
            Ok(async move {
                loop {
                    tokio::select! {
                        () = cx.shutdown() => return Ok(()),
                        changed = changes.next() => say(&format!("size {}", changed.new.size)),
                    }
                }
            })
        });
    })
}

#[test]
fn a_hangup_puts_into_force_what_is_right_and_tells_what_is_wrong() {
    let mut process = Process::start("pool", "--set config.watch=false");
    process.until("test is ready");
    for (text, told) in [
        ("[pool]\nsize = 5\n", "said: size 5"),
        ("[pool]\nsize = \"five\"\n", "config/app.toml:2:8"),
        ("[pool]\nsize = 500\n", "500 do not fit in here"),
        ("[pool]\nplace = \"b\"\n", "cannot change while the application runs: pool.place"),
        ("[pool]\nsize = 6\n", "said: size 6"),
    ] {
        process.write("config/app.toml", text);
        process.signal(Signal::HUP);
        process.until(told);
    }
    process.signal(Signal::TERM);
    assert_eq!(process.ends_within(SOON).0, 0);
}

#[test]
fn a_file_that_changes_is_followed_without_a_signal() {
    let mut process = Process::start("pool", "--set config.poll_interval=100ms");
    process.until("test is ready");
    for size in 1..4 {
        process.write("config/app.toml", &format!("[pool]\nsize = {size}\n"));
        process.until(&format!("said: size {size}"));
    }
    process.signal(Signal::TERM);
    assert_eq!(process.ends_within(SOON).0, 0);
}

#[test]
fn ten_thousand_hangups_and_wrong_files_leave_the_last_right_one_in_force() {
    let mut process = Process::start("pool", "--set config.watch=false");
    process.until("test is ready");
    process.write("config/app.toml", "[pool]\nsize = 1\n");
    process.signal(Signal::HUP);
    process.until("said: size 1");
    for n in 0..10_000 {
        if n % 20 == 0 {
            let text =
                if n % 40 == 0 { "[pool\n".to_owned() } else { format!("[pool]\nsiz = {n}\n") };
            process.write("config/app.toml", &text);
        }
        process.signal(Signal::HUP);
    }
    process.write("config/app.toml", "[pool]\nsize = 7\n");
    process.signal(Signal::HUP);
    let asked = Instant::now();
    process.until("said: size 7");
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    process.signal(Signal::TERM);
    let (code, said) = process.ends_within(SOON);
    assert_eq!(code, 0, "{said}");
    assert_eq!(said.matches("said: size").count(), 2, "{said}");
}
