//! Mistakes that are known, and whether the tortures find them.

use futures_util::{StreamExt as _, stream};
use tokio::time::Instant;

use crate::{
    BoxError,
    suite::{Setting, Torture},
};

/// How many are looked for at a time: most of the time is waited.
const AT_ONCE: usize = 3;

/// A mistake that is known. Process managers and servers that people use make it.
struct Mistake {
    name: &'static str,
    what: &'static str,
    /// Which torture has to find it.
    id: &'static str,
    /// What that has to say: a torture that fails for another reason has found nothing.
    fault: &'static str,
}

const PLANTED: &[Mistake] = &[
    Mistake {
        name: "no-lame-duck",
        what: "idle connections are closed at once, and no response asks its client to leave",
        id: "R9",
        fault: "EofBeforeResponse on an established connection",
    },
    Mistake {
        name: "unbounded-drain",
        what: "what is in flight is waited for without an end",
        id: "R10",
        fault: "the request of 60000 ms was cut after",
    },
    Mistake {
        name: "waits-for-nobody",
        what: "the time to drain is waited for with nobody connected",
        id: "R11",
        fault: "it still ran after",
    },
    Mistake {
        name: "no-goodbye",
        what: "WebSockets are cut without a word",
        id: "R12",
        fault: "sockets got 1012",
    },
    Mistake {
        name: "deaf-to-impatience",
        what: "a second signal to stop is ignored",
        id: "R13",
        fault: "after the second signal",
    },
    Mistake {
        name: "deaf-while-starting",
        what: "a signal to stop that comes before it is ready is lost",
        id: "R14",
        fault: "it still ran after",
    },
    Mistake {
        name: "hangs-up",
        what: "connections of HTTP/2 are closed with their streams open",
        id: "R15",
        fault: "ended as Lost",
    },
    Mistake {
        name: "ready-to-the-end",
        what: "readiness does not fall when it stops",
        id: "R16",
        fault: "readyz was 503 after None",
    },
    Mistake {
        name: "stops-first",
        what: "a worker that is to be replaced is stopped before the new one is ready",
        id: "R1",
        fault: "of 2 workers served at a time",
    },
    Mistake {
        name: "blind-succession",
        what: "a new process is taken to be ready as soon as it has started",
        id: "R3",
        fault: "`upgrade` to a binary that is",
    },
    Mistake {
        name: "own-sockets",
        what: "each worker binds a socket of its own, which ends with it",
        id: "R4",
        fault: "a connection that nobody had accepted was lost",
    },
    Mistake {
        name: "keeps-no-sockets",
        what: "sockets are not left with the service manager",
        id: "R5",
        fault: "sockets are kept",
    },
    Mistake {
        name: "spares-the-silent",
        what: "a worker that was replaced because it was silent is not ended",
        id: "R6",
        fault: "it lives on after it was replaced",
    },
    Mistake {
        name: "heart-apart",
        what: "signs of life come from a thread that nothing blocks",
        id: "R7",
        fault: "who is stuck was not replaced",
    },
    Mistake {
        name: "no-lending",
        what: "nobody accepts for a slot that has no worker",
        id: "R8",
        fault: "that came to 2 workers were not served",
    },
    Mistake {
        name: "never-recycles",
        what: "workers live for ever",
        id: "M4R",
        fault: "workers recycled",
    },
    Mistake {
        name: "one-socket-more",
        what: "one worker accepts from two sockets",
        id: "SPREAD",
        fault: "the spread is",
    },
    Mistake {
        name: "never-gives-up",
        what: "workers that never start are tried for ever",
        id: "S1",
        fault: "it still ran after",
    },
    Mistake {
        name: "restarts-at-once",
        what: "workers that end are started again without a pause",
        id: "S2",
        fault: "restarts",
    },
    Mistake {
        name: "blind-rolls",
        what: "a new worker is taken to be ready as soon as it has started",
        id: "S3",
        fault: "a roll to workers that",
    },
    Mistake {
        name: "keeps-the-dead",
        what: "handles of workers that have ended are kept",
        id: "S5",
        fault: "files are open",
    },
    Mistake {
        name: "no-pause",
        what: "reloads follow each other without a pause",
        id: "C1",
        fault: "a cluster was reloaded",
    },
    Mistake {
        name: "each-for-itself",
        what: "a worker reads the configuration again when it is told to, whatever the others read",
        id: "C1",
        fault: "took this alone",
    },
    Mistake {
        name: "passes-over-the-unknown",
        what: "sections that nobody knows are passed over",
        id: "C2",
        fault: "an unknown section was not rejected",
    },
    Mistake {
        name: "swap-before-veto",
        what: "a module uses a new value while others may still refuse the change",
        id: "C3",
        fault: "a response saw",
    },
    Mistake {
        name: "changes-in-vain",
        what: "what only a restart can change is taken for changed",
        id: "C4",
        fault: "another address was not refused",
    },
    Mistake {
        name: "forgets-while-busy",
        what: "what asks for a reload during one is forgotten",
        id: "C5",
        fault: "is not in force",
    },
    Mistake {
        name: "trusts-numbers",
        what: "a PID file is taken to be free if no process has the number in it",
        id: "P1",
        fault: "holds the file, which says",
    },
    Mistake {
        name: "lets-go",
        what: "the lock of a PID file is lost when any descriptor of it is closed",
        id: "P2",
        fault: "times two held the place",
    },
    Mistake {
        name: "inherited-lock",
        what: "workers inherit the lock of their primary",
        id: "P3",
        fault: "does not start after a kill",
    },
    Mistake {
        name: "takes-live-sockets",
        what: "the file of a socket is replaced though somebody listens there",
        id: "P4",
        fault: "is in use, and it still ran after",
    },
    Mistake {
        name: "truncates-first",
        what: "a PID file is emptied before its new number is written",
        id: "P5",
        fault: "the file was",
    },
    Mistake {
        name: "needs-a-directory",
        what: "a working directory is needed, whatever it is needed for",
        id: "P6",
        fault: "without a directory it does not start",
    },
    Mistake {
        name: "leaves-at-once",
        what: "whoever starts a daemon leaves before it is ready",
        id: "P7",
        fault: "exit status: 0, and not",
    },
    Mistake {
        name: "reopens-alone",
        what: "only the primary opens its log again",
        id: "P8",
        fault: "bytes came late to",
    },
    Mistake {
        name: "takes-all-files",
        what: "connections are accepted for as long as there are files",
        id: "P9",
        fault: "livez answered",
    },
    Mistake {
        name: "patient-heads",
        what: "a head may take as long as its client likes",
        id: "H1",
        fault: "clients closed",
    },
    Mistake {
        name: "patient-bodies",
        what: "a body may take as long as its client likes",
        id: "H2",
        fault: "slow senders cut",
    },
    Mistake {
        name: "patient-silence",
        what: "a client may say nothing for as long as it likes",
        id: "H3",
        fault: "clients closed",
    },
    Mistake {
        name: "counts-the-dead",
        what: "connections that end with an error are not counted out",
        id: "H4",
        fault: "something is left of what was reset",
    },
    Mistake {
        name: "passes-over-nonsense",
        what: "what another process says and makes no sense is passed over",
        id: "I1",
        fault: "who talked nonsense",
    },
    Mistake {
        name: "keeps-callers-waiting",
        what: "calls are not told that the other process is gone",
        id: "I2",
        fault: "who waits for an answer is not told",
    },
    Mistake {
        name: "one-lane",
        what: "signs of life wait behind everything else",
        id: "I3",
        fault: "signs of life were kept from going out",
    },
    Mistake {
        name: "trusts-versions",
        what: "processes of other versions are spoken to",
        id: "I5",
        fault: "of [\"--newer\"] it was",
    },
    Mistake {
        name: "leaves-orphans",
        what: "nobody waits for processes whose parents have ended",
        id: "INIT",
        fault: "nobody waits for the orphan",
    },
    Mistake {
        name: "old-certificates",
        what: "certificates are read once",
        id: "TLS",
        fault: "a new certificate was not taken",
    },
];

