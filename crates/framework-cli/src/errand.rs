//! Work that anybody may ask for at any time, as signals do.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use framework_core::is_planted;
use tokio::time::Instant;

use crate::operator::lock;

/// Work that takes its time. It is done on a thread of its own, so that whoever asks for it goes on;
/// by one at a time, and once for all who ask before it begins: a storm of signals is neither a
/// storm of threads nor one of work. Who asks while it is done has it done once more.
pub(crate) struct Errand {
    name: &'static str,
    work: Box<dyn Fn() + Send + Sync>,
    /// The shortest time from the end of it to the next beginning.
    pause: Duration,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Running,
    /// Somebody has asked since it began.
    Again,
}

impl Errand {
    pub(crate) fn new(
        name: &'static str,
        pause: Duration,
        work: impl Fn() + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { name, work: Box::new(work), pause, state: Mutex::new(State::Idle) })
    }

    /// Has it done, if it is not about to be.
    pub(crate) fn ask(self: &Arc<Self>) {
        {
            let mut state = lock(&self.state);
            if *state != State::Idle {
                *state = State::Again;
                return;
            }
            *state = State::Running;
        }
        let errand = Arc::clone(self);
        let run = move || while errand.is_to_be_repeated() {};
        if let Err(error) = thread::Builder::new().name(self.name.to_owned()).spawn(run) {
            *lock(&self.state) = State::Idle;
            tracing::error!(%error, "no thread for what is asked: {}", self.name);
        }
    }

    fn is_to_be_repeated(&self) -> bool {
        // Once that panicked it has been reported, and can be asked for again.
        let _ = catch_unwind(AssertUnwindSafe(&self.work));
        if !is_planted("no-pause") {
            pause(self.pause);
        }
        let mut state = lock(&self.state);
        let again = *state == State::Again;
        *state = if again { State::Running } else { State::Idle };
        again
    }
}

/// Parks this thread for at least so long: what the work has left behind may end one park early.
fn pause(time: Duration) {
    let end = Instant::now() + time;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        thread::park_timeout(left);
    }
}

impl fmt::Debug for Errand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, pause, state, work: _ } = self;
        let mut debug = f.debug_struct("Errand");
        debug.field("name", name).field("pause", pause).field("state", state);
        debug.finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc::channel,
    };

    use super::*;

    fn wait_until_idle(errand: &Errand) {
        while *lock(&errand.state) != State::Idle {
            thread::yield_now();
        }
    }

    #[test]
    fn whoever_asks_while_it_is_done_has_it_done_once_more() {
        let ((begun, begins), (goes_on, go_on)) = (channel(), channel::<()>());
        let (running, most) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (alone, at_once, go_on) = (running, Arc::clone(&most), Mutex::new(go_on));
        let errand = Errand::new("test", Duration::ZERO, move || {
            at_once.fetch_max(alone.fetch_add(1, SeqCst) + 1, SeqCst);
            begun.send(()).unwrap();
            lock(&go_on).recv().unwrap();
            alone.fetch_sub(1, SeqCst);
        });
        errand.ask();
        begins.recv().unwrap();
        (0..1000).for_each(|_| errand.ask());
        goes_on.send(()).unwrap();
        begins.recv().unwrap();
        goes_on.send(()).unwrap();
        wait_until_idle(&errand);
        assert!(begins.try_recv().is_err(), "it was done a third time");
        assert_eq!(most.load(SeqCst), 1);
    }

    #[test]
    fn a_pause_is_not_cut_short_by_what_the_work_has_left_behind() {
        let time = Duration::from_millis(20);
        let began = Instant::now();
        thread::current().unpark();
        pause(time);
        assert!(began.elapsed() >= time);
    }

    #[test]
    fn what_has_panicked_can_be_asked_for_again() {
        let done = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&done);
        let errand = Errand::new("test", Duration::ZERO, move || {
            assert!(counted.fetch_add(1, SeqCst) > 0, "as it should");
        });
        for times in 1..=2 {
            errand.ask();
            wait_until_idle(&errand);
            assert_eq!(done.load(SeqCst), times);
        }
    }
}
