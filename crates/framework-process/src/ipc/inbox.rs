use std::{
    io,
    num::NonZeroUsize,
    os::fd::BorrowedFd,
    sync::{LazyLock, Mutex, MutexGuard, PoisonError, TryLockError},
};

use tokio::sync::Notify;

use super::{
    IpcError,
    frame::Kind,
    packets::{Received, Receiver},
};

/// How often a waiter looks before it sleeps. A look that finds nothing costs some 0.3
/// microseconds, so this is about as long as the kernel needs to wake two sleepers.
const LOOKS: u32 = 256;

/// How many times in a row looking is left out, at most, after it was in vain. As such a wait is
/// longer than the looks were, no more than about this fraction of the time is lost with them.
const LEFT_OUT: u32 = 64;

/// What one look at the socket came to.
pub(super) type Look = io::Result<Option<Result<Received, IpcError>>>;

/// What has come in. One reads at a time: the driver, or a caller that waits for its answer.
///
/// To sleep and to be woken takes many times as long as a short answer does. So a caller looks for
/// its answer itself for some microseconds, and whoever has just answered a call looks for the next
/// one. Where that was in vain it is left out the next few times, as a virtual machine's host
/// [polls before it halts](https://docs.kernel.org/virt/kvm/halt-polling.html).
pub(super) struct Inbox {
    looking: bool,
    state: Mutex<State>,
    aside: Notify,
}

struct State {
    receiver: Receiver,
    // What a caller found that was not for callers, for the driver to take in its turn. Nobody looks
    // for more before that.
    aside: Option<Look>,
    greeted: bool,
    callers: Patience,
    driver: Patience,
}

/// Whether it is worth while to look again and again.
#[derive(Debug, Default)]
struct Patience {
    wait: u32,
    left_out: u32,
}

impl Inbox {
    pub(super) fn new() -> Self {
        static PROCESSORS: LazyLock<usize> =
            LazyLock::new(|| std::thread::available_parallelism().map_or(1, NonZeroUsize::get));
        // With one, nobody could send while somebody looks.
        Self::with(*PROCESSORS > 1)
    }

    fn with(looking: bool) -> Self {
        let state = State {
            receiver: Receiver::new(),
            aside: None,
            greeted: false,
            callers: Patience::default(),
            driver: Patience::default(),
        };
        Self { looking, state: Mutex::new(state), aside: Notify::new() }
    }

    /// The other side has said which messages it knows: from now on callers may look.
    pub(super) fn greeted(&self) {
        self.lock().greeted = true;
    }

    /// Waits until there is something that a caller has put aside.
    pub(super) async fn put_aside(&self) {
        self.aside.notified().await;
    }

    /// What came first of what is there.
    pub(super) fn next(&self, socket: BorrowedFd<'_>) -> Look {
        self.lock().next(socket)
    }

    /// Looks for what comes next for as long as that is worth while.
    pub(super) fn next_soon(&self, socket: BorrowedFd<'_>) -> Option<Look> {
        if !self.looking || !self.lock().driver.has_some() {
            return None;
        }
        let found = (0..LOOKS).map(|_| self.next(socket)).find(|look| !is_empty(look));
        self.lock().driver.learn(found.is_some());
        found
    }

    /// Looks for replies for as long as that is worth while, and passes each on, until `answered`.
    pub(super) fn look_for_replies(
        &self,
        socket: BorrowedFd<'_>,
        mut answered: impl FnMut() -> bool,
        mut pass_on: impl FnMut(Received),
    ) {
        let is_worth_while =
            |mut state: MutexGuard<'_, State>| state.greeted && state.callers.has_some();
        if !self.looking || !self.try_lock().is_some_and(is_worth_while) {
            return;
        }
        for _ in 0..LOOKS {
            if answered() {
                return self.lock().callers.learn(true);
            }
            // The driver has it: it passes the answer on as well.
            let Some(mut state) = self.try_lock() else { continue };
            if state.aside.is_some() {
                return;
            }
            match state.receiver.receive(socket) {
                look if is_empty(&look) => {}
                Ok(Some(Ok(received))) if received.header.kind == Kind::Reply => {
                    drop(state);
                    pass_on(received);
                }
                other => {
                    state.aside = Some(other);
                    drop(state);
                    return self.aside.notify_one();
                }
            }
        }
        self.lock().callers.learn(false);
    }