/// Prints what there is.
pub(crate) fn list() {
    for Mistake { name, what, id, .. } in PLANTED {
        anstream::println!("--planted {id}: {name}: {what}");
    }
}

/// Has each of these tortures look for the mistake that it has to find.
///
/// # Errors
///
/// Returns an error if one is not found.
pub(crate) async fn run(chosen: &[Torture], setting: Setting) -> Result<(), BoxError> {
    let began = Instant::now();
    let looking = PLANTED.iter().filter_map(|mistake| {
        let torture = chosen.iter().find(|torture| torture.id == mistake.id)?;
        Some(look(*torture, mistake, setting))
    });
    let mut looking = stream::iter(looking).buffer_unordered(AT_ONCE);
    let (mut looked_for, mut missed) = (0, Vec::new());
    while let Some((name, found)) = looking.next().await {
        looked_for += 1;
        if !found {
            missed.push(name);
        }
    }
    let took = began.elapsed().as_secs();
    if missed.is_empty() {
        anstream::println!("{looked_for} planted mistakes in {took} s: every one was found");
        return Ok(());
    }
    Err(format!("not found: {}", missed.join(", ")).into())
}

async fn look(torture: Torture, mistake: &Mistake, setting: Setting) -> (&'static str, bool) {
    let Mistake { name, what, id, fault } = mistake;
    let began = Instant::now();
    let verdict = torture.verdict(Setting { planted: Some(name), ..setting }).await;
    let (found, seconds) = (verdict.has_fault(fault), began.elapsed().as_secs_f64());
    let result = if found { "found" } else { "MISSED" };
    anstream::println!("{id:<8}{result:<8}{seconds:>6.1} s  {name}: {what}");
    if !found {
        anstream::println!("        - what it measured: {}", verdict.figures());
    }
    for fault in verdict.shown().filter(|_| !found) {
        anstream::println!("        - {fault}");
    }
    (name, found)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::suite::TORTURES;

    #[test]
    fn each_mistake_has_a_name_of_its_own_and_a_torture_that_has_to_find_it() {
        let names: BTreeSet<_> = PLANTED.iter().map(|mistake| mistake.name).collect();
        assert_eq!(names.len(), PLANTED.len());
        for Mistake { name, id, .. } in PLANTED {
            assert!(TORTURES.iter().any(|torture| torture.id == *id), "{name}: {id}");
        }
    }

    /// Those that have none have the one of another torture of the same promise.
    #[test]
    fn each_promise_has_a_mistake_that_shows_whether_it_is_watched() {
        let same = ["R3-ONE", "R9-TLS", "R9-HEIR"];
        for torture in TORTURES.iter().filter(|torture| !same.contains(&torture.id)) {
            let id = torture.id;
            assert!(PLANTED.iter().any(|mistake| mistake.id == id), "{id} has none");
        }
    }
}
