use std::{
    collections::VecDeque,
    future::Future as _,
    iter::Fuse,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_util::Stream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::{
    Job, JobError, Owner, WorkerPool,
    job::{Results, Ticket, work_of},
    queue::{Source, Taken},
};

/// What jobs of batches are called.
const NAME: &str = "batch";

/// Jobs are short that take less than this on average: to hand one in and to wake whoever reads its
/// result takes up to a fourth of it.
const SHORT: Duration = Duration::from_micros(250);

/// How many jobs are in hand for each thread; of short ones more, for they are over before whoever
/// hands them in has been woken to hand in others.
const AT_ONCE: usize = 4;
const SHORT_AT_ONCE: usize = 256;

/// The longest that a result of a short job waits to be read with others, up to a millisecond of the
/// timer's.
const TOGETHER_WITHIN: Duration = Duration::from_millis(5);

/// A batch as the one who reads its results has it.
///
/// It hands in a few items at a time, and whichever thread has time takes the next one: an item has
/// no future and no timer of its own, and while jobs are short their reader is woken for many
/// results at once.
pub(super) struct Batch<I: Iterator, T, U, F> {
    pool: WorkerPool,
    items: Fuse<I>,
    shared: Arc<Shared<T, U, F>>,
    in_order: bool,
    rounds: VecDeque<Round>,
    in_hand: usize,
    handed_in: usize,
    all_handed_in: bool,
    // What is to be given away next; in order, with a place for each that is missing.
    ready: VecDeque<Option<Result<U, JobError>>>,
    collected: Vec<Done<U>>,
    pace: Pace,
    timer: Option<Pin<Box<Sleep>>>,
}

/// Items that were handed in together, which are late together.
struct Round {
    ticket: Arc<Ticket>,
    first: usize,
    in_hand: usize,
}

/// Whether jobs are short: how many results have been read since the reader slept the last time.
#[derive(Default)]
struct Pace {
    since: Option<Instant>,
    read: u32,
    short: bool,
}

/// A batch as its jobs have it.
struct Shared<T, U, F> {
    work: F,
    state: Mutex<State<T, U>>,
}

struct State<T, U> {
    items: VecDeque<Item<T>>,
    // The pool knows that there are items.
    queued: bool,
    done: Vec<Done<U>>,
    reader: Option<Waker>,
    in_hand: usize,
    // With no more than so many in hand, the reader is woken for a result.
    few: usize,
}

/// An item's number, and what became of it.
type Done<U> = (usize, Result<U, JobError>);

struct Item<T> {
    number: usize,
    item: T,
    ticket: Arc<Ticket>,
}

// ===== impl Batch =====

impl<I, T, U, F> Batch<I, T, U, F>
where
    I: Iterator<Item = T>,
    T: Send + 'static,
    U: Send + 'static,
    F: Fn(T, &Job) -> U + Send + Sync + 'static,
{
    pub(super) fn new(pool: &WorkerPool, items: I, work: F, in_order: bool) -> Self {
        let state = State {
            items: VecDeque::new(),
            queued: false,
            done: Vec::new(),
            reader: None,
            in_hand: 0,
            few: usize::MAX,
        };
        Self {
            pool: pool.clone(),
            items: items.fuse(),
            shared: Arc::new(Shared { work, state: Mutex::new(state) }),
            in_order,
            rounds: VecDeque::new(),
            in_hand: 0,
            handed_in: 0,
            all_handed_in: false,
            ready: VecDeque::new(),
            collected: Vec::new(),
            pace: Pace::default(),
            timer: None,
        }
    }

    fn at_once(&self) -> usize {
        let each = if self.pace.short { SHORT_AT_ONCE } else { AT_ONCE };
        each * self.pool.owner.queue.workers().get()
    }

    /// Hands in more items once half of those in hand have been done.
    fn hand_in(&mut self) {
        let at_once = self.at_once();
        let taken = if self.in_order { self.ready.len() } else { self.in_hand };
        let room = at_once.saturating_sub(taken);
        if self.all_handed_in || self.in_hand > at_once / 2 || room == 0 {
            return;
        }
        let queue = Arc::clone(&self.pool.owner.queue);
        if queue.is_closed() {
            for _ in self.items.by_ref().take(room).collect::<Vec<_>>() {
                self.settle_next(Err(JobError::Closed));
            }
            return;
        }
        let now = Instant::now();
        let ticket = Ticket::new(NAME, now, now + self.pool.owner.settings.task_timeout);
        // Outside of the lock: others' code makes them, and threads wait for it.
        let first = self.handed_in;
        let numbered = self.items.by_ref().take(room).zip(first..);
        let items =
            numbered.map(|(item, number)| Item { number, item, ticket: Arc::clone(&ticket) });
        let items: Vec<_> = items.collect();
        let count = items.len();
        self.all_handed_in = count < room;
        if count == 0 {
            return;
        }
        self.forget_rounds();
        self.rounds.push_back(Round { ticket, first, in_hand: count });
        if self.in_order {
            self.ready.extend(std::iter::repeat_with(|| None).take(count));
        }
        self.handed_in += count;
        self.in_hand += count;
        // Room for all results, by whoever frees it: threads need none.
        self.collected.reserve(self.in_hand);
        let is_new = {
            let mut state = self.shared.lock();
            state.in_hand += count;
            state.items.extend(items);
            state.done.reserve(self.in_hand);
            !std::mem::replace(&mut state.queued, true)
        };
        if is_new && !queue.push(Arc::clone(&self.shared) as _, None) {
            self.shared.abandon();
        }
    }

    /// Forgets rounds of which nothing is in hand, and which no thread has: it would be the one to
    /// free their tickets.
    fn forget_rounds(&mut self) {
        while self.rounds.front().is_some_and(|it| it.in_hand == 0 && it.is_let_go()) {
            self.rounds.pop_front();
        }
    }

    /// What comes next has its result without having been handed in.
    fn settle_next(&mut self, result: Result<U, JobError>) {
        self.handed_in += 1;
        self.ready.push_back(Some(result));
    }

    fn keep(&mut self, number: usize, result: Result<U, JobError>) {
        if self.in_order {
            let place = number + self.ready.len() - self.handed_in;
            self.ready[place] = Some(result);
        } else {
            self.ready.push_back(Some(result));
        }
    }

    /// Takes in what has been done, and has the reader woken for what comes after it.
    fn collect(&mut self, cx: &Context<'_>) {
        {
            let mut state = self.shared.lock();
            match &mut state.reader {
                Some(reader) => reader.clone_from(cx.waker()),
                reader @ None => *reader = Some(cx.waker().clone()),
            }
            std::mem::swap(&mut state.done, &mut self.collected);
        }
        let mut collected = std::mem::take(&mut self.collected);
        for (number, result) in collected.drain(..) {
            self.settle(number, result);
        }
        self.collected = collected;
    }

    fn settle(&mut self, number: usize, result: Result<U, JobError>) {
        let after = self.rounds.partition_point(|it| it.first <= number);
        // One that was given up may be done all the same.
        if let Some(round) = after.checked_sub(1).map(|at| &mut self.rounds[at])
            && round.in_hand > 0
        {
            round.in_hand -= 1;
            self.in_hand -= 1;
            self.keep(number, result);
        }
    }

    fn next_ready(&mut self) -> Option<Result<U, JobError>> {
        self.ready.pop_front_if(|first| first.is_some()).flatten()
    }

    fn oldest_in_hand(&mut self) -> Option<&mut Round> {
        self.rounds.iter_mut().find(|round| round.in_hand > 0)
    }

    /// Gives up what is late. All have as much time, so what was handed in first is late first.
    fn give_up_late(&mut self, now: Instant) {
        while let Some(round) = self.oldest_in_hand()
            && round.ticket.deadline <= now
        {
            round.ticket.cancel();
            let (first, late) = (round.first, std::mem::take(&mut round.in_hand));
            self.in_hand -= late;
            let Owner { queue, settings } = &*self.pool.owner;
            queue.replace_overdue(now);
            let limit = settings.task_timeout;
            let error = || queue.count_timeout(JobError::TimedOut { name: NAME, limit });
            if self.in_order {
                // What was given away before is no longer there.
                let given = self.handed_in - self.ready.len();
                let from = first.saturating_sub(given);
                let missing = self.ready.iter_mut().skip(from).filter(|it| it.is_none());
                missing.take(late).for_each(|it| *it = Some(Err(error())));
            } else {
                self.ready.extend((0..late).map(|_| Some(Err(error()))));
            }
        }
    }

    /// Before the reader sleeps: when it is to be woken. `false` if there is something for it.
    fn may_sleep(&mut self, now: Instant, cx: &mut Context<'_>) -> bool {
        let is_short = self.pace.is_short(now);
        let few = match is_short {
            false => usize::MAX,
            // It has nothing to hand in.
            true if self.all_handed_in => 0,
            true => self.at_once() / 2,
        };
        {
            let mut state = self.shared.lock();
            let was = std::mem::replace(&mut state.few, few);
            // With more in hand than so many, a result was left to be read with others.
            if was < few && !state.done.is_empty() {
                return false;
            }
        }
        let late = self.oldest_in_hand().map(|round| round.ticket.deadline);
        let together = is_short.then(|| now + TOGETHER_WITHIN);
        let Some(at) = late.into_iter().chain(together).min() else { return true };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if timer.deadline() != at {
            timer.as_mut().reset(at);
        }
        timer.as_mut().poll(cx).is_pending()
    }
}

impl<I, T, U, F> Stream for Batch<I, T, U, F>
where
    I: Iterator<Item = T>,
    T: Send + 'static,
    U: Send + 'static,
    F: Fn(T, &Job) -> U + Send + Sync + 'static,
{
    type Item = Result<U, JobError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            this.collect(cx);
            this.hand_in();
            if let Some(result) = this.next_ready() {
                this.pace.read += 1;
                return Poll::Ready(Some(result));
            }
            if this.in_hand == 0 {
                return Poll::Ready(None);
            }
            let now = Instant::now();
            let in_hand = this.in_hand;
            this.give_up_late(now);
            if this.in_hand == in_hand && this.may_sleep(now, cx) {
                return Poll::Pending;
            }
        }
    }
}

