//! The worker pool as a part of an application.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use framework_app::{App, AppBuilder};
use framework_config::{ConfigModule, Sources};
use framework_core::{ShutdownReason, module_fn};
use framework_process::{WorkerPool, WorkerPoolModule};

fn app(set: &[&str]) -> AppBuilder {
    let sources = set.iter().fold(Sources::none(), |sources, set| sources.set(*set));
    let config = ConfigModule::new(sources.load());
    App::builder("test").modules((config, WorkerPoolModule::new()))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_says_how_many_threads_there_are() {
    let running = app(&["worker_pool.workers=3"]).build().unwrap().start().await.unwrap();
    let pool = running.get::<WorkerPool>().unwrap();
    assert_eq!(pool.stats().workers, 3);
    running.stop(ShutdownReason::Requested("done".to_owned())).await.unwrap();
}

#[test]
fn what_makes_no_sense_is_refused_in_the_plan() {
    for (set, key) in [
        ("worker_pool.queue=0", "worker_pool.queue"),
        ("worker_pool.task_timeout=0s", "worker_pool.task_timeout"),
        ("worker_pool.workers=0", "worker_pool.workers"),
        ("worker_pool.when_full=explode", "worker_pool.when_full"),
    ] {
        let error = app(&[set]).plan().unwrap_err().to_string();
        assert!(error.contains(key), "{set}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_was_handed_in_is_done_before_the_application_has_stopped() {
    let done = Arc::new(AtomicBool::new(false));
    let (set, (begin, begun)) = (Arc::clone(&done), std::sync::mpsc::channel());
    let user = module_fn("user", move |reg| {
        let pool = reg.need::<WorkerPool>();
        reg.run("hand-in", move |cx| async move {
            let (pool, shutdown) = (cx.get(&pool), cx.clone());
            Ok(async move {
                // The caller goes on while the application stops, and so does its job.
                let job = pool.run(move |_job| {
                    begin.send(()).unwrap();
                    while !shutdown.is_shutting_down() {
                        std::hint::spin_loop();
                    }
                    set.store(true, Ordering::SeqCst);
                });
                job.await?;
                cx.shutdown().await;
                Ok(())
            })
        });
    });
    let running = app(&[]).modules(user).build().unwrap().start().await.unwrap();
    begun.recv().unwrap();
    running.stop(ShutdownReason::Requested("done".to_owned())).await.unwrap();
    assert!(done.load(Ordering::SeqCst));
}
