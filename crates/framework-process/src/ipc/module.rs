use std::{fmt, future::Future, sync::Arc, time::Duration};

use framework_core::{
    BoxError, Context, Contributed, Contribution, Issue, Module, Order, Registrar, Unclaimed,
};

use super::{HandlerError, Handlers, IpcError, Message, Request, To};
use crate::{WorkerLink, codes};

/// Has the workers of a cluster speak to each other.
///
/// It provides [`Peers`], and hands what other workers send to the handlers that modules contribute
/// with [`IpcExt`]. In an application of one process there are no others, and nothing is received.
///
/// # Examples
///
/// ```
/// use framework_core::module_fn;
/// use framework_process::ipc::{IpcExt, Message, Peers};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct FeedProcessed {
///     feed: String,
/// }
///
/// impl Message for FeedProcessed {
///     const NAME: &'static str = "feeds.processed";
/// }
///
/// let feeds = module_fn("feeds", |reg| {
///     let peers = reg.need::<Peers>();
///     reg.on_message(|_cx, done: FeedProcessed, _sender| async move {
///         println!("another worker has processed {}", done.feed);
///         Ok(())
///     });
///     reg.setup("tell", move |cx| async move {
///         cx.get(&peers).broadcast(&FeedProcessed { feed: "news".to_owned() })?;
///         Ok(())
///     });
/// });
/// # let _ = feeds;
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct IpcModule;

/// The other workers of the cluster.
#[derive(Clone, Debug)]
pub struct Peers {
    link: Option<Arc<WorkerLink>>,
}

/// Who sent a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sender {
    /// The slot of the worker.
    pub slot: u32,
}

/// Words for [`Registrar`] about messages between processes.
pub trait IpcExt: sealed::Sealed {
    /// Hands each message of type `M` that another worker sends to `handler`, one after the other.
    /// An error is a line in the log.
    #[track_caller]
    fn on_message<M, F, R>(&mut self, handler: F)
    where
        M: Message,
        F: Fn(Context, M, Sender) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), BoxError>> + Send + 'static;

    /// Answers each request of type `R` that another worker makes with what `handler` returns. An
    /// error is the other worker's [`IpcError::Remote`].
    #[track_caller]
    fn on_request<R, F, A>(&mut self, handler: F)
    where
        R: Request,
        F: Fn(Context, R, Sender) -> A + Send + Sync + 'static,
        A: Future<Output = Result<R::Reply, BoxError>> + Send + 'static;
}

type Add = Arc<dyn Fn(Handlers, Context) -> Result<Handlers, HandlerError> + Send + Sync>;

/// What a module does with messages of one name.
pub struct MessageHandler {
    name: &'static str,
    add: Add,
}

impl Contribution for MessageHandler {
    const KIND: &'static str = "message handler";
    // Whoever handles messages mostly sends some too, and so relies on the collector.
    const ORDER: Order = Order::Independent;
    const UNCLAIMED: Unclaimed = Unclaimed::Reject;
}

// ===== impl IpcExt =====

impl IpcExt for Registrar<'_> {
    #[track_caller]
    fn on_message<M, F, R>(&mut self, handler: F)
    where
        M: Message,
        F: Fn(Context, M, Sender) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        let handler = Arc::new(handler);
        let add = move |handlers: Handlers, cx: Context| {
            let handler = Arc::clone(&handler);
            handlers.on(move |message: M, from| handler(cx.clone(), message, Sender::of(from)))
        };
        self.contribute(MessageHandler { name: M::NAME, add: Arc::new(add) });
    }

    #[track_caller]
    fn on_request<R, F, A>(&mut self, handler: F)
    where
        R: Request,
        F: Fn(Context, R, Sender) -> A + Send + Sync + 'static,
        A: Future<Output = Result<R::Reply, BoxError>> + Send + 'static,
    {
        let handler = Arc::new(handler);
        let add = move |handlers: Handlers, cx: Context| {
            let handler = Arc::clone(&handler);
            handlers.answer(move |request: R, from| handler(cx.clone(), request, Sender::of(from)))
        };
        self.contribute(MessageHandler { name: R::NAME, add: Arc::new(add) });
    }
}

