use std::{
    fmt,
    future::poll_fn,
    io,
    os::fd::{AsFd as _, OwnedFd},
    panic::AssertUnwindSafe,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use framework_core::{BoxFuture, is_planted};
use futures_util::FutureExt as _;
use tokio::{
    io::unix::AsyncFd,
    sync::{mpsc, watch},
    task::JoinSet,
    time::timeout,
};

use super::{
    BadFrame, Failure, Forwarded, Handlers, Incoming, IpcError, Message, Outgoing, Request, To,
    frame::{Header, Kind, hash},
    handlers::Handler,
    inbox::{self, Inbox, Look},
    lane::Lane,
    packets::{Packet, Received, is_full},
    pending::{Pending, Waiting},
};

/// How many messages of each lane may wait to be sent, and how many to be looked at.
const QUEUE: usize = 1024;

/// One end of a socket that two processes share; see the [module](super) for an example. Clones are the
/// same end.
#[derive(Clone)]
pub struct Peer {
    shared: Arc<Shared>,
}

/// Why two processes speak to each other no longer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Closed {
    /// The other process has closed its end, or ended.
    Gone,
    /// The other process knows other messages.
    Version,
    /// The other process sent what makes no sense.
    BadFrame(String),
}

struct Shared {
    socket: AsyncFd<OwnedFd>,
    inbox: Inbox,
    pending: Pending,
    bulk: Lane,
    control: Lane,
    closed: watch::Sender<Option<Closed>>,
}

struct Queues {
    bulk: mpsc::Receiver<Packet>,
    control: mpsc::Receiver<Packet>,
}

/// When the next frame is likely to come in.
enum Next {
    /// Whoever asked has its answer, and may ask on.
    Soon,
    Whenever,
}

/// Something that came in, to be handled in turn.
type Work = BoxFuture<()>;

// ===== impl Peer =====

impl Peer {
    /// Speaks through `socket`, of a [`socket_pair`](super::socket_pair), and has `handlers` handle
    /// what comes in, for as long as the future is polled. It ends when the other process has gone;
    /// dropped, it ends the conversation. To be called within a runtime.
    ///
    /// Both sides must have handlers of the same messages.
    ///
    /// # Errors
    ///
    /// When the operating system refuses.
    pub fn open(
        socket: OwnedFd,
        handlers: Handlers,
    ) -> io::Result<(Self, impl Future<Output = Closed> + Send + use<>)> {
        Self::start(socket, handlers, true)
    }

    /// As [`open`](Self::open), with a process that may have handlers of other messages.
    ///
    /// # Errors
    ///
    /// When the operating system refuses.
    pub fn open_to_any(
        socket: OwnedFd,
        handlers: Handlers,
    ) -> io::Result<(Self, impl Future<Output = Closed> + Send + use<>)> {
        Self::start(socket, handlers, false)
    }

    fn start(
        socket: OwnedFd,
        handlers: Handlers,
        same: bool,
    ) -> io::Result<(Self, impl Future<Output = Closed> + Send + use<>)> {
        rustix::io::ioctl_fionbio(&socket, true)?;
        // SAFETY: an `OwnedFd` is open for as long as it lives, and nothing takes it out of there.
        #[expect(unsafe_code, reason = "the runtime cannot know that the descriptor stays open")]
        let socket = unsafe { AsyncFd::register(socket) }?;
        let (bulk, bulk_queue) = Lane::new(QUEUE);
        let (control, control_queue) = Lane::new(QUEUE);
        let shared = Arc::new(Shared {
            socket,
            inbox: Inbox::new(),
            pending: Pending::default(),
            bulk,
            control,
            closed: watch::Sender::new(None),
        });
        let queues = Queues { bulk: bulk_queue, control: control_queue };
        let peer = Self { shared };
        let schema = handlers.schema();
        let header = Header { name: schema, control: true, ..Header::new(Kind::Hello) };
        // The socket is new, and has room; if the other end is closed, reading tells.
        if let Ok(hello) = Packet::new(header, Outgoing::raw(&[]).bytes, Vec::new()) {
            let _ = hello.send(peer.shared.socket.get_ref().as_fd());
        }
        let driver = Driver {
            peer: peer.clone(),
            handlers,
            expected: same.then_some(schema),
            greeted: false,
            calls: JoinSet::new(),
        };
        Ok((peer, driver.run(queues)))
    }

