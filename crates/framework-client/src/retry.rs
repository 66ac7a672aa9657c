use std::time::Duration;

use http::{HeaderMap, Method, StatusCode, header};
use tokio::time::Instant;

use crate::{
    Answer, RetrySettings, attempt::AttemptError, budget::RetryBudget, random::Randomness,
};

/// Decides whether and when a call is tried again.
#[derive(Debug)]
pub(crate) struct RetryPolicy {
    pub(crate) settings: RetrySettings,
    pub(crate) budget: RetryBudget,
    pub(crate) random: Box<dyn Randomness>,
}

impl RetryPolicy {
    pub(crate) fn new(settings: RetrySettings, random: Box<dyn Randomness>) -> Self {
        Self { settings, budget: RetryBudget::new(settings.budget), random }
    }

    /// How long to wait before the next try; `None` if what came out is what there is. Takes a
    /// retry out of the budget.
    pub(crate) fn pause(
        &self,
        attempts: u32,
        came_out: &Result<Answer, AttemptError>,
        deadline: Instant,
    ) -> Option<Duration> {
        if attempts >= self.settings.max_attempts || !is_passing(came_out) {
            return None;
        }
        let asked = came_out.as_ref().ok().and_then(|answer| retry_after(answer.headers()));
        let pause = self.backoff(attempts).max(asked.unwrap_or_default());
        // Nobody would wait for the answer, so nobody should have the work.
        let now = Instant::now();
        let in_time = now.checked_add(pause).is_some_and(|then| then < deadline);
        (in_time && self.budget.take(now)).then_some(pause)
    }

    /// Anything from nothing to the whole pause, so that those who failed together come apart.
    fn backoff(&self, attempts: u32) -> Duration {
        let doubled = 1_u32.checked_shl(attempts.saturating_sub(1)).unwrap_or(u32::MAX);
        let longest = self.settings.base.saturating_mul(doubled).min(self.settings.max);
        longest.mul_f64(self.random.fraction())
    }
}

/// Whether a call of this method may be made twice.
pub(crate) fn is_repeatable(method: &Method, has_key: bool) -> bool {
    method.is_idempotent() || has_key
}

/// Whether it may be over the next time.
fn is_passing(came_out: &Result<Answer, AttemptError>) -> bool {
    match came_out {
        Ok(answer) => matches!(
            answer.status(),
            StatusCode::TOO_MANY_REQUESTS
                | StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT
        ),
        Err(AttemptError::Connect(_) | AttemptError::Transport(_)) => true,
        Err(AttemptError::TooLarge) => false,
    }
}

/// How long the answer asks to wait: in seconds, or as a moment, which is read against the answer's
/// own `date`, so that both clocks are one.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let then = httpdate::parse_http_date(text).ok()?;
    let date = headers.get(header::DATE)?.to_str().ok()?;
    Some(then.duration_since(httpdate::parse_http_date(date).ok()?).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[derive(Debug)]
    struct Always(f64);

    impl Randomness for Always {
        fn fraction(&self) -> f64 {
            self.0
        }
    }

    fn policy(fraction: f64) -> RetryPolicy {
        RetryPolicy::new(
            RetrySettings { max_attempts: 50, ..RetrySettings::default() },
            Box::new(Always(fraction)),
        )
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_are_any_part_of_that() {
        let whole: Vec<_> = (1..8).map(|tried| policy(0.999_999_999).backoff(tried)).collect();
        let millis: Vec<_> = whole.iter().map(|pause| pause.as_secs_f64() * 1000.0).collect();
        let expected = [50.0, 100.0, 200.0, 400.0, 800.0, 1600.0, 2000.0];
        assert!(millis.iter().zip(expected).all(|(is, should)| (is - should).abs() < 0.01));
        assert_eq!(policy(0.5).backoff(2), Duration::from_millis(50));
        assert_eq!(policy(0.0).backoff(40), Duration::ZERO);
        assert_eq!(policy(0.5).backoff(40), Duration::from_secs(1));
    }

    #[test]
    fn retry_after_is_seconds_or_a_moment() {
        let of = |after: &str, date: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, HeaderValue::from_str(after).unwrap());
            if let Some(date) = date {
                headers.insert(header::DATE, HeaderValue::from_str(date).unwrap());
            }
            retry_after(&headers)
        };
        let date = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(of("3", None), Some(Duration::from_secs(3)));
        assert_eq!(of("Sun, 06 Nov 1994 08:49:40 GMT", date), Some(Duration::from_secs(3)));
        assert_eq!(of("Sun, 06 Nov 1994 08:49:30 GMT", date), Some(Duration::ZERO));
        assert_eq!(of("Sun, 06 Nov 1994 08:49:40 GMT", None), None);
        assert_eq!(of("soon", date), None);
        assert_eq!(of("-1", date), None);
    }
}
