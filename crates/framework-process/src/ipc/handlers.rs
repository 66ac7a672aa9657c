use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    os::fd::OwnedFd,
    sync::{Arc, OnceLock},
    time::Duration,
};

use framework_core::{BoxError, BoxFuture};

use super::{
    IpcError, Message, Request, To,
    frame::{HEADER, hash},
};

/// What is done with what comes in.
///
/// Clones share their handlers.
#[derive(Clone, Default)]
pub struct Handlers {
    by_name: HashMap<u64, Handler>,
    names: BTreeMap<&'static str, u32>,
    forward: Option<Arc<dyn Forward>>,
    late: Option<Arc<OnceLock<Self>>>,
}

/// Two handlers cannot be told apart.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("two handlers answer `{name}`: give one of the messages another name")]
#[non_exhaustive]
pub struct HandlerError {
    /// The name that both go by.
    pub name: &'static str,
}

/// A message as it came in.
#[derive(Debug)]
pub struct Incoming {
    /// The number of its sender, if that was passed on by somebody who knows it; in a cluster, its
    /// slot.
    pub from: Option<u32>,
    pub(super) body: Vec<u8>,
    /// What came along with it.
    pub descriptors: Vec<OwnedFd>,
}

/// An answer as it goes out.
#[derive(Debug)]
pub struct Outgoing {
    // With room for the header.
    pub(super) bytes: Vec<u8>,
    /// What goes along with it.
    pub descriptors: Vec<OwnedFd>,
}

/// A message that is passed on as it is.
#[derive(Clone, Debug)]
pub struct Forwarded {
    pub(super) name: u64,
    pub(super) body: Arc<[u8]>,
}

impl Forwarded {
    /// A message, for whoever passes it on.
    ///
    /// # Errors
    ///
    /// When it cannot be put into bytes.
    pub fn of<M: Message>(message: &M) -> Result<Self, IpcError> {
        Ok(Self { name: hash(M::NAME), body: postcard::to_stdvec(message)?.into() })
    }
}

/// Passes on what is for another process than this one.
pub trait Forward: Send + Sync + 'static {
    /// Passes a message on to `to`, and returns the answer where one is waited for: no longer than
    /// `limit`.
    fn forward(
        &self,
        to: To,
        message: Forwarded,
        limit: Option<Duration>,
    ) -> BoxFuture<Result<Outgoing, IpcError>>;
}

type Answer = BoxFuture<Result<Outgoing, IpcError>>;

type Handle = Arc<dyn Fn(Incoming) -> Answer + Send + Sync>;

#[derive(Clone)]
pub(super) enum Handler {
    Message(Handle),
    Request(Handle),
}

impl Handlers {
    /// Handlers of nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Hands each message of type `M` to `handler`, one after the other in the order in which they
    /// came. The second argument is the number of the sender, where it is known.
    ///
    /// # Errors
    ///
    /// When there is a handler for messages of this name.
    pub fn on<M, F, R>(self, handler: F) -> Result<Self, HandlerError>
    where
        M: Message,
        F: Fn(M, Option<u32>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        let handler = decoded(move |message: M, incoming| {
            let handled = handler(message, incoming.from);
            async move { handled.await.map(|()| Ok(Outgoing::none())) }
        });
        self.add::<M>(Handler::Message(handler))
    }

    /// Answers each request of type `R` with what `handler` returns. Requests are worked on side by
    /// side, each within its deadline.
    ///
    /// # Errors
    ///
    /// When there is a handler for messages of this name.
    pub fn answer<R, F, A>(self, handler: F) -> Result<Self, HandlerError>
    where
        R: Request,
        F: Fn(R, Option<u32>) -> A + Send + Sync + 'static,
        A: Future<Output = Result<R::Reply, BoxError>> + Send + 'static,
    {
        let handler = decoded(move |request: R, incoming| {
            let answered = handler(request, incoming.from);
            async move { answered.await.map(|reply| Outgoing::of(&reply)) }
        });
        self.add::<R>(Handler::Request(handler))
    }

    /// As [`answer`](Self::answer), for requests or answers that descriptors go along with.
    ///
    /// # Errors
    ///
    /// When there is a handler for messages of this name.
    pub fn answer_with_descriptors<R, F, A>(self, handler: F) -> Result<Self, HandlerError>
    where
        R: Request,
        F: Fn(R, Vec<OwnedFd>) -> A + Send + Sync + 'static,
        A: Future<Output = Result<(R::Reply, Vec<OwnedFd>), BoxError>> + Send + 'static,
    {
        let handler = decoded(move |request: R, incoming| {
            let answered = handler(request, incoming.descriptors);
            async move {
                let (reply, descriptors) = answered.await?;
                Ok(Outgoing::of(&reply).map(|reply| Outgoing { descriptors, ..reply }))
            }
        });
        self.add::<R>(Handler::Request(handler))
    }