    /// Sends `message`, and does not wait for it to arrive.
    ///
    /// # Errors
    ///
    /// When too much is waiting, the other process is gone, or the message is too long.
    pub fn send<M: Message>(&self, to: To, message: &M) -> Result<(), IpcError> {
        let Outgoing { bytes, .. } = Outgoing::of(message)?;
        let header = Header { to: to.number(), ..header_of::<M>(Kind::Message) };
        self.shared.dispatch(Packet::new(header, bytes, Vec::new())?, M::CONTROL)
    }

    /// Sends `request`, and waits for the answer no longer than `limit`.
    ///
    /// # Errors
    ///
    /// When there is no answer: see [`IpcError`].
    pub async fn call<R: Request>(
        &self,
        to: To,
        request: &R,
        limit: Duration,
    ) -> Result<R::Reply, IpcError> {
        let (reply, _) = self.call_with_descriptors(to, request, Vec::new(), limit).await?;
        Ok(reply)
    }

    /// As [`call`](Self::call), with descriptors that go along with the request, and those that
    /// came along with the answer. They go to the process at the other end and no further.
    ///
    /// # Errors
    ///
    /// When there is no answer: see [`IpcError`].
    pub async fn call_with_descriptors<R: Request>(
        &self,
        to: To,
        request: &R,
        descriptors: Vec<OwnedFd>,
        limit: Duration,
    ) -> Result<(R::Reply, Vec<OwnedFd>), IpcError> {
        let header = Header { to: to.number(), ..header_of::<R>(Kind::Call) };
        let request = Outgoing { descriptors, ..Outgoing::of(request)? };
        let answer = self.ask(header, request, limit).await?;
        Ok((postcard::from_bytes(answer.body())?, answer.descriptors))
    }

    /// Passes a message on as it is; `from` is the number of its sender.
    ///
    /// # Errors
    ///
    /// When too much is waiting, or the other process is gone.
    pub fn pass_on(&self, from: u32, message: &Forwarded) -> Result<(), IpcError> {
        let header = Header {
            name: message.name,
            from: To::Slot(from).number(),
            ..Header::new(Kind::Message)
        };
        let bytes = Outgoing::raw(&message.body).bytes;
        self.shared.dispatch(Packet::new(header, bytes, Vec::new())?, false)
    }

    /// Passes a request on as it is, and returns the answer; `from` is the number of its sender.
    ///
    /// # Errors
    ///
    /// When there is no answer: see [`IpcError`].
    pub async fn pass_on_and_wait(
        &self,
        from: u32,
        message: &Forwarded,
        limit: Duration,
    ) -> Result<Outgoing, IpcError> {
        let header =
            Header { name: message.name, from: To::Slot(from).number(), ..Header::new(Kind::Call) };
        self.ask(header, Outgoing::raw(&message.body), limit).await
    }

    async fn ask(
        &self,
        header: Header,
        request: Outgoing,
        limit: Duration,
    ) -> Result<Outgoing, IpcError> {
        let waiting = self.shared.pending.wait()?;
        let millis = u32::try_from(limit.as_millis()).unwrap_or(u32::MAX).max(1);
        let header = Header { id: waiting.id(), millis, ..header };
        let packet = Packet::new(header, request.bytes, request.descriptors)?;
        match self.shared.dispatch(packet, header.control) {
            Ok(()) => {}
            // That shows before what the other side said at last has been read.
            Err(IpcError::PeerGone) => {
                let closed = timeout(limit, self.closed()).await;
                return Err(closed.map_or(IpcError::PeerGone, |closed| closed.error()));
            }
            Err(error) => return Err(error),
        }
        self.shared.look_for_replies(&waiting);
        if waiting.is_over() {
            // Which needs no timer.
            return waiting.answered().await;
        }
        timeout(limit, waiting.answered()).await.unwrap_or(Err(IpcError::Timeout))
    }