// Nothing in it is pinned in place.
impl<I: Iterator, T, U, F> Unpin for Batch<I, T, U, F> {}

impl<I: Iterator, T, U, F> Drop for Batch<I, T, U, F> {
    fn drop(&mut self) {
        self.rounds.iter().for_each(|round| round.ticket.cancel());
        // Dropped outside of the lock: they are others'.
        let items = std::mem::take(&mut self.shared.lock().items);
        drop(items);
        self.pool.owner.queue.replace_overdue(Instant::now());
    }
}

impl Pace {
    /// Whether what has been read since the reader last slept took little time.
    fn is_short(&mut self, now: Instant) -> bool {
        if self.read == 0 && self.since.is_some() {
            return self.short;
        }
        let took = self.since.replace(now).map(|since| now - since);
        let read = std::mem::take(&mut self.read);
        self.short = took.is_some_and(|took| took < SHORT * read);
        self.short
    }
}

// ===== impl Round =====

impl Round {
    fn is_let_go(&self) -> bool {
        Arc::strong_count(&self.ticket) == 1
    }
}

// ===== impl Shared =====

impl<T, U, F> Shared<T, U, F> {
    // No code of others runs while it is held.
    fn lock(&self) -> MutexGuard<'_, State<T, U>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whoever waits for them, once: it looks at everything there is.
    #[must_use]
    fn done(&self, results: impl ExactSizeIterator<Item = Done<U>>) -> Option<Waker> {
        let mut state = self.lock();
        state.in_hand -= results.len();
        state.done.extend(results);
        if state.in_hand <= state.few { state.reader.take() } else { None }
    }
}

