//! Configurations that are wrong in every way that people and disks have come up with.

use std::{fs, time::Duration};

use futures_util::{StreamExt as _, stream};
use rand::{RngExt as _, rngs::StdRng};
use rustix::process::Signal;
use serde::Deserialize;
use tokio::time::Instant;

use crate::{
    BoxError,
    history::Record,
    load::{Expected, Plan, Rate},
    process::Process,
    suite::Setting,
    tortures::reload::flat,
    verdict::Verdict,
};

/// How many servers are fed at a time: each reads its files at most ten times a second.
const SERVERS: usize = 50;

/// What must still be in force at the end.
const SOUND: &str = "[left]\nnumber = 7\nwords = [\"a\", \"b\"]\n\n[right]\nnumber = 7\n";

/// How long one reload may take.
const RELOAD: f64 = 0.050;

/// What a file is called that has a sibling.
const OTHER: &str = "other.toml";

#[derive(Debug, Deserialize)]
struct Told {
    generation: u64,
    hash: u64,
    slowest_reload_seconds: f64,
}

struct Fed {
    verdict: Verdict,
    rejected: usize,
    slowest: f64,
    grown: u64,
    records: Vec<Record>,
    rate: Rate,
}

/// C2: ten thousand malformed configurations, each by SIGHUP to a server that serves.
pub(crate) async fn rejected(setting: Setting) -> Result<Verdict, BoxError> {
    let mut verdict = Verdict::default();
    let (servers, each) = (SERVERS, setting.times(200, 2000));
    let mut random = setting.random(32);
    let seeds: Vec<u64> = (0..servers).map(|_| random.random()).collect();
    let running = stream::iter(seeds).map(|seed| feed(setting, seed, each));
    let mut running = running.buffer_unordered(servers);
    let (mut rejected, mut slowest, mut grown) = (0, Vec::new(), 0);
    let (mut records, mut rates) = (Vec::new(), Vec::new());
    while let Some(fed) = running.next().await {
        let fed = fed?;
        verdict.absorb(fed.verdict);
        rejected += fed.rejected;
        slowest.push(fed.slowest);
        grown = grown.max(fed.grown);
        records.extend(fed.records);
        rates.push(fed.rate);
    }
    verdict.injected("configurations rejected", servers * each, rejected);
    verdict.figure(format_args!("{servers} servers"));
    verdict.nothing_lost(&records);
    slowest.sort_by(f64::total_cmp);
    let median = slowest.get(slowest.len() / 2).copied().unwrap_or_default();
    verdict.figure(format_args!("slowest reload of a server: median {:.0} ms", median * 1e3));
    flat(&mut verdict, 0, grown);
    let sum = |of: fn(&Rate) -> f64| rates.iter().map(of).sum();
    verdict.load(Rate { stated: sum(|rate| rate.stated), measured: sum(|rate| rate.measured) });
    alone(setting, &mut verdict).await?;
    Ok(verdict)
}

/// With the machine to itself, no reload takes long.
async fn alone(setting: Setting, verdict: &mut Verdict) -> Result<(), BoxError> {
    let fed = feed(setting, setting.seed, 50).await?;
    verdict.absorb(fed.verdict);
    verdict.figure(format_args!("slowest of 50 alone {:.0} ms", fed.slowest * 1e3));
    verdict.require(fed.slowest <= RELOAD, || format!("a reload took {:.3} s", fed.slowest));
    Ok(())
}

async fn feed(setting: Setting, seed: u64, each: usize) -> Result<Fed, BoxError> {
    let mut verdict = Verdict::default();
    let mut random = Setting { seed, ..setting }.random(2);
    let program = setting.program("target")?;
    program.place().configure(SOUND)?;
    let process = program.start().await?;
    let dial = process.dial();
    let expected = Expected::text("hello");
    let think = Duration::from_millis(1200);
    let plan = Plan {
        keep_alive: 1,
        connecting: 1,
        multiplexed: 0,
        think,
        think_connecting: think,
        at_once: 10,
        path: "/",
        expected,
        seed,
    };
    let load = plan.start(&dial);

    // What is done for the first time takes memory for good.
    for number in 0..20 {
        one(&process, number, &mut random).await?;
    }
    let before = told(&process).await?;
    let memory = process.memory()?;
    let mut rejected = 0;
    for number in 0..each {
        let (what, line) = one(&process, number, &mut random).await?;
        let stays = line.contains("the old configuration stays in force");
        rejected += usize::from(stays);
        verdict.require(stays, || format!("{what} was not rejected: {line}"));
        verdict.require(names_a_place(&line), || {
            format!("the rejection of {what} names no file and position: {line}")
        });
    }
    let (after, grown) = (told(&process).await?, process.memory()?.saturating_sub(memory));
    let same = (after.generation, after.hash) == (before.generation, before.hash);
    verdict.require(same, || format!("{before:?} became {after:?}"));
    let rate = load.rate();
    let records = load.stop().await.records();
    process.stop().await?;
    Ok(Fed { verdict, rejected, slowest: after.slowest_reload_seconds, grown, records, rate })
}

