#![expect(unsafe_code, reason = "an allocator is asked for by the language")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    hint::black_box,
    num::NonZeroUsize,
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use framework_process::{Job, PoolSettings, WhenFull, WorkerPool};
use futures_util::{StreamExt as _, future::join_all};

/// Notes what one thread allocates and another one frees, if one of the two is watched.
struct Watching;

/// Before each allocation: who made it.
const HEAD: usize = 16;

static WANDERED: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static THREAD: Cell<Thread> = const { Cell::new(Thread { id: 0, watched: 0 }) };
}

#[derive(Clone, Copy)]
#[repr(C)]
struct Thread {
    id: usize,
    watched: usize,
}

#[global_allocator]
static ALLOCATOR: Watching = Watching;

impl Thread {
    fn this() -> Self {
        static LAST: AtomicUsize = AtomicUsize::new(0);
        THREAD.with(|thread| {
            let mut this = thread.get();
            if this.id == 0 {
                this.id = LAST.fetch_add(1, Relaxed) + 1;
                thread.set(this);
            }
            this
        })
    }

    fn watch() {
        let this = Self::this();
        THREAD.set(Self { watched: 1, ..this });
    }
}

fn with_head(layout: Layout) -> (Layout, usize) {
    let head = layout.align().max(HEAD);
    let size = layout.size() + head;
    (Layout::from_size_align(size, head).expect("a small allocation"), head)
}

// SAFETY: every pointer that is given out lies `head` bytes into what the system has given for the
// layout of `with_head`, which is what it gets back; before it there is room for a `Thread`.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let (whole, head) = with_head(layout);
        // SAFETY: it is not empty: it has a head.
        let start = unsafe { System.alloc(whole) };
        if start.is_null() {
            return start;
        }
        // SAFETY: the head is as large as a `Thread` and aligned for it.
        unsafe {
            start.cast::<Thread>().write(Thread::this());
            start.add(head)
        }
    }

    unsafe fn dealloc(&self, given: *mut u8, layout: Layout) {
        let (whole, head) = with_head(layout);
        // SAFETY: it comes from `alloc`, with this layout.
        unsafe {
            let start = given.sub(head);
            let (by, this) = (start.cast::<Thread>().read(), Thread::this());
            if by.id != this.id && (by.watched | this.watched) == 1 {
                WANDERED.fetch_add(1, Relaxed);
            }
            System.dealloc(start, whole);
        }
    }
}

/// A pool whose threads are watched.
async fn watched_pool() -> WorkerPool {
    let workers = 2;
    let settings = PoolSettings { workers: NonZeroUsize::new(workers), ..PoolSettings::default() };
    let pool = WorkerPool::new(&settings).unwrap();
    let meeting = Arc::new(Barrier::new(workers));
    let watch = (0..workers).map(|_| {
        let (pool, meeting) = (&pool, Arc::clone(&meeting));
        async move {
            let watch = move |_: &_| {
                meeting.wait();
                Thread::watch();
            };
            pool.run(watch).await.unwrap();
        }
    });
    join_all(watch).await;
    WANDERED.store(0, Relaxed);
    pool
}

#[tokio::test]
async fn who_hands_in_a_batch_frees_what_was_allocated_for_it() {
    let pool = watched_pool().await;
    for _ in 0..20 {
        let work = |n: usize, _: &Job| black_box(vec![n; 10]).len();
        let unordered = pool.map_unordered(0..1_000, work).map(Result::unwrap);
        assert_eq!(unordered.fold(0, async |sum, n| sum + n).await, 10_000);
        let ordered = pool.map(0..1_000, work).map(Result::unwrap);
        assert_eq!(ordered.fold(0, async |sum, n| sum + n).await, 10_000);
    }
    let wandered = WANDERED.load(Relaxed);
    assert!(wandered <= 2 * 40, "{wandered} for 40,000 items: more than at the end of each batch");
}

#[tokio::test]
async fn who_hands_in_a_job_frees_what_was_allocated_for_it() {
    let pool = watched_pool().await;
    let jobs = futures_util::stream::iter(0..10_000).map(|n| {
        let job = pool.job("job").when_full(WhenFull::Wait);
        job.run(move |_| black_box(vec![n; 10]).len())
    });
    let done = jobs.buffer_unordered(256).map(Result::unwrap);
    assert_eq!(done.fold(0, async |sum, n| sum + n).await, 100_000);
    let wandered = WANDERED.load(Relaxed);
    assert!(wandered <= 100, "{wandered} for 10,000 jobs");
}