impl<T, U, F> Results for Shared<T, U, F>
where
    T: Send + 'static,
    U: Send + 'static,
    F: Send + Sync + 'static,
{
    type Result = U;

    fn settle(&self, number: usize, result: Result<U, JobError>) -> Option<Waker> {
        self.done(std::iter::once((number, result)))
    }
}

impl<T, U, F> Source for Shared<T, U, F>
where
    T: Send + 'static,
    U: Send + 'static,
    F: Fn(T, &Job) -> U + Send + Sync + 'static,
{
    fn take(self: Arc<Self>) -> Option<Taken> {
        let (Item { number, item, ticket }, more) = {
            let mut state = self.lock();
            let first = state.items.pop_front();
            state.queued = !state.items.is_empty();
            (first?, state.queued)
        };
        let work = work_of(self, number, NAME, move |shared, job| (shared.work)(item, job));
        Some(Taken { ticket, work, more })
    }

    fn waiting(&self) -> usize {
        self.lock().items.len()
    }

    fn abandon(&self) -> Vec<Arc<Ticket>> {
        let items = {
            let mut state = self.lock();
            // What is handed in just now is not left to a pool that has forgotten the batch.
            state.queued = false;
            std::mem::take(&mut state.items)
        };
        let abandoned = || JobError::Abandoned { name: NAME };
        let reader = self.done(items.iter().map(|item| (item.number, Err(abandoned()))));
        if let Some(reader) = reader {
            reader.wake();
        }
        items.into_iter().map(|item| item.ticket).collect()
    }
}

#[cfg(test)]
mod tests;
