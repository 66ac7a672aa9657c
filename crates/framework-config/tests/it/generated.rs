//! Ten thousand documents that a tired person or a broken tool may leave behind: the loader takes
//! each or refuses it with its place, and never panics.

use std::{fs, path::Path};

use framework_config::{ConfigHandle, LiveConfig, Sources};

use crate::settings::{DbSettings, HttpSettings};

/// How many documents.
const DOCUMENTS: u64 = 10_000;

/// Numbers that look random and are the same in every run (`SplitMix64`).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut n = self.0;
        n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        n ^ (n >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).unwrap()
    }

    fn pick<'c>(&mut self, choices: &[&'c str]) -> &'c str {
        choices[self.below(choices.len())]
    }
}

const GOOD: [(&str, &str); 3] = [
    (
        "a.toml",
        "[http]\naddr = \"127.0.0.1:80\"\ntimeout = \"5s\"\n[db]\nurl = \"x\" # why\nlog = 'quiet'\nreplicas = [\"a\", \"b\"]\npool = { min = 1, max = 5 }\npassword = \"${env:TOKEN}\"\n",
    ),
    (
        "a.yaml",
        "http:\n  addr: \"127.0.0.1:80\"\n  timeout: 5s\ndb: &db\n  url: x # why\n  log: quiet\n  replicas: [a, b]\n  pool: {min: 1, max: 5}\n  password: ${env:TOKEN}\n",
    ),
    (
        "a.json",
        "{\"http\": {\"addr\": \"127.0.0.1:80\", \"timeout\": \"5s\"}, \"db\": {\"url\": \"x\", \"log\": \"quiet\", \"replicas\": [\"a\", \"b\"], \"pool\": {\"min\": 1, \"max\": 5}, \"password\": \"${env:TOKEN}\"}}",
    ),
];

const PIECES: [&str; 44] = [
    "[",
    "]",
    "{",
    "}",
    "[[",
    "]]",
    "\"",
    "'",
    "\"\"\"",
    "'''",
    ":",
    "=",
    ",",
    "#",
    "\n",
    "\r",
    "\t",
    " ",
    "-",
    "- ",
    "&a ",
    "*a",
    "*db",
    "!!int ",
    "<<: ",
    "|\n",
    ">\n",
    "---\n",
    "...\n",
    "? ",
    "\\",
    "\\u12",
    "\0",
    "\u{feff}",
    "\u{202e}ü",
    "${",
    "${env:TOKEN}",
    "${env:GONE}",
    "${file:/nowhere}",
    "$${x}",
    "null",
    "1e999",
    "-0x1",
    "999999999999999999999999999999999999999999",
];

/// A good document with some damage done to it.
fn damaged(numbers: &mut Numbers) -> (&'static str, Vec<u8>) {
    let (name, good) = GOOD[numbers.below(3)];
    let mut bytes = good.as_bytes().to_vec();
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(bytes.len() + 1);
        match numbers.below(12) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..(at + numbers.below(12)).min(bytes.len()))),
            2 => bytes.insert(at, u8::try_from(numbers.below(256)).unwrap()),
            3 => {
                let part: Vec<u8> = bytes[at..(at + numbers.below(40)).min(bytes.len())].to_vec();
                bytes.splice(at..at, part);
            }
            4 => {
                let (open, close) =
                    [("[", "]"), ("{a: ", "}"), ("{\"a\":", "}"), ("{a=", "}")][numbers.below(4)];
                let levels = numbers.below(200);
                let deep = format!("{}1{}", open.repeat(levels), close.repeat(levels));
                bytes.splice(at..at, deep.into_bytes());
            }
            5 => bytes.extend_from_slice(good.as_bytes()),
            _ => {
                let piece = numbers.pick(&PIECES);
                bytes.splice(at..at, piece.bytes());
            }
        }
    }
    (name, bytes)
}

/// Whether the document is taken; if not, each fault names its place.
fn check(handle: &ConfigHandle, directory: &Path, name: &str, bytes: &[u8]) -> bool {
    let path = directory.join(name);
    fs::write(&path, bytes).unwrap();
    let sources = Sources::none().env([("TOKEN", "t")]).file(&path);
    let Err(error) = handle.try_sources(&sources) else { return true };
    assert!(!error.faults().is_empty());
    let shown = path.display().to_string();
    for fault in error.faults() {
        // `default` is the place of what is missing.
        let known = fault.origin().starts_with(&shown) || fault.origin() == "default";
        assert!(known, "{fault:?} in {:?}", String::from_utf8_lossy(bytes));
        if fault.key().is_empty() && !fault.what().contains("must hold a table") {
            let place = fault.origin().strip_prefix(&shown).unwrap_or_default();
            let mut numbers = place.split(':').skip(1).map(str::parse::<usize>);
            let (line, column) = (numbers.next(), numbers.next());
            assert!(
                matches!((line, column), (Some(Ok(1..)), Some(Ok(1..)))),
                "{fault:?} in {:?}",
                String::from_utf8_lossy(bytes)
            );
        }
    }
    false
}

#[test]
fn ten_thousand_damaged_documents_are_taken_or_refused_with_their_place() {
    let directory = tempfile::tempdir().unwrap();
    let mut numbers = Numbers(20_261_121);
    let mut config = LiveConfig::new(Sources::none());
    let _ = (config.section::<HttpSettings>("http"), config.section::<DbSettings>("db"));
    let handle = config.load().unwrap();
    let mut taken = 0;
    for _ in 0..DOCUMENTS {
        let (name, bytes) = damaged(&mut numbers);
        taken += u64::from(check(&handle, directory.path(), name, &bytes));
    }
    // The damage is neither always fatal nor never.
    assert!((100..DOCUMENTS / 2).contains(&taken), "{taken} of {DOCUMENTS} were taken");
}

#[test]
fn a_document_that_is_too_large_is_refused_in_every_format() {
    let directory = tempfile::tempdir().unwrap();
    for (name, good) in GOOD {
        let path = directory.path().join(name);
        let filler = " ".repeat((1 << 20) - good.len());
        fs::write(&path, format!("{good}{filler}")).unwrap();
        Sources::none().env([("TOKEN", "t")]).file(&path).load().unwrap();
        fs::write(&path, format!("{good}{filler} ")).unwrap();
        let error = Sources::none().file(&path).load().unwrap_err();
        assert!(error.to_string().contains("larger than 1 MiB"), "{error}");
    }
}

#[test]
fn files_that_include_each_other_in_any_way_come_to_an_end() {
    let mut numbers = Numbers(7);
    for _ in 0..100 {
        let directory = tempfile::tempdir().unwrap();
        for n in 0..6 {
            let names: Vec<_> = (0..numbers.below(4))
                .map(|_| match numbers.below(8) {
                    0 => "\"*.toml\"".to_owned(),
                    1 => "\"gone.toml\"".to_owned(),
                    n => format!("\"{n}.toml\""),
                })
                .collect();
            let text = format!("include = [{}]\n[db]\nurl = \"{n}\"\n", names.join(", "));
            fs::write(directory.path().join(format!("{n}.toml")), text).unwrap();
        }
        let loaded = Sources::none().file(directory.path().join("0.toml")).load();
        if let Err(error) = loaded {
            assert!(
                error.faults().iter().all(|fault| fault.origin().contains(".toml:1:")),
                "{error}"
            );
        }
    }
}
