use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
};

use serde_json::Value;

use super::{
    ControlError, Request,
    protocol::{LONGEST, Line},
};

/// Speaks to a running process.
#[derive(Debug)]
pub struct ControlClient {
    stream: UnixStream,
}

impl ControlClient {
    /// Connects to the process that listens at `path`.
    ///
    /// # Errors
    ///
    /// When nobody does, or this user may not speak to it.
    pub fn connect(path: &Path) -> Result<Self, ControlError> {
        let stream = UnixStream::connect(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                ControlError::NotRunning { path: path.to_owned(), source }
            }
            _ => ControlError::Socket { path: path.to_owned(), source },
        })?;
        Ok(Self { stream })
    }

    /// Asks, shows each step of the way to `progress`, and returns the answer.
    ///
    /// It waits as long as the other side takes: a restart of many workers takes its time.
    ///
    /// # Errors
    ///
    /// When the process refuses, ends meanwhile, or answers in a way that is not understood.
    pub fn ask(
        mut self,
        request: &Request,
        mut progress: impl FnMut(&Value),
    ) -> Result<Value, ControlError> {
        let mut text = serde_json::to_vec(request).map_err(ControlError::Garbled)?;
        text.push(b'\n');
        // Whoever hangs up without listening may have said why.
        let _ = self.stream.write_all(&text);
        let mut lines = BufReader::new(&self.stream);
        loop {
            let mut line = Vec::new();
            let read = (&mut lines).take(LONGEST).read_until(b'\n', &mut line);
            if read.map_err(|_| ControlError::Gone)? == 0 {
                return Err(ControlError::Gone);
            }
            match serde_json::from_slice(&line).map_err(ControlError::Garbled)? {
                Line::Progress(step) => progress(&step),
                Line::Done(answer) => return Ok(answer),
                Line::Refused(refused) => return Err(refused.into()),
            }
        }
    }
}
