use std::{
    num::NonZeroUsize,
    sync::{
        Weak,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    task::Wake,
};

use futures_util::StreamExt as _;
use tokio::time::advance;

use super::*;
use crate::{PoolSettings, WhenFull, pool::job::Single};

/// How often its reader was woken since it was asked.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

type Work = Box<dyn Fn(usize, &Job) -> usize + Send + Sync>;

/// A batch whose items are done one by one, when the test says so.
struct Bench {
    pool: WorkerPool,
    batch: Batch<std::ops::Range<usize>, usize, usize, Work>,
    begun: Begun,
    release: mpsc::Sender<()>,
    woken: Arc<Woken>,
}

/// How many jobs have begun.
type Begun = Arc<AtomicUsize>;

fn pool(queue: usize) -> WorkerPool {
    let settings = PoolSettings { workers: NonZeroUsize::new(1), queue, ..PoolSettings::default() };
    WorkerPool::new(&settings).unwrap()
}

/// Work that waits until it is released.
fn held() -> (Begun, mpsc::Sender<()>, Work) {
    let (release, held) = mpsc::channel::<()>();
    let (begun, held) = (Begun::default(), Mutex::new(held));
    let count = Arc::clone(&begun);
    let work = move |n, _: &Job| {
        count.fetch_add(1, SeqCst);
        let _ = held.lock().unwrap().recv();
        n
    };
    (begun, release, Box::new(work))
}

fn until(condition: impl Fn() -> bool) {
    let begun = std::time::SystemTime::now();
    while !condition() {
        assert!(begun.elapsed().unwrap() < Duration::from_secs(30), "it never happens");
        std::thread::yield_now();
    }
}

impl Bench {
    fn new(items: usize, in_order: bool) -> Self {
        let (pool, (begun, release, work)) = (pool(1), held());
        let batch = Batch::new(&pool, 0..items, work, in_order);
        Self { pool, batch, begun, release, woken: Arc::default() }
    }

    /// Lets so many be done.
    fn release(&self, count: usize) {
        (0..count).for_each(|_| self.release.send(()).unwrap());
    }

    fn poll(&mut self) -> Poll<Option<Result<usize, JobError>>> {
        let waker = Waker::from(Arc::clone(&self.woken));
        self.batch.poll_next_unpin(&mut Context::from_waker(&waker))
    }

    /// All that is there.
    fn read(&mut self) -> Vec<usize> {
        let mut read = Vec::new();
        while let Poll::Ready(Some(result)) = self.poll() {
            read.push(result.unwrap());
        }
        read
    }

    fn was_woken(&self) -> bool {
        self.woken.0.swap(0, SeqCst) > 0
    }

    /// How many results wait to be read.
    fn unread(&self) -> usize {
        self.batch.shared.lock().done.len()
    }

    /// Waits until the first job has begun.
    fn first_begins(&mut self) {
        assert!(self.read().is_empty());
        until(|| self.begun.load(SeqCst) == 1);
    }

    /// Waits until all that was handed in has been done, or is not done any more.
    fn all_end(&self) {
        until(|| self.batch.shared.lock().in_hand == 0);
    }

    /// Has the reader find that jobs are short.
    fn find_short(&mut self) {
        assert!(self.read().is_empty());
        for n in 0..2 {
            self.release(1);
            until(|| self.was_woken());
            assert_eq!(self.read(), [n]);
        }
    }

    /// As [`find_short`](Self::find_short), so that it hands in many.
    fn hurry(&mut self) {
        self.find_short();
        // In order, one that has been done and not been read is one of them.
        assert!(self.batch.in_hand >= SHORT_AT_ONCE - 1);
    }
}

#[tokio::test(start_paused = true)]
async fn the_reader_of_short_jobs_is_woken_when_half_of_them_are_done() {
    for in_order in [true, false] {
        let mut bench = Bench::new(1000, in_order);
        bench.hurry();
        let enough = bench.batch.in_hand - SHORT_AT_ONCE / 2;
        bench.release(enough - 1);
        until(|| bench.unread() == enough - 1);
        assert!(!bench.was_woken());
        bench.release(1);
        until(|| bench.was_woken());
        assert_eq!(bench.read(), (2..2 + enough).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn a_result_does_not_wait_long_for_others() {
    let mut bench = Bench::new(1000, true);
    bench.hurry();
    bench.release(1);
    until(|| bench.unread() == 1);
    assert!(!bench.was_woken());
    advance(TOGETHER_WITHIN + Duration::from_millis(1)).await;
    assert!(bench.was_woken());
    assert_eq!(bench.read(), [2]);
    // They take long, so each is told of.
    bench.release(1);
    until(|| bench.was_woken());
    assert_eq!(bench.read(), [3]);
}

#[tokio::test(start_paused = true)]
async fn the_last_results_wake_their_reader_once() {
    let mut bench = Bench::new(20, true);
    bench.find_short();
    bench.release(17);
    until(|| bench.unread() == 17);
    assert!(!bench.was_woken());
    bench.release(1);
    until(|| bench.was_woken());
    assert_eq!(bench.read().len(), 18);
    assert!(matches!(bench.poll(), Poll::Ready(None)));
}

#[tokio::test(start_paused = true)]
async fn what_is_left_unread_while_the_reader_looks_is_not_slept_over() {
    let mut bench = Bench::new(1000, true);
    bench.hurry();
    bench.release(1);
    until(|| bench.unread() == 1);
    // As if what it has read had taken long: now it is woken for each.
    bench.batch.pace = Pace::default();
    let waker = Waker::from(Arc::clone(&bench.woken));
    let mut cx = Context::from_waker(&waker);
    assert!(!bench.batch.may_sleep(Instant::now(), &mut cx), "it would never be woken for it");
}

#[tokio::test(start_paused = true)]
async fn what_is_late_is_given_up_and_cancelled_and_comes_once() {
    for in_order in [true, false] {
        let mut bench = Bench::new(6, in_order);
        bench.first_begins();
        let ticket = Arc::clone(&bench.batch.oldest_in_hand().unwrap().ticket);
        assert!(!ticket.is_over(Instant::now()));
        advance(PoolSettings::default().task_timeout).await;
        for _ in 0..AT_ONCE {
            let Poll::Ready(Some(Err(late))) = bench.poll() else { panic!("it is late") };
            assert_eq!(late.to_string(), "the job `batch` was not done within 30s");
        }
        assert!(ticket.is_over(Instant::now()));
        bench.release(3);
        bench.all_end();
        let rest: Vec<_> = bench.batch.by_ref().map(Result::unwrap).collect().await;
        assert_eq!(rest, [4, 5], "those that came in the end are not asked for any more");
        let stats = bench.pool.stats();
        assert_eq!((stats.timed_out, stats.skipped), (4, 3));
    }
}

#[tokio::test]
async fn a_pool_that_closes_tells_of_every_item() {
    let mut bench = Bench::new(6, true);
    bench.first_begins();
    assert_eq!(bench.pool.stats().waiting, AT_ONCE - 1);
    let abandoned = bench.pool.drain(Duration::ZERO).await;
    assert!(!bench.batch.shared.lock().queued, "the pool has it no longer");
    let running: Vec<_> = abandoned.iter().map(|job| (job.name, job.running)).collect();
    assert_eq!(running, [("batch", true), ("batch", false), ("batch", false), ("batch", false)]);
    bench.release(1);
    let results: Vec<_> =
        bench.batch.by_ref().map(|result| result.map_err(|it| it.to_string())).collect().await;
    let abandoned = "the job `batch` was abandoned when the pool closed";
    let closed = "the pool is closed";
    let expected =
        [Ok(0), Err(abandoned), Err(abandoned), Err(abandoned), Err(closed), Err(closed)];
    assert_eq!(results, expected.map(|it| it.map_err(str::to_owned)));
}

#[tokio::test]
async fn a_stream_that_is_dropped_cancels_its_jobs_and_lets_go_of_the_others() {
    let pool = pool(1);
    let items: Vec<_> = (0..AT_ONCE).map(|_| Arc::new(())).collect();
    let kept: Vec<_> = items.iter().map(Arc::downgrade).collect();
    let (begun, release, work) = held();
    let (cancelled, is_cancelled) = mpsc::channel();
    let work = move |_: Arc<()>, job: &Job| {
        work(0, job);
        cancelled.send(job.is_cancelled()).unwrap();
    };
    let mut batch = Batch::new(&pool, items.into_iter(), work, true);
    assert!(futures_util::poll!(batch.next()).is_pending());
    until(|| begun.load(SeqCst) == 1);
    drop(batch);
    assert_eq!(kept.iter().filter(|item| item.upgrade().is_some()).count(), 1);
    // The pool finds out that there is nothing more when it looks for it.
    let mut drained = Box::pin(pool.drain(Duration::from_secs(3600)));
    assert!(futures_util::poll!(&mut drained).is_pending());
    release.send(()).unwrap();
    let within = Duration::from_secs(20);
    assert!(tokio::time::timeout(within, drained).await.unwrap().is_empty());
    assert!(is_cancelled.recv().unwrap());
    assert_eq!(pool.stats().done, 1);
}

#[tokio::test]
async fn jobs_take_turns_with_batches_which_take_no_places() {
    let mut bench = Bench::new(6, true);
    bench.first_begins();
    let pool = bench.pool.clone();
    let mut job = Box::pin(pool.job("job").when_full(WhenFull::Reject).run(|_| "done"));
    assert!(futures_util::poll!(&mut job).is_pending(), "there is a place for it");
    // The batch was there before.
    bench.release(2);
    assert_eq!(job.await.unwrap(), "done");
    assert_eq!(pool.stats().done, 3);
    bench.release(4);
    assert_eq!(bench.batch.by_ref().count().await, 6);
}

/// Asks the pool something when it is let go of.
struct Asks(WorkerPool);

impl Drop for Asks {
    fn drop(&mut self) {
        assert_eq!(self.0.stats().workers, 1);
    }
}

#[tokio::test]
async fn what_a_batch_borrows_is_let_go_of_outside_of_the_pools_lock() {
    let pool = pool(1);
    let (begun, release, work) = held();
    let first = pool.run(move |job| work(0, job));
    let mut first = Box::pin(first);
    assert!(futures_util::poll!(&mut first).is_pending());
    until(|| begun.load(SeqCst) == 1);
    let asks = Asks(pool.clone());
    let mut batch = Batch::new(&pool, 0..1, move |_, _: &Job| asks.0.stats(), false);
    assert!(futures_util::poll!(batch.next()).is_pending());
    // Nobody has it but the pool, which finds it empty.
    drop(batch);
    release.send(()).unwrap();
    let within = Duration::from_secs(20);
    assert_eq!(tokio::time::timeout(within, first).await.unwrap().unwrap(), 0);
    let after = tokio::time::timeout(within, pool.run(|_| "after")).await;
    assert_eq!(after.unwrap().unwrap(), "after");
}

/// Says how many still have what the jobs were made of, and asks the pool something, when it is
/// woken.
struct Looks<T> {
    pool: WorkerPool,
    made: Weak<T>,
    found: mpsc::Sender<usize>,
}

impl<T: Send + Sync> Wake for Looks<T> {
    fn wake(self: Arc<Self>) {
        assert_eq!(self.pool.stats().running, 0);
        self.found.send(self.made.strong_count()).unwrap();
    }
}

#[tokio::test]
async fn a_thread_lets_go_of_what_is_its_callers_before_it_tells() {
    let pool = pool(1);
    let within = Duration::from_secs(20);

    let mut batch = Batch::new(&pool, 0..1, |n, _: &Job| n, false);
    let (found, find) = mpsc::channel();
    let made = Arc::downgrade(&batch.shared);
    let waker = Waker::from(Arc::new(Looks { pool: pool.clone(), made, found }));
    assert!(batch.poll_next_unpin(&mut Context::from_waker(&waker)).is_pending());
    assert_eq!(find.recv_timeout(within).unwrap(), 1, "the batch alone");

    let now = Instant::now();
    let ticket = Ticket::new("job", now, now + within);
    let single = Single::new(Arc::clone(&ticket), |_: &Job| ());
    let queue = &pool.owner.queue;
    let (found, find) = mpsc::channel();
    let made = Arc::downgrade(&ticket);
    let waker = Waker::from(Arc::new(Looks { pool: pool.clone(), made, found }));
    assert!(single.poll(&Context::from_waker(&waker)).is_pending());
    assert!(queue.push(Arc::clone(&single) as _, None));
    assert_eq!(find.recv_timeout(within).unwrap(), 2, "the test and the job");
    assert_eq!(Arc::strong_count(&single), 1);
}

#[tokio::test(start_paused = true)]
async fn threads_need_no_memory_for_results() {
    let mut bench = Bench::new(1000, true);
    let has_room = |batch: &Batch<_, _, _, _>| {
        let done = &batch.shared.lock().done;
        done.capacity() - done.len() >= batch.in_hand && batch.collected.capacity() >= batch.in_hand
    };
    bench.first_begins();
    assert!(has_room(&bench.batch));
    bench.hurry();
    assert!(has_room(&bench.batch));
}

#[tokio::test(start_paused = true)]
async fn a_round_is_kept_until_no_thread_has_it() {
    let mut bench = Bench::new(100, false);
    bench.first_begins();
    let taken = Arc::downgrade(&bench.batch.rounds[0].ticket);
    let as_by_a_thread = taken.upgrade();
    bench.release(AT_ONCE);
    until(|| bench.unread() == AT_ONCE);
    assert_eq!(bench.read().len(), AT_ONCE);
    until(|| bench.begun.load(SeqCst) > AT_ONCE);
    drop(as_by_a_thread);
    assert!(taken.upgrade().is_some());
    bench.batch.forget_rounds();
    assert!(taken.upgrade().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_look_that_finds_nothing_does_not_make_short_jobs_long() {
    let mut bench = Bench::new(1000, true);
    bench.hurry();
    advance(TOGETHER_WITHIN + Duration::from_millis(1)).await;
    assert!(bench.was_woken());
    assert!(bench.read().is_empty());
    assert!(bench.batch.pace.short);
}
