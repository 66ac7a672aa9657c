use std::{any::Any, cell::Cell, fmt, marker::PhantomData, sync::Arc};

use crate::TraceParent;

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
    // `None` while it is in scope. Boxed, as it is put there and taken back with every poll; the box
    // is used again by the thread's next request.
    request: Option<Box<CurrentRequest>>,
}

/// A request that this thread works on until this is dropped; see [`RequestContext::enter`].
// Also after a panic.
pub struct EnteredRequest<'c> {
    to: &'c mut Option<Box<CurrentRequest>>,
    outer: Option<Box<CurrentRequest>>,
    of_thread: PhantomData<*const ()>,
}

/// The request that this thread works on.
pub struct CurrentRequest {
    method: &'static str,
    route: Option<Arc<str>>,
    id: ShortText,
    deadline: Option<Moment>,
    trace: Option<TraceParent>,
    logged: bool,
    attached: Option<Box<dyn Any + Send + Sync>>,
}

/// What a request that is sent on behalf of the current one takes over from it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outgoing {
    /// What the current request is known by.
    pub id: ShortText,
    /// When nobody waits for its answer any longer; `None` if nobody limits it.
    pub deadline: Option<Moment>,
    /// The trace that it belongs to, if its client said so.
    pub trace: Option<TraceParent>,
}

/// A moment of the runtime's clock, which tests can pause: what `into_std` of tokio's `Instant`
/// gives and `from_std` takes. The core has no runtime, so it cannot name that.
#[expect(
    clippy::disallowed_types,
    reason = "it is made of tokio's, and never read from the system"
)]
pub type Moment = std::time::Instant;

/// A text that is copied without an allocation if it is short, as the ids that servers make are.
#[derive(Clone)]
pub struct ShortText(Text);

#[derive(Clone)]
enum Text {
    Short { length: u8, bytes: [u8; 32] },
    Long(Arc<str>),
}

thread_local! {
    static CURRENT: Cell<Option<Box<CurrentRequest>>> = const { Cell::new(None) };
    /// Of a request that has ended, for the next one.
    static SPARE: Cell<Option<Box<CurrentRequest>>> = const { Cell::new(None) };
}

// ===== impl RequestContext =====

impl RequestContext {
    /// A request with the method `method`, on the route with the template `route`, that is known
    /// by `id`.
    #[must_use]
    pub fn new(method: &'static str, route: Option<Arc<str>>, id: ShortText) -> Self {
        if let Some(mut spare) = SPARE.try_with(Cell::take).ok().flatten() {
            // One by one: made elsewhere, they would be copied. Of what is not named here, the last
            // request has left nothing.
            (spare.method, spare.route, spare.id) = (method, route, id);
            return Self { request: Some(spare) };
        }
        let (deadline, trace, attached) = (None, None, None);
        let request = CurrentRequest { method, route, id, deadline, trace, logged: true, attached };
        Self { request: Some(Box::new(request)) }
    }

    /// Sets when nobody waits for the answer any longer.
    #[must_use]
    pub fn deadline(mut self, deadline: Option<Moment>) -> Self {
        if let Some(request) = &mut self.request {
            request.deadline = deadline;
        }
        self
    }

    /// Sets the trace that the request belongs to.
    #[must_use]
    pub fn trace(mut self, trace: Option<TraceParent>) -> Self {
        if let Some(request) = &mut self.request {
            request.trace = trace;
        }
        self
    }

    /// Keeps the request out of the log's sight, which has a span of it already.
    #[must_use]
    pub fn has_span(mut self) -> Self {
        if let Some(request) = &mut self.request {
            request.logged = false;
        }
        self
    }

    /// Calls `work` as a part of the request.
    pub fn in_scope<R>(&mut self, work: impl FnOnce() -> R) -> R {
        let _entered = self.enter();
        work()
    }

    /// As [`in_scope`](Self::in_scope), until the guard is dropped. Guards are dropped in the
    /// reverse order of their making.
    ///
    /// # Examples
    ///
    /// ```
    /// use framework_core::{CurrentRequest, RequestContext};
    ///
    /// let id = || CurrentRequest::with(|request| request.id().to_owned());
    /// let mut request = RequestContext::new("GET", None, "r-1".into());
    /// let entered = request.enter();
    /// assert_eq!(id().as_deref(), Some("r-1"));
    /// drop(entered);
    /// assert_eq!(id(), None);
    /// ```
    #[must_use = "the request is left at once"]
    pub fn enter(&mut self) -> EnteredRequest<'_> {
        let outer = CURRENT.replace(self.request.take());
        EnteredRequest { to: &mut self.request, outer, of_thread: PhantomData }
    }
}

