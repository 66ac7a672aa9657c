use std::sync::{
    Barrier,
    atomic::{AtomicUsize, Ordering},
    mpsc,
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};

use super::*;

fn pool(workers: usize, queue: usize) -> WorkerPool {
    let settings =
        PoolSettings { workers: NonZeroUsize::new(workers), queue, ..PoolSettings::default() };
    WorkerPool::new(&settings).unwrap()
}

fn pool_of_one() -> WorkerPool {
    pool(1, 10)
}

/// A job that waits until it is released.
fn held() -> (mpsc::Sender<()>, impl FnOnce(&Job) -> &'static str + Send + 'static) {
    let (release, held) = mpsc::channel::<()>();
    (release, move |_job: &Job| {
        let _ = held.recv();
        "released"
    })
}

async fn until(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.expect("it never happens");
}

#[tokio::test]
async fn jobs_run_side_by_side_and_no_more_than_there_are_threads() {
    let pool = pool(3, 100);
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let meeting = Arc::new(Barrier::new(3));
    let results = pool.map(0..30, {
        let (now, most) = (Arc::clone(&now), Arc::clone(&most));
        move |n, _job| {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            // Three have to be here at once, or nobody goes on.
            meeting.wait();
            now.fetch_sub(1, Ordering::SeqCst);
            n * n
        }
    });
    let results: Vec<_> = results.map(Result::unwrap).collect().await;
    assert_eq!(results, (0..30).map(|n| n * n).collect::<Vec<_>>(), "in their order");
    assert_eq!(most.load(Ordering::SeqCst), 3);
    let stats = pool.stats();
    assert_eq!((stats.done, stats.wait.count(), stats.run.count()), (30, 30, 30));
}

#[tokio::test]
async fn results_come_as_they_are_ready_where_the_order_does_not_matter() {
    type Work = Box<dyn FnOnce(&Job) -> &'static str + Send>;
    let pool = pool(2, 10);
    let (release, job) = held();
    let mut first = Some(job);
    let jobs: Vec<Work> =
        vec![Box::new(first.take().unwrap()), Box::new(|_| "second"), Box::new(|_| "third")];
    let mut results = Box::pin(pool.map_unordered(jobs, |job, context| job(context)));
    assert_eq!(results.next().await.unwrap().unwrap(), "second");
    assert_eq!(results.next().await.unwrap().unwrap(), "third");
    release.send(()).unwrap();
    assert_eq!(results.next().await.unwrap().unwrap(), "released");
}

#[tokio::test]
async fn a_panic_is_its_callers_error_and_the_thread_goes_on() {
    let pool = pool(1, 10);
    for _ in 0..3 {
        let error = pool.job("parse").run(|_| -> u8 { panic!("line 7") }).await.unwrap_err();
        let JobError::Panicked { name: "parse", source } = error else { panic!("{error}") };
        assert_eq!(source.message(), "line 7");
        assert_eq!(pool.run(|_| 1).await.unwrap(), 1);
    }
    assert_eq!((pool.stats().panicked, pool.stats().done), (3, 3));
}

#[tokio::test]
async fn a_full_queue_rejects_waits_or_has_the_caller_work() {
    let pool = pool(1, 1);
    let (release_first, first) = held();
    let (release_second, second) = held();
    let request = |when_full| pool.job("job").when_full(when_full);
    let mut first = Box::pin(pool.run(first));
    let mut second = Box::pin(pool.run(second));
    assert!(futures_util::poll!(&mut first).is_pending());
    until(|| pool.stats().running == 1).await;
    assert!(futures_util::poll!(&mut second).is_pending());

    let error = request(WhenFull::Reject).run(|_| ()).await.unwrap_err();
    assert_eq!(error.to_string(), "the queue is full: 1 jobs wait");
    let caller = std::thread::current().id();
    let here = request(WhenFull::RunHere).run(|_| std::thread::current().id()).await.unwrap();
    assert_eq!(here, caller);
    let mut waiting = Box::pin(request(WhenFull::Wait).run(|_| "waited"));
    assert!(futures_util::poll!(&mut waiting).is_pending());
    release_first.send(()).unwrap();
    release_second.send(()).unwrap();
    assert_eq!((first.await.unwrap(), second.await.unwrap()), ("released", "released"));
    assert_eq!(waiting.await.unwrap(), "waited");
    assert_eq!(pool.stats().rejected, 1);
}

#[tokio::test]
async fn a_job_that_is_late_is_an_error_and_its_thread_is_replaced() {
    let pool = pool(1, 10);
    let (release, job) = held();
    let late = pool.job("slow").timeout(Duration::from_millis(20)).run(job).await.unwrap_err();
    assert_eq!(late.to_string(), "the job `slow` was not done within 20ms");
    assert_eq!(pool.run(|_| "another thread").await.unwrap(), "another thread");
    let stats = pool.stats();
    assert_eq!((stats.workers, stats.overdue, stats.timed_out), (1, 1, 1));
    release.send(()).unwrap();
    until(|| pool.stats().overdue == 0).await;

    // The one that came back is one too many, and takes no other job.
    let (jobs, mut results) = (FuturesUnordered::new(), Vec::new());
    for _ in 0..2 {
        let (release, job) = held();
        results.push(release);
        jobs.push(pool.run(job));
    }
    let watching = async {
        for _ in 0..1000 {
            assert!(pool.stats().running <= 1);
            tokio::task::yield_now().await;
        }
        drop(results);
    };
    let (_, done) = futures_util::future::join(watching, jobs.collect::<Vec<_>>()).await;
    assert!(done.iter().all(Result::is_ok));
}