    /// Waits until the two processes speak to each other no longer, and says why.
    pub async fn closed(&self) -> Closed {
        let mut closed = self.shared.closed.subscribe();
        let ended = closed.wait_for(Option::is_some).await;
        // The sender lives as long as this does.
        ended.ok().and_then(|closed| closed.clone()).unwrap_or(Closed::Gone)
    }
}

fn header_of<M: Message>(kind: Kind) -> Header {
    Header { name: hash(M::NAME), control: M::CONTROL, ..Header::new(kind) }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("closed", &*self.shared.closed.borrow()).finish()
    }
}

impl Closed {
    /// What whoever waits for an answer is told.
    pub(super) fn error(&self) -> IpcError {
        match self {
            Self::Version => IpcError::Version,
            Self::Gone | Self::BadFrame(_) => IpcError::PeerGone,
        }
    }
}

// ===== impl Shared =====

impl Shared {
    fn dispatch(&self, packet: Packet, control: bool) -> Result<(), IpcError> {
        if let Some(closed) = &*self.closed.borrow() {
            return Err(closed.error());
        }
        let lane = if control && !is_planted("one-lane") { &self.control } else { &self.bulk };
        lane.hand_in(packet, self.socket.get_ref().as_fd())
    }

    /// Waits for what comes in next; `None` when there is no waiting for it any more.
    async fn next(&self) -> Option<Look> {
        let next = |socket: &OwnedFd| self.inbox.next(socket.as_fd());
        loop {
            let look = tokio::select! {
                () = self.inbox.put_aside() => next(self.socket.get_ref()),
                readable = self.socket.readable() => {
                    let tried = readable.ok()?.try_io(|socket| next(socket.get_ref()));
                    tried.unwrap_or_else(|_would_block| Err(io::ErrorKind::WouldBlock.into()))
                }
            };
            if !inbox::is_empty(&look) {
                return Some(look);
            }
        }
    }

    fn look_for_replies(&self, waiting: &Waiting<'_>) {
        let socket = self.socket.get_ref().as_fd();
        self.inbox.look_for_replies(socket, || waiting.is_over(), |reply| self.reply(reply));
    }

    fn reply(&self, Received { header, body, descriptors }: Received) {
        let answer = Outgoing { descriptors, ..Outgoing::raw(&body) };
        self.pending.answer(header.id, Ok(answer));
    }

    /// Sends what waits, the lane for control first; ends with the socket.
    async fn write(&self, mut queues: Queues) -> io::Error {
        loop {
            let (packet, lane) = tokio::select! {
                biased;
                Some(packet) = queues.control.recv() => (packet, &self.control),
                Some(packet) = queues.bulk.recv() => (packet, &self.bulk),
                else => return io::ErrorKind::BrokenPipe.into(),
            };
            loop {
                let mut writable = match self.socket.writable().await {
                    Ok(writable) => writable,
                    Err(error) => return error,
                };
                match writable.try_io(|socket| packet.send(socket.get_ref().as_fd())) {
                    Ok(Ok(())) => break,
                    // Of buffers, and not of this socket: nobody tells when there are some again.
                    Ok(Err(error)) if is_full(&error) => tokio::task::yield_now().await,
                    Ok(Err(error)) => return error,
                    Err(_would_block) => {}
                }
            }
            lane.sent();
        }
    }