    // No code of others runs while it is held.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, State>> {
        match self.state.try_lock() {
            Ok(state) => Some(state),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

impl State {
    fn next(&mut self, socket: BorrowedFd<'_>) -> Look {
        self.aside.take().unwrap_or_else(|| self.receiver.receive(socket))
    }
}

/// Nothing has come in.
pub(super) fn is_empty(look: &Look) -> bool {
    matches!(look, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

// ===== impl Patience =====

impl Patience {
    fn has_some(&mut self) -> bool {
        if self.left_out > 0 {
            self.left_out -= 1;
            return false;
        }
        true
    }

    fn learn(&mut self, found: bool) {
        self.wait = if found { 0 } else { (self.wait * 2).clamp(1, LEFT_OUT) };
        self.left_out = self.wait;
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::{AsFd as _, OwnedFd};

    use super::{
        super::{Outgoing, frame::Header, packets::Packet, socket_pair},
        *,
    };

    fn send(socket: &OwnedFd, kind: Kind, id: u64) {
        let header = Header { id, ..Header::new(kind) };
        let packet = Packet::new(header, Outgoing::raw(&[]).bytes, Vec::new()).unwrap();
        packet.send(socket.as_fd()).unwrap();
    }

    fn taken(look: Look) -> (Kind, u64) {
        let header = look.unwrap().unwrap().unwrap().header;
        (header.kind, header.id)
    }

    /// What a caller takes that waits for the reply `wanted`.
    fn found_by_a_caller(inbox: &Inbox, socket: &OwnedFd, wanted: u64) -> Vec<u64> {
        let found = std::cell::RefCell::new(Vec::new());
        inbox.look_for_replies(
            socket.as_fd(),
            || found.borrow().contains(&wanted),
            |reply| found.borrow_mut().push(reply.header.id),
        );
        found.into_inner()
    }

    #[test]
    fn a_caller_passes_on_the_replies_of_others_and_stops_at_its_own() {
        let (inbox, (ours, theirs)) = (Inbox::with(true), socket_pair().unwrap());
        (1..=3).for_each(|id| send(&theirs, Kind::Reply, id));
        assert!(found_by_a_caller(&inbox, &ours, 2).is_empty(), "nobody has greeted yet");
        inbox.greeted();
        assert_eq!(found_by_a_caller(&inbox, &ours, 2), [1, 2]);
        assert_eq!(taken(inbox.next(ours.as_fd())), (Kind::Reply, 3));
    }

    #[tokio::test]
    async fn what_is_not_for_callers_is_left_to_the_driver_in_its_turn() {
        let (inbox, (ours, theirs)) = (Inbox::with(true), socket_pair().unwrap());
        inbox.greeted();
        let sent = [(Kind::Message, 1), (Kind::Call, 2), (Kind::Reply, 3)];
        sent.into_iter().for_each(|(kind, id)| send(&theirs, kind, id));
        for _ in 0..3 {
            assert!(found_by_a_caller(&inbox, &ours, 3).is_empty(), "it would overtake");
        }
        inbox.put_aside().await;
        for expected in sent {
            assert_eq!(taken(inbox.next(ours.as_fd())), expected);
        }
        drop(theirs);
        assert!(found_by_a_caller(&inbox, &ours, 4).is_empty());
        inbox.put_aside().await;
        assert!(inbox.next(ours.as_fd()).unwrap().is_none(), "the driver has to know of the end");
    }

    #[test]
    fn the_driver_looks_again_while_there_is_more_and_not_with_one_processor() {
        let (ours, theirs) = socket_pair().unwrap();
        for (looking, expected) in [(false, None), (true, Some((Kind::Call, 1)))] {
            let inbox = Inbox::with(looking);
            send(&theirs, Kind::Call, 1);
            assert_eq!(inbox.next_soon(ours.as_fd()).map(taken), expected);
        }
    }

    #[test]
    fn what_is_in_vain_is_left_out_twice_as_often_each_time() {
        let mut patience = Patience::default();
        let mut tried = Vec::new();
        for turn in 0..300 {
            if patience.has_some() {
                tried.push(turn);
                patience.learn(false);
            }
        }
        assert_eq!(tried, [0, 2, 5, 10, 19, 36, 69, 134, 199, 264]);
        while !patience.has_some() {}
        patience.learn(true);
        assert!(patience.has_some(), "it was worth while");
    }
}
