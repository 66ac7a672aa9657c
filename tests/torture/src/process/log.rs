use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader},
    sync::watch,
    time::{Instant, timeout},
};

use super::PATIENCE;
use crate::BoxError;

/// What a process says, line by line. Clones read the same one.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    lines: Mutex<Vec<Line>>,
    count: watch::Sender<Progress>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    lines: usize,
    ended: usize,
}

/// One line.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) text: String,
    pub(crate) at: Instant,
}

impl Line {
    /// Whether a worker of a cluster has said it of itself.
    pub(crate) fn is_of_a_worker(&self) -> bool {
        self.text.contains("\"worker\":")
    }
}

// ===== impl Log =====

impl Log {
    pub(super) fn new() -> Self {
        let count = watch::Sender::new(Progress::default());
        Self { shared: Arc::new(Shared { lines: Mutex::default(), count }) }
    }

    pub(super) async fn read(self, from: impl AsyncRead + Unpin) {
        let mut lines = BufReader::new(from).lines();
        while let Ok(Some(text)) = lines.next_line().await {
            let line = Line { text, at: Instant::now() };
            self.shared.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            self.shared.count.send_modify(|progress| progress.lines += 1);
        }
        self.shared.count.send_modify(|progress| progress.ended += 1);
    }

    /// How many lines there are.
    pub(crate) fn len(&self) -> usize {
        self.shared.count.borrow().lines
    }

    /// All lines from this one on.
    pub(crate) fn from(&self, first: usize) -> Vec<Line> {
        let lines = self.shared.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.get(first..).unwrap_or_default().to_vec()
    }

    /// The first line with `needle` in it.
    pub(crate) fn find(&self, needle: &str) -> Option<Line> {
        self.from(0).into_iter().find(|line| line.text.contains(needle))
    }

    /// Waits for a line with `needle` in it, the first of those from `first` on.
    ///
    /// # Errors
    ///
    /// Returns an error if there is none within half a minute, or the process ends before.
    pub(crate) async fn until(&self, first: usize, needle: &str) -> Result<Line, BoxError> {
        self.until_any(first, &[needle]).await
    }

    /// As [`until`](Self::until), with one of several words.
    ///
    /// # Errors
    ///
    /// As [`until`](Self::until).
    pub(crate) async fn until_any(&self, first: usize, needles: &[&str]) -> Result<Line, BoxError> {
        let has = |line: &Line| needles.iter().any(|needle| line.text.contains(needle));
        self.until_some(first, has, &format!("{needles:?}")).await
    }

    /// As [`until`](Self::until), with whatever is like that.
    ///
    /// # Errors
    ///
    /// As [`until`](Self::until).
    pub(crate) async fn until_some(
        &self,
        first: usize,
        has: impl Fn(&Line) -> bool,
        what: &str,
    ) -> Result<Line, BoxError> {
        let mut next = first;
        let look = || {
            let lines = self.from(next);
            next += lines.len();
            lines.into_iter().find(&has)
        };
        self.look(look).await.ok_or_else(|| {
            let words = self.last_words();
            format!("it never said {what}:\n{words}").into()
        })
    }

    /// Waits until the lines from `first` on are all there that there have to be; whether they came,
    /// within half a minute and before the process ended.
    pub(crate) async fn until_all(&self, first: usize, are: impl Fn(&[Line]) -> bool) -> bool {
        self.look(|| are(&self.from(first)).then_some(())).await.is_some()
    }

    /// Looks again with each line, until there is what is looked for.
    async fn look<T>(&self, mut found: impl FnMut() -> Option<T>) -> Option<T> {
        let mut progress = self.shared.count.subscribe();
        let looking = async {
            loop {
                let now = *progress.borrow_and_update();
                let seen = found();
                if seen.is_some() || now.ended == 2 || progress.changed().await.is_err() {
                    return seen;
                }
            }
        };
        timeout(PATIENCE, looking).await.ok().flatten()
    }

    pub(super) async fn closed(&self) {
        let mut progress = self.shared.count.subscribe();
        // Whoever inherited the pipe would hold it open; the lines so far are enough then.
        let _ = timeout(Duration::from_secs(1), progress.wait_for(|now| now.ended == 2)).await;
    }

    /// The last lines, to be read by people.
    pub(crate) fn last_words(&self) -> String {
        let lines = self.from(self.len().saturating_sub(12));
        let lines: Vec<_> = lines.iter().map(|line| format!("        | {}", line.text)).collect();
        lines.join("\n")
    }
}
