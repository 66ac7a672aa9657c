use std::future::Future;

use tokio::runtime::Builder;

/// Runs `future` in paused time, on one thread: whenever everything waits, the clock jumps to the
/// next moment at which something happens. So an hour takes no time, and the same code does the same
/// each time.
///
/// Real sockets and files do not stop the clock: a limit on waiting for them is over at once.
///
/// # Panics
///
/// Panics if it is called from async code, which has a runtime already; there, use
/// `#[tokio::test(start_paused = true)]`. Panics if the operating system gives no runtime.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// let rested = framework_testing::paused(async {
///     let begun = tokio::time::Instant::now();
///     tokio::time::sleep(Duration::from_secs(3600)).await;
///     begun.elapsed()
/// });
/// assert_eq!(rested.as_secs(), 3600);
/// ```
pub fn paused<F: Future>(future: F) -> F::Output {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("the operating system gives a runtime").block_on(future)
}
