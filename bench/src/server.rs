use std::{
    env,
    io::{self, BufRead, BufReader},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tokio::time::Instant;

/// A server in a process of its own, which ends when this is dropped.
pub(crate) struct Server {
    process: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// The bare axum server.
    pub(crate) fn bare() -> io::Result<Self> {
        Self::printing("bare")
    }

    /// A server that prints where it listens.
    pub(crate) fn printing(name: &str) -> io::Result<Self> {
        let mut process = server(name)?.stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let output = process.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        BufReader::new(output).read_line(&mut line)?;
        let address = line.trim().parse().map_err(io::Error::other)?;
        Ok(Self { process, address })
    }

    /// An application built on the framework.
    pub(crate) fn app(name: &str) -> io::Result<Self> {
        Self::app_with(name, &[])
    }

    /// As [`app`](Self::app), configured by these variables, whose names lack the application's.
    pub(crate) fn app_with(name: &str, variables: &[(&str, &str)]) -> io::Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let prefix = name.to_uppercase();
        let process = server(name)?
            .env(format!("{prefix}_HTTP__ADDR"), address.to_string())
            .env(format!("{prefix}_ADMIN__ADDR"), "127.0.0.1:0")
            .envs(variables.iter().map(|(key, value)| (format!("{prefix}_{key}"), *value)))
            .current_dir(env::temp_dir())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { process, address })
    }

    /// So many workers of an application.
    pub(crate) fn cluster(name: &str, workers: usize) -> io::Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let prefix = name.to_uppercase();
        let process = server(name)?
            .arg("serve")
            .arg(format!("--cluster={workers}"))
            .env(format!("{prefix}_HTTP__ADDR"), address.to_string())
            .env(format!("{prefix}_ADMIN__ADDR"), "127.0.0.1:0")
            .current_dir(env::temp_dir())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { process, address })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Connects as soon as it listens.
    pub(crate) fn connect(&self) -> TcpStream {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            match TcpStream::connect(self.address) {
                Ok(connection) => return connection,
                Err(error) if Instant::now() > deadline => panic!("it does not listen: {error}"),
                Err(_) => std::thread::yield_now(),
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The command that starts a server, with an allocator as users have it.
fn server(name: &str) -> io::Result<Command> {
    let mut command = Command::new(beside(name)?);
    command.env_remove("MALLOC_TRIM_THRESHOLD_").env_remove("MALLOC_MMAP_THRESHOLD_");
    Ok(command)
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
