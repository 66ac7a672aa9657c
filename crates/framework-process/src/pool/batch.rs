use std::{
    collections::{BTreeMap, VecDeque},
    future::Future as _,
    iter::{self, Fuse},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_util::Stream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::{
    Job, JobError, Owner, WorkerPool,
    job::Ticket,
    queue::{Source, Taken, caught},
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
    // What has been handed in and not given away yet, by number.
    slots: BTreeMap<usize, Slot<U>>,
    in_hand: usize,
    handed_in: usize,
    all_handed_in: bool,
    // Where the order does not matter.
    ready: VecDeque<Result<U, JobError>>,
    collected: Vec<(usize, Result<U, JobError>)>,
    pace: Pace,
    timer: Option<Pin<Box<Sleep>>>,
}

enum Slot<U> {
    InHand(Arc<Ticket>),
    // Only where something before it is missing.
    Done(Result<U, JobError>),
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
    done: Vec<(usize, Result<U, JobError>)>,
    reader: Option<Waker>,
    in_hand: usize,
    // With no more than so many in hand, the reader is woken for a result.
    few: usize,
}

struct Item<T> {
    number: usize,
    item: T,
    ticket: Arc<Ticket>,
}

/// The result of a job that a thread has taken.
struct Owed<T, U, F> {
    shared: Option<Arc<Shared<T, U, F>>>,
    number: usize,
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
            slots: BTreeMap::new(),
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
        if self.in_hand > at_once / 2 {
            return;
        }
        let taken = if self.in_order { self.slots.len() } else { self.in_hand };
        let room = at_once.saturating_sub(taken);
        let queue = Arc::clone(&self.pool.owner.queue);
        if queue.is_closed() {
            for _ in self.items.by_ref().take(room).collect::<Vec<_>>() {
                self.settle_next(Err(JobError::Closed));
            }
            return;
        }
        let now = Instant::now();
        let deadline = now + self.pool.owner.settings.task_timeout;
        // Outside of the lock: others' code makes them, and threads wait for it.
        let numbered = self.items.by_ref().take(room).zip(self.handed_in..);
        let items = numbered.map(|(item, number)| {
            let ticket = Ticket::new(NAME, now, deadline);
            self.slots.insert(number, Slot::InHand(Arc::clone(&ticket)));
            Item { number, item, ticket }
        });
        let items: Vec<_> = items.collect();
        self.all_handed_in = items.len() < room;
        if items.is_empty() {
            return;
        }
        self.handed_in += items.len();
        self.in_hand += items.len();
        let is_new = {
            let mut state = self.shared.lock();
            state.in_hand += items.len();
            state.items.extend(items);
            !std::mem::replace(&mut state.queued, true)
        };
        if is_new {
            queue.push_batch(Arc::clone(&self.shared) as _);
        }
    }

    /// What comes next has its result without having been handed in.
    fn settle_next(&mut self, result: Result<U, JobError>) {
        self.keep(self.handed_in, result);
        self.handed_in += 1;
    }

    fn keep(&mut self, number: usize, result: Result<U, JobError>) {
        if self.in_order {
            self.slots.insert(number, Slot::Done(result));
        } else {
            self.ready.push_back(result);
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
        // One that was given up may be done all the same.
        if let Some(Slot::InHand(_)) = self.slots.get(&number) {
            self.in_hand -= 1;
            self.slots.remove(&number);
            self.keep(number, result);
        }
    }

    fn next_ready(&mut self) -> Option<Result<U, JobError>> {
        if self.slots.first_key_value().is_some_and(|(_, slot)| matches!(slot, Slot::Done(_)))
            && let Some((_, Slot::Done(result))) = self.slots.pop_first()
        {
            return Some(result);
        }
        self.ready.pop_front()
    }

    fn oldest_in_hand(&self) -> Option<(usize, &Arc<Ticket>)> {
        self.slots.iter().find_map(|(&number, slot)| match slot {
            Slot::InHand(ticket) => Some((number, ticket)),
            Slot::Done(_) => None,
        })
    }

    /// Gives up what is late. All have as much time, so what was handed in first is late first.
    fn give_up_late(&mut self, now: Instant) {
        while let Some((number, ticket)) = self.oldest_in_hand()
            && ticket.deadline <= now
        {
            ticket.cancel();
            let Owner { queue, settings } = &*self.pool.owner;
            queue.replace_overdue(now);
            let limit = settings.task_timeout;
            let late = queue.count_timeout(JobError::TimedOut { name: NAME, limit });
            self.settle(number, Err(late));
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
        let late = self.oldest_in_hand().map(|(_, ticket)| ticket.deadline);
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
            if this.slots.is_empty() {
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
        for slot in self.slots.values() {
            if let Slot::InHand(ticket) = slot {
                ticket.cancel();
            }
        }
        // Dropped outside of the lock: they are others'.
        let items = std::mem::take(&mut self.shared.lock().items);
        drop(items);
        self.pool.owner.queue.replace_overdue(Instant::now());
    }
}

impl Pace {
    /// Whether what has been read since the reader last slept took little time.
    fn is_short(&mut self, now: Instant) -> bool {
        let took = self.since.replace(now).map(|since| now - since);
        let read = std::mem::take(&mut self.read);
        self.short = took.is_some_and(|took| took < SHORT * read);
        self.short
    }
}

// ===== impl Shared =====

impl<T, U, F> Shared<T, U, F> {
    // No code of others runs while it is held.
    fn lock(&self) -> MutexGuard<'_, State<T, U>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn done(&self, results: impl ExactSizeIterator<Item = (usize, Result<U, JobError>)>) {
        let reader = {
            let mut state = self.lock();
            state.in_hand -= results.len();
            state.done.extend(results);
            // Once: it looks at everything there is.
            if state.in_hand <= state.few { state.reader.take() } else { None }
        };
        if let Some(reader) = reader {
            reader.wake();
        }
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
        let owed = Owed { shared: Some(Arc::clone(&self)), number };
        let work = move |job: &Job, count: &dyn Fn(bool)| {
            let result = caught(|| (self.work)(item, job));
            count(result.is_err());
            owed.pay(result.map_err(|source| JobError::Panicked { name: NAME, source }));
        };
        Some(Taken { ticket, work: Box::new(work), more })
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
        self.done(items.iter().map(|item| (item.number, Err(abandoned()))));
        items.into_iter().map(|item| item.ticket).collect()
    }
}

// ===== impl Owed =====

impl<T, U, F> Owed<T, U, F> {
    fn pay(mut self, result: Result<U, JobError>) {
        self.settle(result);
    }

    fn settle(&mut self, result: Result<U, JobError>) {
        if let Some(shared) = self.shared.take() {
            shared.done(iter::once((self.number, result)));
        }
    }
}

impl<T, U, F> Drop for Owed<T, U, F> {
    // A job that was given up is not begun.
    fn drop(&mut self) {
        self.settle(Err(JobError::Abandoned { name: NAME }));
    }
}

#[cfg(test)]
mod tests;
