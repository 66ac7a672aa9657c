//! A call from its first try to its answer.

use bytes::Bytes;
use framework_core::{CurrentRequest, Outgoing};
use http::{HeaderMap, Method, Request, Uri};
use http_body_util::Full;
use tokio::time::{Instant, sleep, timeout_at};

use crate::{
    Answer, Call, CallError, CallLine,
    attempt::{AttemptError, Observed, attempt},
    client::Shared,
    headers,
    redirect::{self, MAX_REDIRECTS},
    retry::is_repeatable,
};

/// What is sent, with each try anew.
struct Message {
    method: Method,
    url: Uri,
    headers: HeaderMap,
    body: Bytes,
    deadline: Instant,
    repeatable: bool,
}

/// How a call came to its end.
enum End {
    Answered(Answer),
    Failed(AttemptError),
    TooManyRedirects,
}

/// As [`send`], and an answer that is no success is an error.
pub(crate) async fn succeed(call: Call) -> Result<(Box<CallLine>, Answer), CallError> {
    let (call, answer) = send(call).await?;
    if answer.status().is_success() {
        return Ok((call, answer));
    }
    Err(CallError::Status { call, answer: Box::new(answer) })
}

pub(crate) async fn send(call: Call) -> Result<(Box<CallLine>, Answer), CallError> {
    let Call { client, method, url, mut headers, body, timeout, deadline, fault } = call;
    let shared = &*client.shared;
    let mut line = Box::new(CallLine::new(&shared.name, method.clone(), &url));
    if let Some(source) = fault {
        return Err(CallError::Request { call: line, source });
    }
    let url = match url.parse::<Uri>() {
        Ok(url) if url.host().is_some() => url,
        Ok(_) => {
            let source = "it has no host: set `base_url`, or give a whole address".into();
            return Err(CallError::Request { call: line, source });
        }
        Err(error) => return Err(CallError::Request { call: line, source: error.into() }),
    };
    let current = CurrentRequest::outgoing();
    let now = Instant::now();
    let of_request = current.as_ref().and_then(deadline_of).into_iter().chain(deadline).min();
    if of_request.is_some_and(|moment| moment <= now) {
        return Err(CallError::DeadlineExpired { call: line });
    }
    if let Some(current) = &current {
        headers::pass_on(&mut headers, current);
    }
    let own = now.checked_add(timeout);
    // Some clocks end before a limit does that was meant as none.
    let deadline = own.into_iter().chain(of_request).min();
    let deadline = deadline.unwrap_or_else(|| now + NO_LIMIT);
    let repeatable = is_repeatable(&method, headers.contains_key(headers::IDEMPOTENCY_KEY));
    let message = Message { method, url, headers, body, deadline, repeatable };
    shared.retries.budget.earn();
    match timeout_at(deadline, run(shared, message, &mut line)).await {
        Ok(end) => end.told(line, shared),
        Err(_) => Err(CallError::Timeout { call: line, limit: deadline - now }),
    }
}

const NO_LIMIT: std::time::Duration = std::time::Duration::from_hours(24);

fn deadline_of(current: &Outgoing) -> Option<Instant> {
    current.deadline.map(Instant::from_std)
}

async fn run(shared: &Shared, mut message: Message, line: &mut CallLine) -> End {
    let mut redirects = 0;
    loop {
        line.attempts += 1;
        let came_out = message.attempt(shared).await;
        if let Ok(answer) = &came_out
            && let Some(to) = redirect::target(&message.method, &message.url, answer)
        {
            if redirects == MAX_REDIRECTS {
                return End::TooManyRedirects;
            }
            redirects += 1;
            // It got where it should go, and goes on from there: no try was lost.
            line.attempts -= 1;
            line.moved(&to);
            message.go_to(to);
            continue;
        }
        let tried = line.attempts;
        let pause =
            message.repeatable.then(|| shared.retries.pause(tried, &came_out, message.deadline));
        let Some(pause) = pause.flatten() else {
            return came_out.map_or_else(End::Failed, End::Answered);
        };
        tracing::debug!(call = %line, ?pause, "a call is tried again");
        sleep(pause).await;
    }
}

impl Message {
    async fn attempt(&self, shared: &Shared) -> Result<Answer, AttemptError> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.url.clone();
        *request.headers_mut() = self.headers.clone();
        headers::limit(request.headers_mut(), self.deadline);
        let metrics = shared.metrics.as_ref();
        let observed = Observed::begin(metrics, &self.method, &self.url, self.deadline);
        let max_bytes = shared.settings.max_response.as_usize();
        attempt(&shared.pool, request, max_bytes, observed).await
    }

    fn go_to(&mut self, to: Uri) {
        if !redirect::same_origin(&self.url, &to) {
            headers::forget_credentials(&mut self.headers);
        }
        self.url = to;
    }
}

impl End {
    fn told(
        self,
        call: Box<CallLine>,
        shared: &Shared,
    ) -> Result<(Box<CallLine>, Answer), CallError> {
        Err(match self {
            Self::Answered(answer) => return Ok((call, answer)),
            Self::Failed(AttemptError::Connect(source)) => CallError::Connect { call, source },
            Self::Failed(AttemptError::Transport(source)) => CallError::Transport { call, source },
            Self::Failed(AttemptError::TooLarge) => {
                CallError::TooLarge { call, limit: shared.settings.max_response.bytes() }
            }
            Self::TooManyRedirects => CallError::TooManyRedirects { call, limit: MAX_REDIRECTS },
        })
    }
}

#[cfg(test)]
mod tests;