    fn close(&self, why: &Closed) {
        self.closed.send_replace(Some(why.clone()));
        self.pending.close(why);
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::ConnectionReset)
}

// ===== the driver =====

struct Driver {
    peer: Peer,
    handlers: Handlers,
    expected: Option<u64>,
    greeted: bool,
    calls: JoinSet<()>,
}

/// Closes the conversation also when the driver is dropped, and has the other side know, whoever
/// may still have a clone of this one.
struct CloseOnDrop(Arc<Shared>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        if self.0.closed.borrow().is_none() {
            self.0.close(&Closed::Gone);
        }
        let both = rustix::net::Shutdown::Both;
        // The other side may have closed it already.
        let _ = rustix::net::shutdown(self.0.socket.get_ref(), both);
    }
}

impl Driver {
    async fn run(mut self, queues: Queues) -> Closed {
        let shared = Arc::clone(&self.peer.shared);
        let guard = CloseOnDrop(Arc::clone(&shared));
        let (in_turn, work) = mpsc::channel::<Work>(QUEUE);
        let closed = tokio::select! {
            closed = self.read(&in_turn) => closed,
            // That the other side reads no more shows here first, but not what it still said.
            _ = shared.write(queues) => self.read(&in_turn).await,
            never = one_after_the_other(work) => match never {},
        };
        shared.close(&closed);
        drop(guard);
        closed
    }

    async fn read(&mut self, in_turn: &mpsc::Sender<Work>) -> Closed {
        let shared = Arc::clone(&self.peer.shared);
        let mut soon = None;
        loop {
            while !self.calls.is_empty() && self.calls.try_join_next().is_some() {}
            let look = match soon.take() {
                // However much comes in, the other tasks have their turn.
                Some(look) => {
                    tokio::task::consume_budget().await;
                    look
                }
                None => match shared.next().await {
                    Some(look) => look,
                    None => return Closed::Gone,
                },
            };
            let received = match look {
                // A socket that is closed with something unread says so once, before what it said.
                Err(error) if is_passing(&error) => continue,
                Err(_) | Ok(None) => return Closed::Gone,
                Ok(Some(received)) => received,
            };
            let taken = match received {
                Ok(received) => self.take(received, in_turn).await,
                Err(error) => Err(Closed::BadFrame(error.to_string())),
            };
            match taken {
                Err(Closed::BadFrame(_)) if is_planted("passes-over-nonsense") => {}
                Ok(Next::Soon) => soon = shared.inbox.next_soon(shared.socket.get_ref().as_fd()),
                Ok(Next::Whenever) => {}
                Err(closed) => return closed,
            }
        }
    }

    async fn take(
        &mut self,
        received: Received,
        in_turn: &mpsc::Sender<Work>,
    ) -> Result<Next, Closed> {
        let header = received.header;
        if self.greeted == (header.kind == Kind::Hello) {
            return Err(Closed::BadFrame(BadFrame::OutOfTurn.to_string()));
        }
        match header.kind {
            Kind::Hello => {
                self.greeted = true;
                let differs = self.expected.is_some_and(|expected| expected != header.name);
                if differs && !is_planted("trusts-versions") {
                    return Err(Closed::Version);
                }
                self.peer.shared.inbox.greeted();
            }
            Kind::Reply => self.peer.shared.reply(received),
            Kind::Failure => {
                let failure = postcard::from_bytes::<Failure>(&received.body);
                let failure = failure.map_err(|error| Closed::BadFrame(error.to_string()))?;
                self.peer.shared.pending.answer(header.id, Err(failure.into()));
            }
            Kind::Message => {
                let work = report(self.handle(received));
                if in_turn.try_send(Box::pin(work)).is_err() {
                    tracing::warn!("too many messages wait to be handled: one is dropped");
                }
            }
            Kind::Call => {
                let work = self.handle(received);
                return Ok(self.work(header, work).await);
            }
        }
        Ok(Next::Whenever)
    }