impl Sender {
    fn of(slot: Option<u32>) -> Self {
        // Whoever passes messages on between workers says whose they are.
        Self { slot: slot.unwrap_or_default() }
    }
}

// ===== impl IpcModule =====

impl IpcModule {
    /// A module that connects the workers.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

impl Module for IpcModule {
    fn name(&self) -> &'static str {
        "ipc"
    }

    fn register(self, reg: &mut Registrar<'_>) {
        let link = reg.need_optional::<WorkerLink>();
        let handlers = reg.collect::<MessageHandler>();
        let all = handlers.clone();
        reg.gate("messages", move |view| twice(view.collected(&all)));
        let known = link.clone();
        reg.provide(move |cx| async move { Ok(Peers { link: cx.get_optional(&known) }) });
        reg.setup("listen", move |cx| async move {
            let Some(link) = cx.get_optional(&link) else { return Ok(()) };
            let mut all = Handlers::new();
            for handler in cx.collected(&handlers) {
                let (shutdown, environment) =
                    (cx.shutdown_token().clone(), Arc::clone(cx.environment()));
                let (module, id) = (handler.module(), handler.module_id());
                let own = Context::within(module, id, shutdown, environment);
                all = (handler.item().add)(all, own)?;
            }
            link.handle(all);
            Ok(())
        });
    }
}

/// Of two handlers of one name, only one could be asked.
fn twice(handlers: &[Contributed<MessageHandler>]) -> Vec<Issue> {
    let mut issues = Vec::new();
    for (at, second) in handlers.iter().enumerate() {
        let name = second.item().name;
        let Some(first) = handlers[..at].iter().find(|first| first.item().name == name) else {
            continue;
        };
        let summary = format!("two modules handle messages called `{name}`");
        let issue = Issue::new(&codes::TWO_HANDLERS, summary)
            .evidence(format!("`{}` at {}", first.module(), first.location()))
            .evidence(format!("`{}` at {}", second.module(), second.location()))
            .help("give one of the messages another `NAME`, or leave one of the handlers out");
        issues.push(issue);
    }
    issues
}

// ===== impl Peers =====

impl Peers {
    /// The slot of this worker; `None` in an application of one process.
    #[must_use]
    pub fn slot(&self) -> Option<u32> {
        self.link.as_ref().map(|link| link.slot())
    }

    /// Sends `message` to every other worker that is ready. In an application of one process there
    /// is none.
    ///
    /// # Errors
    ///
    /// When too much is waiting, or the primary is gone.
    pub fn broadcast<M: Message>(&self, message: &M) -> Result<(), IpcError> {
        match &self.link {
            Some(link) => link.peer().send(To::Others, message),
            None => Ok(()),
        }
    }

    /// Sends `message` to the worker in `slot`.
    ///
    /// # Errors
    ///
    /// When too much is waiting, or the primary is gone. That there is nobody in the slot is not
    /// told: use [`call`](Self::call) for what has to arrive.
    pub fn send<M: Message>(&self, slot: u32, message: &M) -> Result<(), IpcError> {
        match &self.link {
            Some(link) => link.peer().send(To::Slot(slot), message),
            None => Err(IpcError::NoSuchSlot { slot }),
        }
    }

    /// Asks the worker in `slot`, and waits no longer than `limit` for its answer.
    ///
    /// # Errors
    ///
    /// When there is no answer: see [`IpcError`].
    pub async fn call<R: Request>(
        &self,
        slot: u32,
        request: &R,
        limit: Duration,
    ) -> Result<R::Reply, IpcError> {
        match &self.link {
            Some(link) => link.peer().call(To::Slot(slot), request, limit).await,
            None => Err(IpcError::NoSuchSlot { slot }),
        }
    }
}

impl fmt::Debug for MessageHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageHandler").field("name", &self.name).finish_non_exhaustive()
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for framework_core::Registrar<'_> {}
}
