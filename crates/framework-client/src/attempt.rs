use bytes::Bytes;
use framework_core::BoxError;
use framework_observability::HttpClientMetrics;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use tokio::time::Instant;

use crate::{Answer, client::Pool};

/// Why a try brought no answer.
#[derive(Debug)]
pub(crate) enum AttemptError {
    Connect(BoxError),
    Transport(BoxError),
    TooLarge,
}

/// A try in progress, for the metrics: whoever gives it up drops it.
pub(crate) struct Observed<'m> {
    metrics: Option<&'m HttpClientMetrics>,
    method: &'static str,
    host: String,
    started: Instant,
    deadline: Instant,
    came_out: Option<CameOut>,
}

enum CameOut {
    Answer(StatusCode),
    Failure(&'static str),
}

/// Sends a request once, and reads its answer up to `max_bytes`.
pub(crate) async fn attempt(
    pool: &Pool,
    request: Request<Full<Bytes>>,
    max_bytes: usize,
    mut observed: Observed<'_>,
) -> Result<Answer, AttemptError> {
    let came_out = exchange(pool, request, max_bytes).await;
    observed.came_out = Some(match &came_out {
        Ok(answer) => CameOut::Answer(answer.status()),
        Err(AttemptError::Connect(_)) => CameOut::Failure("connect"),
        Err(AttemptError::Transport(_)) => CameOut::Failure("transport"),
        Err(AttemptError::TooLarge) => CameOut::Failure("too_large"),
    });
    came_out
}

async fn exchange(
    pool: &Pool,
    request: Request<Full<Bytes>>,
    max_bytes: usize,
) -> Result<Answer, AttemptError> {
    let response = pool.request(request).await.map_err(|error| {
        let connect = error.is_connect();
        // The pool says no more than that: what matters is what it was told.
        let error: BoxError = error.into();
        if connect { AttemptError::Connect(error) } else { AttemptError::Transport(error) }
    })?;
    read(response, max_bytes).await
}

async fn read(response: Response<Incoming>, max_bytes: usize) -> Result<Answer, AttemptError> {
    let (parts, body) = response.into_parts();
    if body.size_hint().lower() > max_bytes as u64 {
        return Err(AttemptError::TooLarge);
    }
    let collected = Limited::new(body, max_bytes).collect().await;
    let body = collected.map_err(|error| match error.is::<LengthLimitError>() {
        true => AttemptError::TooLarge,
        false => AttemptError::Transport(error),
    })?;
    Ok(Answer::new(parts.status, parts.headers, body.to_bytes()))
}

impl<'m> Observed<'m> {
    pub(crate) fn begin(
        metrics: Option<&'m HttpClientMetrics>,
        method: &http::Method,
        url: &Uri,
        deadline: Instant,
    ) -> Self {
        let host = metrics.map(|_| url.authority().map_or("", |authority| authority.as_str()));
        let host = host.unwrap_or_default().rsplit('@').next().unwrap_or_default().to_owned();
        let (method, started) = (known(method), Instant::now());
        Self { metrics, method, host, started, deadline, came_out: None }
    }
}

impl Drop for Observed<'_> {
    fn drop(&mut self) {
        let Some(metrics) = self.metrics else { return };
        let now = Instant::now();
        let status = match &self.came_out {
            Some(CameOut::Answer(status)) => status.as_str(),
            Some(CameOut::Failure(why)) => why,
            None if now >= self.deadline => "timeout",
            None => "cancelled",
        };
        metrics.finished(self.method, &self.host, status, now - self.started);
    }
}

/// Callers can invent methods, and would fill a metric's labels with them.
fn known(method: &http::Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("_OTHER")
}