    /// Has what came in handled, but not begun yet.
    fn handle(
        &self,
        Received { header, body, descriptors }: Received,
    ) -> BoxFuture<Result<Outgoing, IpcError>> {
        let limit =
            (header.kind == Kind::Call).then(|| Duration::from_millis(u64::from(header.millis)));
        let to = To::from_number(header.to);
        let unknown = |name: String| -> BoxFuture<_> {
            Box::pin(async move { Err(IpcError::Unknown { name }) })
        };
        if to != To::Peer {
            let Some(forward) = self.handlers.forwards() else {
                return unknown(format!("{to:?}"));
            };
            let message = Forwarded { name: header.name, body: body.into() };
            return forward.forward(to, message, limit);
        }
        let from = match To::from_number(header.from) {
            To::Slot(slot) => Some(slot),
            _ => None,
        };
        let incoming = Incoming { from, body, descriptors };
        match (self.handlers.find(header.name), header.kind) {
            (Some(Handler::Message(handler)), Kind::Message)
            | (Some(Handler::Request(handler)), Kind::Call) => {
                let handler = Arc::clone(handler);
                // The handler may panic before there is a future.
                Box::pin(async move { handler(incoming).await })
            }
            _ => unknown(format!("{:016x}", header.name)),
        }
    }

    /// Works on a call: at once as far as that goes, and then beside the others.
    async fn work(&mut self, header: Header, work: BoxFuture<Result<Outgoing, IpcError>>) -> Next {
        let peer = self.peer.clone();
        if self.calls.len() >= QUEUE {
            reply(&peer, &header, Err(IpcError::Overloaded));
            return Next::Whenever;
        }
        let mut work = AssertUnwindSafe(work).catch_unwind();
        match poll_fn(|cx| Poll::Ready(work.poll_unpin(cx))).await {
            Poll::Ready(answer) => {
                reply(&peer, &header, unless_panicked(answer));
                Next::Soon
            }
            Poll::Pending => {
                let limit = Duration::from_millis(u64::from(header.millis));
                self.calls.spawn(async move {
                    let answer = timeout(limit, work).await.map(unless_panicked);
                    reply(&peer, &header, answer.unwrap_or(Err(IpcError::Timeout)));
                });
                Next::Whenever
            }
        }
    }
}

fn unless_panicked<A>(worked: std::thread::Result<Result<A, IpcError>>) -> Result<A, IpcError> {
    worked.unwrap_or_else(|_panic| Err(IpcError::Remote("the handler panicked".to_owned())))
}

/// Handles messages in the order in which they came.
async fn one_after_the_other(mut work: mpsc::Receiver<Work>) -> std::convert::Infallible {
    loop {
        match work.recv().await {
            Some(next) => next.await,
            // The sender lives as long as the driver.
            None => std::future::pending().await,
        }
    }
}

async fn report(work: BoxFuture<Result<Outgoing, IpcError>>) {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::warn!(%error, "a message could not be handled"),
        Err(_panic) => tracing::error!("the handler of a message panicked"),
    }
}

fn reply(peer: &Peer, call: &Header, answer: Result<Outgoing, IpcError>) {
    let header = Header { id: call.id, control: call.control, ..Header::new(Kind::Reply) };
    let failed = |error: IpcError| {
        let header = Header { kind: Kind::Failure, ..header };
        Packet::new(header, Outgoing::of(&Failure::from(error))?.bytes, Vec::new())
    };
    let packet = match answer {
        Ok(Outgoing { bytes, descriptors }) => {
            Packet::new(header, bytes, descriptors).or_else(failed)
        }
        Err(error) => failed(error),
    };
    let sent = packet.and_then(|packet| peer.shared.dispatch(packet, call.control));
    if let Err(error) = sent
        && !matches!(error, IpcError::PeerGone)
    {
        tracing::warn!(%error, "an answer could not be sent");
    }
}
