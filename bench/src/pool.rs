use std::{fs, path::Path, sync::Arc, time::Duration};

use framework_process::{PoolSettings, WhenFull, WorkerPool};
use futures_util::StreamExt as _;
use rayon::prelude::*;
use tokio::time::Instant;

use crate::measure::{Row, median};

const ROUNDS: usize = 21;

/// How many documents are parsed in a round, one after the other and again from the first: so many
/// that it does not matter how long threads take to wake.
const PARSED: usize = 2720;

/// How many jobs that do nothing are handed in.
const EMPTY_JOBS: u32 = 20_000;

/// Feeds that are parsed by the worker pool and by rayon, on as many threads each; and what a job
/// costs that does nothing.
pub(crate) fn run() -> Vec<Row> {
    let (documents, which) = documents();
    let threads = std::thread::available_parallelism().expect("the machine has processors");
    let rayon = rayon::ThreadPoolBuilder::new().num_threads(threads.get()).build();
    let rayon = rayon.expect("the machine has threads left");
    let settings = PoolSettings { workers: Some(threads), ..PoolSettings::default() };
    let pool = WorkerPool::new(&settings).expect("the machine has threads left");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("the machine has threads left");
    // Whichever thread is the first to use a regular expression has it for itself, and shares it with
    // others of its pool at their cost: it is none of either's.
    documents.iter().for_each(|document| {
        std::hint::black_box(parse(document));
    });
    let ours = || runtime.block_on(with_pool(&pool, &documents));
    let theirs = || with_rayon(&rayon, &documents);
    // The second time of each: the first finds caches full of what the other has left.
    let ours = || (ours(), ours()).1;
    let theirs = || (theirs(), theirs()).1;
    // The first round warms up. They take turns to be first.
    let throughput = (0..=ROUNDS).map(|round| {
        let (ours, theirs) = if round % 2 == 0 {
            (ours(), theirs())
        } else {
            let theirs = theirs();
            (ours(), theirs)
        };
        theirs.as_secs_f64() / ours.as_secs_f64()
    });
    let throughput = throughput.skip(1).collect();
    // Afterwards: threads that have just slept thousands of times are spread less well.
    let dispatch = (0..=ROUNDS).map(|_| {
        let empty = runtime.block_on(empty_jobs(&pool));
        empty.as_secs_f64() * 1e6 / f64::from(EMPTY_JOBS)
    });
    let dispatch = dispatch.skip(1).collect();
    let (throughput, dispatch) = (median(throughput), median(dispatch));
    vec![
        Row {
            what: format!("time the worker pool takes to parse {which}, beside rayon"),
            measured: format!("{:.3} × ({throughput:.3} of its throughput)", 1.0 / throughput),
            value: 1.0 / throughput,
            at_most: 1.053,
        },
        Row {
            what: "a job that does nothing, handed in with many others, in µs".to_owned(),
            measured: format!("{dispatch:.2}"),
            value: dispatch,
            at_most: 5.0,
        },
    ]
}

/// Real documents where there are any, and the project's own elsewhere.
fn documents() -> (Arc<Vec<Vec<u8>>>, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (real, own) = (root.join("../../shared/feeds"), root.join("samples"));
    let real_ones = read_all(&real);
    if real_ones.is_empty() {
        let own = read_all(&own);
        let which = format!("{} feeds of the project's own", own.len());
        return (Arc::new(own), which);
    }
    let which = format!("{} real feeds", real_ones.len());
    (Arc::new(real_ones), which)
}

fn read_all(directory: &Path) -> Vec<Vec<u8>> {
    let Ok(files) = fs::read_dir(directory) else { return Vec::new() };
    let mut paths: Vec<_> = files.filter_map(|file| Some(file.ok()?.path())).collect();
    paths.sort();
    paths.into_iter().filter_map(|path| fs::read(path).ok()).collect()
}

/// How many entries a document has; none if it is not understood.
fn parse(document: &[u8]) -> usize {
    feed_rs::parser::parse(document).map_or(0, |feed| feed.entries.len())
}

async fn with_pool(pool: &WorkerPool, documents: &Arc<Vec<Vec<u8>>>) -> Duration {
    let begun = Instant::now();
    let all = Arc::clone(documents);
    let count = documents.len();
    let jobs = (0..PARSED).map(move |n| n % count);
    let entries = pool.map_unordered(jobs, move |at, _job| parse(&all[at]));
    let entries = entries.map(|entries| entries.expect("it does not panic"));
    let sum = entries.fold(0, |sum, entries| async move { sum + entries }).await;
    std::hint::black_box(sum);
    begun.elapsed()
}

fn with_rayon(rayon: &rayon::ThreadPool, documents: &[Vec<u8>]) -> Duration {
    let begun = Instant::now();
    let count = documents.len();
    let sum: usize =
        rayon.install(|| (0..PARSED).into_par_iter().map(|n| parse(&documents[n % count])).sum());
    std::hint::black_box(sum);
    begun.elapsed()
}

async fn empty_jobs(pool: &WorkerPool) -> Duration {
    let begun = Instant::now();
    let jobs = futures_util::stream::iter(0..EMPTY_JOBS).map(|n| {
        pool.job("empty").when_full(WhenFull::Wait).run(move |_job| std::hint::black_box(n))
    });
    jobs.buffer_unordered(256)
        .for_each(|done| async move { done.map(drop).expect("no panic") })
        .await;
    begun.elapsed()
}
