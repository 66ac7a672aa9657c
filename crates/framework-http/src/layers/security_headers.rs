use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::response::Response;
use framework_config::{Faults, Settings, duration};
use http::{HeaderName, HeaderValue, header};
use pin_project_lite::pin_project;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tower::{Layer, Service};

use super::layer_module;

/// What browsers are told to refrain from: section `security_headers`. An empty text leaves its
/// header out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SecurityHeadersSettings {
    /// `content-security-policy`. The default suits an application without pages.
    pub content_security_policy: String,
    /// `x-frame-options`.
    pub frame_options: String,
    /// `referrer-policy`.
    pub referrer_policy: String,
    /// For how long browsers must come by TLS (`strict-transport-security`). `0s` leaves it out:
    /// once said, it cannot be taken back.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub hsts: Duration,
}

layer_module! {
    /// Adds headers to every response that tell browsers what not to do with it. A header that a
    /// handler has set stays as it is.
    SecurityHeadersModule(SecurityHeadersSettings) = "http-security-headers", "security_headers", Outer, |settings| Ok(settings.layer()?)
}

/// A header's text is none that HTTP allows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` holds what no header can")]
#[non_exhaustive]
pub struct SecurityHeadersError {
    /// The key.
    pub key: &'static str,
}

/// [`SecurityHeadersSettings`] as a layer.
#[derive(Clone, Debug)]
pub struct SecurityHeadersLayer {
    headers: Arc<[(HeaderName, HeaderValue)]>,
}

/// [`SecurityHeadersLayer`] around a service.
#[derive(Clone, Debug)]
pub struct SecurityHeaders<S> {
    inner: S,
    headers: Arc<[(HeaderName, HeaderValue)]>,
}

pin_project! {
    /// A response that is still to get its headers.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct SecurityHeadersFuture<F> {
        #[pin]
        inner: F,
        headers: Arc<[(HeaderName, HeaderValue)]>,
    }
}

impl Default for SecurityHeadersSettings {
    fn default() -> Self {
        Self {
            content_security_policy: "default-src 'none'; frame-ancestors 'none'".to_owned(),
            frame_options: "DENY".to_owned(),
            referrer_policy: "no-referrer".to_owned(),
            hsts: Duration::ZERO,
        }
    }
}

impl Settings for SecurityHeadersSettings {
    fn validate(&self, faults: &mut Faults) {
        if let Err(error) = self.layer() {
            faults.add(error.key, "holds what no header can");
        }
    }
}

impl SecurityHeadersSettings {
    /// These settings as a tower layer.
    ///
    /// # Errors
    ///
    /// Returns an error if a text cannot be a header's value.
    pub fn layer(&self) -> Result<SecurityHeadersLayer, SecurityHeadersError> {
        let mut headers =
            vec![(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"))];
        for (key, name, text) in [
            (
                "content_security_policy",
                header::CONTENT_SECURITY_POLICY,
                &self.content_security_policy,
            ),
            ("frame_options", header::X_FRAME_OPTIONS, &self.frame_options),
            ("referrer_policy", header::REFERRER_POLICY, &self.referrer_policy),
        ] {
            if !text.is_empty() {
                let value = text.parse().map_err(|_| SecurityHeadersError { key })?;
                headers.push((name, value));
            }
        }
        if !self.hsts.is_zero() {
            let text = format!("max-age={}; includeSubDomains", self.hsts.as_secs());
            let value = text.parse().map_err(|_| SecurityHeadersError { key: "hsts" })?;
            headers.push((header::STRICT_TRANSPORT_SECURITY, value));
        }
        Ok(SecurityHeadersLayer { headers: headers.into() })
    }
}

impl<S> Layer<S> for SecurityHeadersLayer {
    type Service = SecurityHeaders<S>;

    fn layer(&self, inner: S) -> SecurityHeaders<S> {
        SecurityHeaders { inner, headers: Arc::clone(&self.headers) }
    }
}

impl<S, R> Service<R> for SecurityHeaders<S>
where
    S: Service<R, Response = Response>,
{
    type Response = Response;
    type Error = S::Error;
    type Future = SecurityHeadersFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let headers = Arc::clone(&self.headers);
        SecurityHeadersFuture { inner: self.inner.call(request), headers }
    }
}

impl<F, E> Future for SecurityHeadersFuture<F>
where
    F: Future<Output = Result<Response, E>>,
{
    type Output = Result<Response, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        for (name, value) in this.headers.iter() {
            response.headers_mut().entry(name).or_insert_with(|| value.clone());
        }
        Poll::Ready(Ok(response))
    }
}
