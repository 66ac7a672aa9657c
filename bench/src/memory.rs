use std::{
    env, fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tokio::time::Instant;

use crate::measure::{Row, median};

const ROUNDS: usize = 7;
const REQUESTS: usize = 200;

/// The idle memory of `hello` beside that of a bare axum server, after a few requests each.
pub(crate) fn run() -> Vec<Row> {
    let (mut bare, mut hello) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(Server::bare().expect("the bare server starts").idle_mib());
        hello.push(Server::hello().expect("hello starts").idle_mib());
    }
    let (bare, hello) = (median(bare), median(hello));
    vec![Row {
        what: "idle memory of `hello`, beside a bare axum server's".to_owned(),
        measured: format!("{:.2} × ({hello:.1} MiB, {bare:.1} MiB)", hello / bare),
        value: hello / bare,
        at_most: 1.5,
    }]
}

/// A server in a process of its own, which ends when this is dropped.
struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    fn bare() -> io::Result<Self> {
        let mut process = Command::new(beside("bare")?).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let output = process.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        BufReader::new(output).read_line(&mut line)?;
        let address = line.trim().parse().map_err(io::Error::other)?;
        Ok(Self { process, address })
    }

    fn hello() -> io::Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let process = Command::new(beside("hello")?)
            .env("HELLO_HTTP__ADDR", address.to_string())
            .env("HELLO_ADMIN__ADDR", "127.0.0.1:0")
            .current_dir(env::temp_dir())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { process, address })
    }

    /// The resident memory in MiB, after it has answered a few requests.
    fn idle_mib(&mut self) -> f64 {
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut connection = loop {
            match TcpStream::connect(self.address) {
                Ok(connection) => break connection,
                Err(error) if Instant::now() > deadline => panic!("it does not listen: {error}"),
                Err(_) => std::thread::yield_now(),
            }
        };
        let mut answer = [0; 1024];
        for _ in 0..REQUESTS {
            let request = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
            connection.write_all(request).expect("the server reads");
            let read = connection.read(&mut answer).expect("the server answers");
            assert!(answer[..read].starts_with(b"HTTP/1.1 200"), "it answers otherwise");
        }
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()));
        let status = status.expect("the process is there");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        kib.expect("the kernel says how much memory a process has") / 1024.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A binary of the same build.
fn beside(name: &str) -> io::Result<PathBuf> {
    let path = env::current_exe()?.with_file_name(name);
    if path.exists() {
        return Ok(path);
    }
    let text = format!("{} is not built: run `cargo xtask bench`", path.display());
    Err(io::Error::new(io::ErrorKind::NotFound, text))
}
