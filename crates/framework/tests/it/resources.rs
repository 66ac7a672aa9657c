//! A process that runs out of memory, seen from outside: what it refuses, and what it never does.

use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    net::SocketAddr,
    ops::RangeInclusive,
    os::unix::fs::symlink,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    time::Duration,
};

use framework::{
    AppBuilder,
    admin::AdminHandle,
    config::{ConfigModule, Sources},
    core::Priority,
    http::HttpHandle,
    prelude::*,
    process::ResourceReader,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

/// Where the process finds its `proc`.
const ROOT: &str = "RESOURCES_ROOT";

/// How much memory the process may hold.
const LIMIT: u64 = 400 << 20;

/// Longer than each step takes on a machine that is busy with other things.
const DEADLINE: Duration = Duration::from_secs(12);

fn app(root: &Path) -> AppBuilder {
    let shop = module_fn("shop", |reg| {
        reg.priority(Priority::Low, |reg| {
            reg.routes::<()>(Router::new().route("/low", get(async || "low")));
        });
        reg.routes::<()>(Router::new().route("/normal", get(async || "normal")));
        reg.priority(Priority::High, |reg| {
            reg.routes::<()>(Router::new().route("/high", get(async || "high")));
        });
    });
    let sources = Sources::none()
        .set("http.addr=127.0.0.1:0")
        .set("admin.addr=127.0.0.1:0")
        .set("health.interval=1s")
        .set(format!("resources.memory_limit={LIMIT}B"));
    // Its own memory and nothing else: how busy the machine is depends on who else runs tests.
    let watch = ResourceModule::new().reader(ResourceReader::at(root));
    App::builder("live").modules((ConfigModule::from(sources), watch, shop))
}

/// No test, but the process that the test starts: it holds as much memory as it is told to, and ends
/// when nobody speaks to it any more.
#[tokio::test]
#[expect(clippy::print_stdout, reason = "it is read by the test")]
async fn the_process() {
    let Some(root) = env::var_os(ROOT) else { return };
    let running = app(Path::new(&root)).build().unwrap().start().await.unwrap();
    let http = running.get::<HttpHandle>().unwrap().bound().await;
    let admin = running.get::<AdminHandle>().unwrap().local_addr().unwrap();
    println!("said: {http} {admin}");
    let told = tokio::task::spawn_blocking(|| {
        let mut ballast = Vec::new();
        for line in std::io::stdin().lines().map_while(Result::ok) {
            let wanted: f64 = line.parse().unwrap();
            let wanted = (LIMIT as f64 * wanted) as u64;
            if wanted < held() {
                ballast.clear();
            }
            let more = wanted.saturating_sub(held());
            // Not zeros: those take no memory until they are written.
            ballast.push(vec![1_u8; usize::try_from(more).unwrap()]);
        }
        drop(ballast);
    });
    told.await.unwrap();
    running.stop(ShutdownReason::Requested("the test".to_owned())).await.unwrap();
}

/// How much memory this process holds.
fn held() -> u64 {
    let held = ResourceReader::new().memory();
    held.rss_bytes.expect("the kernel tells")
}

struct Process {
    child: Child,
    input: Option<ChildStdin>,
    http: SocketAddr,
    admin: SocketAddr,
}

impl Process {
    fn start(root: &Path) -> Self {
        symlink("/proc", root.join("proc")).unwrap();
        std::fs::create_dir(root.join("memory-only")).unwrap();
        let own = root.join("memory-only/proc");
        std::fs::create_dir(&own).unwrap();
        symlink("/proc/self", own.join("self")).unwrap();
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "resources::the_process", "--nocapture"])
            .env(ROOT, root.join("memory-only"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said = lines.map_while(Result::ok).find_map(|line| {
            let (http, admin) = line.split_once("said: ")?.1.split_once(' ')?;
            Some((http.parse().unwrap(), admin.parse().unwrap()))
        });
        let (http, admin) = said.expect("it says where it listens");
        Self { child, input, http, admin }
    }

    /// Has it hold this share of its limit.
    fn hold(&mut self, share: f64) {
        let input = self.input.as_mut().unwrap();
        input.write_all(format!("{share}\n").as_bytes()).unwrap();
        input.flush().unwrap();
    }

    async fn get(&self, path: &str) -> Answer {
        answer(self.http, path).await
    }

    /// Waits until the memory's level is one of `levels`, and asks the probes all the while.
    async fn until(&self, levels: RangeInclusive<u8>) {
        let begun = Instant::now();
        loop {
            self.is_alive().await;
            let metrics = answer(self.admin, "/metrics").await;
            assert_eq!(metrics.status, 200, "nobody is refused there: {}", metrics.text);
            let name = "framework_resource_level{resource=\"memory\"} ";
            let level = metrics.text.lines().find_map(|line| line.strip_prefix(name));
            if level.is_some_and(|level| levels.contains(&level.parse().unwrap())) {
                return;
            }
            assert!(begun.elapsed() < DEADLINE, "{levels:?}: {level:?}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn is_alive(&self) {
        for probe in ["/livez", "/readyz", "/startupz", "/health"] {
            assert_eq!(self.get(probe).await.status, 200, "{probe}");
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Answer {
    status: u16,
    text: String,
}

impl Answer {
    fn says(&self, header: &str) -> bool {
        let head = self.text.split("\r\n\r\n").next().unwrap_or_default();
        head.to_lowercase().lines().any(|line| line == header)
    }
}

async fn answer(address: SocketAddr, path: &str) -> Answer {
    let ask = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        while !complete(&bytes) {
            let read = stream.read_buf(&mut bytes).await.unwrap();
            assert!(read > 0, "{path}: {}", String::from_utf8_lossy(&bytes));
        }
        String::from_utf8(bytes).unwrap()
    };
    let text = timeout(DEADLINE, ask).await.expect("it answers");
    let status = text.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, text }
}

/// Whether a response with a length has come in.
fn complete(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.is_some_and(|length| body.len() >= length.parse().unwrap())
}

#[tokio::test]
async fn a_process_that_runs_out_of_memory_refuses_work_and_recovers_and_is_healthy_throughout() {
    let root = tempfile::tempdir().unwrap();
    let mut process = Process::start(root.path());
    process.hold(0.5);
    process.until(0..=0).await;
    assert_eq!(process.get("/normal").await.status, 200);
    assert!(!process.get("/normal").await.says("connection: close"));

    process.hold(0.825);
    process.until(1..=1).await;
    process.hold(0.935);
    process.until(3..=3).await;
    assert!(process.get("/normal").await.says("connection: close"));

    process.hold(0.965);
    process.until(4..=4).await;
    let low = process.get("/low").await;
    assert!(low.status == 503 && low.says("retry-after: 5"), "{}", low.text);
    assert!(low.says("content-type: application/problem+json"), "{}", low.text);
    assert_eq!(process.get("/normal").await.status, 200);
    assert_eq!(process.get("/high").await.status, 200);
    assert!(process.get("/health").await.text.contains("degraded"));

    process.hold(1.05);
    process.until(5..=5).await;
    assert_eq!(process.get("/normal").await.status, 503);
    let begun = Instant::now();
    while process.get("/high").await.status != 503 {
        process.is_alive().await;
        assert!(begun.elapsed() < DEADLINE, "the high ones are last");
    }

    process.hold(0.5);
    process.until(0..=2).await;
    assert_eq!(process.get("/normal").await.status, 200);
    assert!(!process.get("/normal").await.says("connection: close"));
    let begun = Instant::now();
    while process.get("/health").await.text.contains("degraded") {
        assert!(begun.elapsed() < DEADLINE, "it is well again");
        sleep(Duration::from_millis(20)).await;
    }
}