impl Drop for RequestContext {
    fn drop(&mut self) {
        let Some(mut request) = self.request.take() else { return };
        request.let_go();
        // A thread that ends has no next request.
        let _ = SPARE.try_with(|spare| spare.set(Some(request)));
    }
}

impl Drop for EnteredRequest<'_> {
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

impl fmt::Debug for EnteredRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnteredRequest").finish_non_exhaustive()
    }
}

// ===== impl CurrentRequest =====

impl CurrentRequest {
    /// Shows the request of this thread to `look`, if there is one that has no span. Within `look`
    /// there is none.
    pub fn with<R>(look: impl FnOnce(&mut Self) -> R) -> Option<R> {
        Self::visit(|request| request.logged.then(|| look(request))).flatten()
    }

    /// What requests take over that are sent on behalf of the one that this thread works on.
    #[must_use]
    pub fn outgoing() -> Option<Outgoing> {
        Self::visit(|request| {
            let Self { id, deadline, trace, .. } = request;
            Outgoing { id: id.clone(), deadline: *deadline, trace: *trace }
        })
    }

    fn visit<R>(look: impl FnOnce(&mut Self) -> R) -> Option<R> {
        let mut taken = CURRENT.try_with(Cell::take).ok().flatten();
        taken.as_ref()?;
        let put_back = PutBackTaken(&mut taken);
        put_back.0.as_deref_mut().map(look)
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
        let Self { method, deadline, trace, logged, .. } = *self;
        Self { method, route, id, deadline, trace, logged, attached: None }
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

    /// Lets go of what others may be waiting for to be gone.
    fn let_go(&mut self) {
        (self.route, self.attached) = (None, None);
        (self.deadline, self.trace, self.logged) = (None, None, true);
        if let Text::Long(_) = self.id.0 {
            self.id = "".into();
        }
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
    /// A text of 32 characters of ASCII, such as digits in hexadecimal. Bytes that are not ASCII
    /// make it an empty one.
    #[must_use]
    pub fn ascii(bytes: [u8; 32]) -> Self {
        let length = if bytes.is_ascii() { 32 } else { 0 };
        Self(Text::Short { length, bytes })
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Text::Short { .. } => str::from_utf8(self.as_bytes()).unwrap_or_default(),
            Text::Long(text) => text,
        }
    }

    /// The text in UTF-8.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Text::Short { length, bytes } => &bytes[..usize::from(*length).min(32)],
            Text::Long(text) => text.as_bytes(),
        }
    }
}

impl PartialEq for ShortText {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for ShortText {}

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
struct PutBackTaken<'c>(&'c mut Option<Box<CurrentRequest>>);

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
    fn a_request_with_a_span_is_seen_by_what_is_sent_on_and_not_by_the_log() {
        let mut request = RequestContext::new("GET", None, "r-1".into()).has_span();
        request.in_scope(|| {
            assert!(CurrentRequest::with(|_| ()).is_none());
            assert_eq!(CurrentRequest::outgoing().unwrap().id.as_str(), "r-1");
            assert_eq!(CurrentRequest::outgoing().unwrap().id.as_str(), "r-1");
        });
        assert!(CurrentRequest::outgoing().is_none());
    }

    #[test]
    fn what_a_request_held_is_let_go_of_and_nothing_of_it_is_seen_by_the_next() {
        let (route, kept) = (Arc::<str>::from("/old"), Arc::new(()));
        let mut old =
            RequestContext::new("PUT", Some(Arc::clone(&route)), "x".repeat(40)[..].into())
                .trace("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().ok())
                .has_span();
        old.request.as_mut().unwrap().attached(|_| Arc::clone(&kept));
        drop(old);
        assert_eq!((Arc::strong_count(&route), Arc::strong_count(&kept)), (1, 1));
        let mut new = RequestContext::new("GET", None, "r-2".into());
        new.in_scope(|| {
            let fields = CurrentRequest::with(|request| request.fields().map(|f| f.1.to_owned()));
            assert_eq!(fields.unwrap(), ["GET", "unmatched", "r-2"]);
            let outgoing = CurrentRequest::outgoing().unwrap();
            assert!(outgoing.trace.is_none() && outgoing.deadline.is_none());
            assert!(CurrentRequest::with(|request| request.attached.is_none()).unwrap());
        });
    }

    #[test]
    fn a_text_is_itself_however_long_it_is() {
        for length in [0, 1, 31, 32, 33, 128] {
            let text = "é".repeat(length / 2) + &"x".repeat(length % 2);
            assert_eq!(ShortText::from(text.as_str()).as_str(), text);
        }
        assert_eq!(ShortText::ascii([b'7'; 32]).as_str(), "7".repeat(32));
        assert_eq!(ShortText::ascii([0xe9; 32]).as_str(), "");
    }
}