#[tokio::test]
async fn what_waits_behind_a_job_that_hangs_is_done_by_the_thread_that_takes_its_place() {
    let pool = pool(1, 10);
    let (_release, job) = held();
    let stuck = pool.job("stuck").timeout(Duration::from_secs(1)).run(job);
    let behind = async {
        until(|| pool.stats().running == 1).await;
        pool.run(|_| "done").await
    };
    let (stuck, behind) = futures_util::future::join(stuck, behind).await;
    assert!(matches!(stuck, Err(JobError::TimedOut { name: "stuck", .. })));
    assert_eq!(behind.unwrap(), "done");
}

#[tokio::test]
async fn jobs_that_never_end_do_not_become_threads_without_end() {
    let pool = pool(2, 10);
    let mut held_up = Vec::new();
    for _ in 0..6 {
        let (release, job) = held();
        held_up.push(release);
        let limit = Duration::from_millis(200);
        pool.job("stuck").timeout(limit).run(job).await.unwrap_err();
    }
    assert_eq!(pool.stats().overdue, 2);
    drop(held_up);
    until(|| pool.stats().overdue == 0).await;
    assert_eq!(pool.run(|_| 1).await.unwrap(), 1);
}

#[tokio::test]
async fn a_job_whose_caller_has_gone_is_not_begun_and_one_that_runs_can_tell() {
    let pool = pool(1, 10);
    let (release, first) = held();
    let first = pool.run(first);
    tokio::pin!(first);
    assert!(futures_util::poll!(&mut first).is_pending());
    let begun = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&begun);
    let mut gone = Box::pin(pool.run(move |_| count.fetch_add(1, Ordering::SeqCst)));
    assert!(futures_util::poll!(&mut gone).is_pending());
    drop(gone);
    release.send(()).unwrap();
    first.await.unwrap();
    until(|| pool.stats().skipped == 1).await;
    assert_eq!(begun.load(Ordering::SeqCst), 0);

    let (told, tell) = mpsc::channel();
    let (began, begins) = mpsc::channel();
    let mut watched = Box::pin(pool.run(move |job| {
        began.send(()).unwrap();
        while job.check().is_ok() {
            std::hint::spin_loop();
        }
        told.send(job.is_cancelled()).unwrap();
    }));
    assert!(futures_util::poll!(&mut watched).is_pending());
    begins.recv().unwrap();
    drop(watched);
    assert!(tell.recv_timeout(Duration::from_secs(10)).unwrap());
}

#[tokio::test]
async fn a_drain_ends_with_the_last_job_and_names_what_it_does_not_wait_for() {
    let idle = pool(2, 10);
    assert!(idle.drain(Duration::from_secs(60)).await.is_empty());
    assert!(matches!(idle.run(|_| ()).await, Err(JobError::Closed)));

    let busy = pool_of_one();
    let (release, job) = held();
    let mut job = Box::pin(busy.run(job));
    assert!(futures_util::poll!(&mut job).is_pending());
    let releasing = async {
        until(|| matches!(busy.owner.queue.try_place(), Admission::Closed)).await;
        release.send(()).unwrap();
    };
    let begun = Instant::now();
    let (abandoned, ()) =
        futures_util::future::join(busy.drain(Duration::from_secs(60)), releasing).await;
    assert!(abandoned.is_empty() && begun.elapsed() < Duration::from_secs(30));
    job.await.unwrap();

    let pool = pool_of_one();
    let (told, tell) = mpsc::channel();
    let watched = move |job: &Job| {
        while job.check().is_ok() {
            std::hint::spin_loop();
        }
        told.send(()).unwrap();
        "released"
    };
    let mut running = Box::pin(pool.job("running").run(watched));
    assert!(futures_util::poll!(&mut running).is_pending());
    until(|| pool.stats().running == 1).await;
    let mut waiting = Box::pin(pool.job("waiting").run(|_| ()));
    assert!(futures_util::poll!(&mut waiting).is_pending());
    let abandoned = pool.drain(Duration::from_millis(10)).await;
    let names: Vec<_> = abandoned.iter().map(|job| (job.name, job.running)).collect();
    assert_eq!(names, [("running", true), ("waiting", false)]);
    assert!(matches!(waiting.await, Err(JobError::Abandoned { name: "waiting" })));
    tell.recv_timeout(Duration::from_secs(10)).expect("it hears that nobody waits");
    assert_eq!(running.await.unwrap(), "released", "what was done after all is not lost");
}

#[tokio::test]
async fn the_threads_end_with_the_pool() {
    let pool = pool(4, 10);
    let queue = Arc::downgrade(&pool.owner.queue);
    pool.run(|_| ()).await.unwrap();
    drop(pool);
    until(|| queue.strong_count() == 0).await;
}
