use std::{any::Any, cell::Cell, fmt, sync::Arc};

/// The target of the spans that servers make for requests.
pub const REQUEST_TARGET: &str = "framework::request";

/// What the log says of a request with each line that is written on its behalf.
///
/// A span for each request costs more than all else that a server does around a handler, and most
/// requests log nothing. So a server leaves this where the log finds it, for as long as a handler
/// is polled ([`in_scope`](Self::in_scope)): events carry its values, and so do spans that begin
/// there, wherever they are entered later. `Span::current()` makes a real span of it.
///
/// Only the framework's own log looks for it, and only if it has no layers of others, to which
/// spans are shown. A server therefore asks for a span of the target [`REQUEST_TARGET`] first, and
/// takes this where that is disabled.
///
/// # Examples
///
/// ```
/// use framework_core::{CurrentRequest, RequestContext};
///
/// let id = || CurrentRequest::with(|request| request.id().to_owned());
/// let mut request = RequestContext::new("GET", Some("/products/{id}".into()), "r-1".into());
/// assert_eq!(request.in_scope(id).as_deref(), Some("r-1"));
/// assert_eq!(id(), None);
/// ```
pub struct RequestContext {
    // `None` while it is in scope.
    request: Option<CurrentRequest>,
}

/// The request that this thread works on.
pub struct CurrentRequest {
    method: &'static str,
    route: Option<Arc<str>>,
    id: ShortText,
    attached: Option<Box<dyn Any + Send + Sync>>,
}

/// A text that is copied without an allocation if it is short, as the ids that servers make are.
#[derive(Clone)]
pub struct ShortText(Text);

#[derive(Clone)]
enum Text {
    Short { length: u8, bytes: [u8; 32] },
    Long(Arc<str>),
}

thread_local! {
    static CURRENT: Cell<Option<CurrentRequest>> = const { Cell::new(None) };
}

// ===== impl RequestContext =====

impl RequestContext {
    /// A request with the method `method`, on the route with the template `route`, that is known
    /// by `id`.
    #[must_use]
    pub fn new(method: &'static str, route: Option<Arc<str>>, id: ShortText) -> Self {
        Self { request: Some(CurrentRequest { method, route, id, attached: None }) }
    }

    /// Calls `work` as a part of the request.
    pub fn in_scope<R>(&mut self, work: impl FnOnce() -> R) -> R {
        let outer = CURRENT.replace(self.request.take());
        let _put_back = PutBack { to: &mut self.request, outer };
        work()
    }
}

/// Takes a context off the thread, also after a panic.
struct PutBack<'c> {
    to: &'c mut Option<CurrentRequest>,
    outer: Option<CurrentRequest>,
}

impl Drop for PutBack<'_> {
    fn drop(&mut self) {
        *self.to = CURRENT.replace(self.outer.take());
    }
}

impl fmt::Debug for RequestContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.request.as_ref().map(|request| request.id());
        f.debug_struct("RequestContext").field("id", &id).finish_non_exhaustive()
    }
}

// ===== impl CurrentRequest =====

impl CurrentRequest {
    /// Shows the request of this thread to `look`, if there is one. Within `look` there is none.
    pub fn with<R>(look: impl FnOnce(&mut Self) -> R) -> Option<R> {
        let mut taken = CURRENT.try_with(Cell::take).ok().flatten();
        taken.as_ref()?;
        let put_back = PutBackTaken(&mut taken);
        put_back.0.as_mut().map(look)
    }

    /// The values as a span has them: `method`, `route`, `request_id`.
    #[must_use]
    pub fn fields(&self) -> [(&'static str, &str); 3] {
        [("method", self.method), ("route", self.route()), ("request_id", self.id())]
    }

    /// A copy for a span, which then has the values wherever it goes.
    #[must_use]
    pub fn copy(&self) -> Self {
        let (route, id) = (self.route.clone(), self.id.clone());
        Self { method: self.method, route, id, attached: None }
    }

    /// Something that is kept with the request until its end: made when it is first asked for, and
    /// made anew where something of another type was kept.
    #[expect(clippy::missing_panics_doc, reason = "it cannot: the type was checked or made")]
    pub fn attached<T: Any + Send + Sync>(&mut self, make: impl FnOnce(&Self) -> T) -> &T {
        let kept = self.attached.take().filter(|kept| kept.is::<T>());
        let kept = kept.unwrap_or_else(|| Box::new(make(self)));
        let kept = self.attached.insert(kept);
        kept.downcast_ref().expect("it is of this type, or was made just now")
    }

    /// The method, in capitals.
    #[must_use]
    pub fn method(&self) -> &'static str {
        self.method
    }

    /// The template of the route; `unmatched` where there is none.
    #[must_use]
    pub fn route(&self) -> &str {
        self.route.as_deref().unwrap_or("unmatched")
    }

    /// What the request is known by.
    #[must_use]
    pub fn id(&self) -> &str {
        self.id.as_str()
    }
}

impl fmt::Debug for CurrentRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CurrentRequest").field("id", &self.id()).finish_non_exhaustive()
    }
}

// ===== impl ShortText =====

impl ShortText {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Text::Short { length, bytes } => {
                str::from_utf8(&bytes[..usize::from(*length).min(32)]).unwrap_or_default()
            }
            Text::Long(text) => text,
        }
    }
}

impl From<&str> for ShortText {
    fn from(text: &str) -> Self {
        let mut bytes = [0; 32];
        match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(into), Ok(length)) => {
                into.copy_from_slice(text.as_bytes());
                Self(Text::Short { length, bytes })
            }
            _ => Self(Text::Long(text.into())),
        }
    }
}

impl fmt::Debug for ShortText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

/// Puts a request back on its thread.
struct PutBackTaken<'c>(&'c mut Option<CurrentRequest>);

impl Drop for PutBackTaken<'_> {
    fn drop(&mut self) {
        let taken = self.0.take();
        // A thread that ends logs no more.
        let _ = CURRENT.try_with(|current| current.set(taken));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_itself_however_long_it_is() {
        for length in [0, 1, 31, 32, 33, 128] {
            let text = "é".repeat(length / 2) + &"x".repeat(length % 2);
            assert_eq!(ShortText::from(text.as_str()).as_str(), text);
        }
    }
}