async fn told(process: &Process) -> Result<Told, BoxError> {
    let answer = process.dial().get("/configuration").await;
    Ok(serde_json::from_slice(&answer.map_err(|outcome| format!("{outcome:?}"))?.body)?)
}

/// Feeds one configuration, and says what it was and what the log said to it.
async fn one(
    process: &Process,
    number: usize,
    random: &mut StdRng,
) -> Result<(&'static str, String), BoxError> {
    let what = write(process, number, random)?;
    let (first, asked) = (process.log().len(), Instant::now());
    process.signal(Signal::HUP)?;
    let ends = [
        "the old configuration stays in force",
        "another configuration is in force",
        "the configuration is what it was",
    ];
    let line = process.log().until_any(first, &ends).await;
    let line = line.map_err(|error| format!("{what}, after {:?}: {error}", asked.elapsed()))?;
    Ok((what, line.text))
}

/// Whether a rejection says where to look: a file, and a line in it or what is wrong with the
/// whole of it.
fn names_a_place(line: &str) -> bool {
    let whole = ["limit", "too large", "larger than", "UTF-8", "cannot read", "includes itself"];
    ["app.toml", OTHER].iter().any(|file| {
        line.split(file).skip(1).any(|rest| {
            rest.strip_prefix(':')
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        })
    }) || (line.contains("app.toml") && whole.iter().any(|word| line.contains(word)))
}

/// Puts something malformed in place, and says what.
fn write(process: &Process, number: usize, random: &mut StdRng) -> Result<&'static str, BoxError> {
    let place = process.place();
    // Once for each server: as large as a file that somebody has mistaken for another.
    if number == 13 {
        let file = fs::File::create(place.path().join("huge.new"))?;
        file.set_len(100 << 20)?;
        fs::rename(place.path().join("huge.new"), place.config())?;
        return Ok("100 MiB");
    }
    let at = random.random_range(1..SOUND.len() - 1);
    let word = |random: &mut StdRng| -> String {
        (0..random.random_range(1..12)).map(|_| random.random_range('a'..='z')).collect()
    };
    let insert = |what: &[u8]| {
        let ends = SOUND[..at].rfind('\n').map_or(0, |end| end + 1);
        [&SOUND.as_bytes()[..ends], what, b"\n", &SOUND.as_bytes()[ends..]].concat()
    };
    let (what, text) = match random.random_range(0..14) {
        0 => ("a table that does not end", format!("{SOUND}[{}", word(random)).into_bytes()),
        1 => ("a string that does not end", insert(b"x = \"abc")),
        2 => {
            let wrong = ["\"many\"", "true", "[]", "{}", "1.5", "-1", "1979-05-27", "[1]"];
            let wrong = wrong[random.random_range(0..wrong.len())];
            ("a value of another type", format!("[left]\nnumber = {wrong}\n").into_bytes())
        }
        3 => {
            let depth = random.random_range(70..3000);
            let (open, close) = ("[".repeat(depth), "]".repeat(depth));
            ("nesting", format!("[left]\nwords = {open}{close}\n").into_bytes())
        }
        4 => {
            let digits = "9".repeat(random.random_range(20..4000));
            ("a huge number", format!("[left]\nnumber = {digits}\n").into_bytes())
        }
        5 => {
            let bytes = [random.random_range(0x80..=0xbf_u8), 0xff];
            ("no UTF-8", insert(&bytes))
        }
        6 => ("a NUL", insert(b"x = \"\0\"")),
        7 => ("a key twice", format!("{SOUND}number = 8\n").into_bytes()),
        8 => ("a table twice", format!("{SOUND}\n[left]\nnumber = 8\n").into_bytes()),
        9 => ("an unknown key", format!("{SOUND}{} = 1\n", word(random)).into_bytes()),
        10 => ("an unknown section", format!("{SOUND}\n[x{}]\na = 1\n", word(random)).into_bytes()),
        11 => {
            let other = format!("include = [\"{}\"]\n", "app.toml");
            fs::write(place.path().join("config").join(OTHER), other)?;
            ("an include that comes back", format!("include = [\"{OTHER}\"]\n{SOUND}").into_bytes())
        }
        12 => {
            let junk =
                ["= 1", "]", "[[[", "a.b. = 1", "1 = = 2", "{", "a = ", "a = 1 b = 2", "a = 08"];
            ("junk", insert(junk[random.random_range(0..junk.len())].as_bytes()))
        }
        _ => {
            // Whatever stood before is no end of a document.
            let cut = SOUND.rfind("words").map_or(1, |words| words + random.random_range(1..8));
            ("a file cut short", SOUND.as_bytes()[..cut].to_vec())
        }
    };
    place.configure(text)?;
    Ok(what)
}