    /// Passes on what is for others through `forward`. Without it, such messages are refused.
    #[must_use]
    pub fn forward(mut self, forward: Arc<dyn Forward>) -> Self {
        self.forward = Some(forward);
        self
    }

    /// Looks in `late` for what it has no handler for: handlers that are only known when messages
    /// can come already. They are not part of the [`schema`](Self::schema).
    #[must_use]
    pub fn late(mut self, late: Arc<OnceLock<Self>>) -> Self {
        self.late = Some(late);
        self
    }

    /// All of these, and those of `others`.
    ///
    /// # Errors
    ///
    /// When both have a handler for messages of one name.
    pub fn merge(mut self, others: Self) -> Result<Self, HandlerError> {
        for (name, version) in others.names {
            if self.names.insert(name, version).is_some() {
                return Err(HandlerError { name });
            }
        }
        self.by_name.extend(others.by_name);
        self.forward = self.forward.or(others.forward);
        self.late = self.late.or(others.late);
        Ok(self)
    }

    /// A number that is the same for all processes that know the same messages in the same
    /// versions.
    #[must_use]
    pub fn schema(&self) -> u64 {
        let text: String =
            self.names.iter().map(|(name, version)| format!("{name}@{version};")).collect();
        hash(&text)
    }

    pub(super) fn find(&self, name: u64) -> Option<&Handler> {
        let late = || self.late.as_ref()?.get()?.by_name.get(&name);
        self.by_name.get(&name).or_else(late)
    }

    pub(super) fn forwards(&self) -> Option<&Arc<dyn Forward>> {
        self.forward.as_ref()
    }

    fn add<M: Message>(mut self, handler: Handler) -> Result<Self, HandlerError> {
        if self.by_name.insert(hash(M::NAME), handler).is_some() {
            return Err(HandlerError { name: M::NAME });
        }
        self.names.insert(M::NAME, M::VERSION);
        Ok(self)
    }
}

/// Reads a message before it is handled. What the handler fails with, and what cannot be read, are
/// told to the other side; the inner result is of putting the answer into bytes.
fn decoded<M, F, R>(handler: F) -> Handle
where
    M: Message,
    F: Fn(M, Incoming) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Result<Outgoing, IpcError>, BoxError>> + Send + 'static,
{
    Arc::new(move |incoming| match postcard::from_bytes::<M>(&incoming.body) {
        Err(error) => {
            let unreadable = format!("`{}` cannot be read: {error}", M::NAME);
            Box::pin(async move { Err(IpcError::Remote(unreadable)) })
        }
        Ok(message) => {
            let handled = handler(message, incoming);
            Box::pin(
                async move { handled.await.map_err(|error| IpcError::Remote(error.to_string()))? },
            )
        }
    })
}

impl Outgoing {
    /// What stands for the answer to a message that has none.
    #[must_use]
    pub fn none() -> Self {
        Self { bytes: vec![0; HEADER], descriptors: Vec::new() }
    }

    pub(super) fn of<T: serde::Serialize>(value: &T) -> Result<Self, IpcError> {
        let bytes = postcard::to_extend(value, vec![0; HEADER])?;
        Ok(Self { bytes, descriptors: Vec::new() })
    }

    pub(super) fn raw(body: &[u8]) -> Self {
        let mut bytes = vec![0; HEADER];
        bytes.extend_from_slice(body);
        Self { bytes, descriptors: Vec::new() }
    }

    /// What it says, in the form of postcard.
    #[must_use]
    pub fn into_body(mut self) -> Vec<u8> {
        self.bytes.split_off(HEADER)
    }

    pub(super) fn body(&self) -> &[u8] {
        &self.bytes[HEADER..]
    }
}

impl fmt::Debug for Handlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Serialize, Deserialize)]
    struct One;

    impl Message for One {
        const NAME: &'static str = "test.one";
    }

    #[derive(Serialize, Deserialize)]
    struct Newer;

    impl Message for Newer {
        const NAME: &'static str = "test.one";
        const VERSION: u32 = 2;
    }

    #[test]
    fn two_handlers_of_one_name_are_refused() {
        let one = || Handlers::new().on(async |One, _| Ok(())).unwrap();
        let error = one().on(async |One, _| Ok(())).unwrap_err();
        assert_eq!(error, HandlerError { name: "test.one" });
        assert_eq!(one().merge(one()).unwrap_err(), HandlerError { name: "test.one" });
    }

    #[test]
    fn another_version_is_another_schema_and_order_is_not() {
        let one = Handlers::new().on(async |One, _| Ok(())).unwrap();
        let newer = Handlers::new().on(async |Newer, _| Ok(())).unwrap();
        assert_ne!(one.schema(), newer.schema());
        assert_ne!(one.schema(), Handlers::new().schema());
        assert_eq!(one.schema(), one.clone().schema());
    }
}
