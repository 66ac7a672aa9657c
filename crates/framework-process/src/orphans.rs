use std::{
    collections::HashMap,
    fs, io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use framework_core::is_planted;
use rustix::process::{
    Pid, WaitId, WaitIdOptions, WaitOptions, child_subreaper, getpid, waitid, waitpid,
};

/// How often is looked for processes that have ended.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How many looks a process that has ended may stay for whoever has started it.
const LOOKS: u32 = 10;

/// Waits for processes that nobody else waits for.
///
/// The kernel gives a process whose parent has ended to the first process of a container, or to one
/// that asked for it (`PR_SET_CHILD_SUBREAPER`). An application that is one of those would
/// collect what is left of each, until there are no numbers for new processes any more.
///
/// A child of the application's own is left to whoever has started it for ten seconds after its end;
/// who asks for its exit code later than that is told that there is no such child.
#[derive(Debug)]
pub struct OrphanReaper {
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl OrphanReaper {
    /// Starts to wait, until this is dropped; `None` where other processes' children are given to
    /// somebody else.
    ///
    /// # Errors
    ///
    /// When there can be no further thread.
    pub fn start() -> io::Result<Option<Self>> {
        // A kernel that cannot say does not give them to this process either.
        let is_given_them = getpid() == Pid::INIT || matches!(child_subreaper(), Ok(Some(_)));
        let looks_after_them = is_given_them && !is_planted("leaves-orphans");
        looks_after_them.then(|| Self::look_every(LOOK_EVERY)).transpose()
    }

    fn look_every(pause: Duration) -> io::Result<Self> {
        let stopped = Arc::<AtomicBool>::default();
        let stop = Arc::clone(&stopped);
        let thread = thread::Builder::new().name("orphans".to_owned()).spawn(move || {
            let mut waiting = HashMap::new();
            while !stop.load(Ordering::Acquire) {
                thread::park_timeout(pause);
                look(&mut waiting);
            }
        })?;
        Ok(Self { stopped, thread: Some(thread) })
    }
}

impl Drop for OrphanReaper {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It cannot have panicked with anything that matters to whoever ends.
            let _ = thread.join();
        }
    }
}

/// Notes how long each process that has ended was seen, and waits for those that nobody else does.
fn look(waiting: &mut HashMap<Pid, u32>) {
    let any = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    // Which costs next to nothing, unlike to look at all processes.
    if !matches!(waitid(WaitId::All, any), Ok(Some(_))) {
        return waiting.clear();
    }
    let ended = ended_children();
    waiting.retain(|pid, _| ended.contains(pid));
    for pid in ended {
        let looks = waiting.entry(pid).or_default();
        *looks += 1;
        if *looks > LOOKS && matches!(waitpid(Some(pid), WaitOptions::NOHANG), Ok(Some(_))) {
            tracing::debug!(pid = pid.as_raw_nonzero(), "waited for an orphan");
        }
    }
}

/// The children that have ended, and that nobody has waited for yet.
fn ended_children() -> Vec<Pid> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let own = getpid().as_raw_nonzero().to_string();
    let ended = |process: fs::DirEntry| {
        let pid = Pid::from_raw(process.file_name().to_str()?.parse().ok()?)?;
        let stat = fs::read_to_string(process.path().join("stat")).ok()?;
        // The name may hold anything.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        (fields.next() == Some("Z") && fields.next() == Some(&own)).then_some(pid)
    };
    processes.flatten().filter_map(ended).collect()
}

#[cfg(test)]
mod tests {
    use std::{
        io::Read as _,
        process::{Command, Stdio},
    };

    use rustix::process::set_child_subreaper;

    use super::*;

    /// Whether the process with this number is there, be it as something that has ended.
    fn is_there(pid: i32) -> bool {
        fs::exists(format!("/proc/{pid}")).unwrap()
    }

    #[test]
    fn orphans_are_waited_for_and_own_children_are_left_for_a_while() {
        assert!(OrphanReaper::start().unwrap().is_none(), "they are given to somebody else");
        set_child_subreaper(Some(Pid::INIT)).unwrap();
        drop(OrphanReaper::start().unwrap().expect("this is their parent now"));
        let mut own = Command::new("/bin/true").spawn().unwrap();
        // The shell ends without waiting for what it has started, which ends only after it: a shell
        // waits by the way for what has ended before.
        let mut shell = Command::new("/bin/sh")
            .args(["-c", "exec 3<&0; (exec /bin/cat <&3 >/dev/null) & echo $!"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lets_the_orphan_end = shell.stdin.take();
        let mut said = String::new();
        shell.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        let orphan: i32 = said.trim().parse().unwrap();
        assert!(shell.wait().unwrap().success());
        drop(lets_the_orphan_end);
        let mut waiting = HashMap::new();
        let zombie = |pid: i32| ended_children().contains(&Pid::from_raw(pid).unwrap());
        let own_pid = own.id().cast_signed();
        while !(zombie(orphan) && zombie(own_pid)) {
            thread::yield_now();
        }
        for _ in 0..LOOKS {
            look(&mut waiting);
            assert!(is_there(orphan) && is_there(own_pid));
        }
        assert!(own.wait().unwrap().success(), "nobody else has waited for it");
        look(&mut waiting);
        assert!(!is_there(orphan));
        look(&mut waiting);
        assert!(waiting.is_empty());
    }

    #[test]
    fn looking_ends_with_the_reaper() {
        let reaper = OrphanReaper::look_every(Duration::from_secs(3600)).unwrap();
        let stopped = Arc::downgrade(&reaper.stopped);
        drop(reaper);
        assert!(stopped.upgrade().is_none(), "the thread has ended");
    }
}
