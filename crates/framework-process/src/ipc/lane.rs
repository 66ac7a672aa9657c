use std::{
    os::fd::BorrowedFd,
    sync::atomic::{AtomicUsize, Ordering},
};

use tokio::sync::mpsc;

use super::{
    IpcError,
    packets::{Packet, is_full, sending},
};

/// Packets on their way to a socket: those of one thread arrive in the order in which it handed them
/// in. No lock is needed, as the socket does not mix them.
pub(super) struct Lane {
    queue: mpsc::Sender<Packet>,
    line: Line<AtomicUsize>,
}

/// How many are in a queue or about to be; while there is anybody, nobody overtakes.
struct Line<C>(C);

/// A number that threads change at the same time.
trait Count {
    fn get(&self) -> usize;
    fn up(&self);
    fn down(&self);
}

// ===== impl Lane =====

impl Lane {
    /// One with room for so many packets, and where they wait.
    pub(super) fn new(room: usize) -> (Self, mpsc::Receiver<Packet>) {
        let (queue, packets) = mpsc::channel(room);
        (Self { queue, line: Line(AtomicUsize::new(0)) }, packets)
    }

    /// Sends a packet at once if none waits before it and the socket has room; otherwise it waits.
    pub(super) fn hand_in(&self, packet: Packet, socket: BorrowedFd<'_>) -> Result<(), IpcError> {
        let at_once = |packet: &Packet| match packet.send(socket) {
            Ok(()) => Ok(true),
            Err(error) if is_full(&error) => Ok(false),
            Err(error) => Err(sending(error)),
        };
        let later = |packet| {
            self.queue.try_send(packet).map_err(|refused| match refused {
                mpsc::error::TrySendError::Full(_) => IpcError::Overloaded,
                mpsc::error::TrySendError::Closed(_) => IpcError::PeerGone,
            })
        };
        self.line.pass(packet, at_once, later)
    }

    /// A packet that waited has been sent.
    pub(super) fn sent(&self) {
        self.line.0.down();
    }
}

// ===== impl Line =====

impl<C: Count> Line<C> {
    /// Has a packet go `at_once`, which says whether it went, or `later`.
    fn pass<P, E>(
        &self,
        packet: P,
        at_once: impl FnOnce(&P) -> Result<bool, E>,
        later: impl FnOnce(P) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.0.get() == 0 && at_once(&packet)? {
            return Ok(());
        }
        // First, or whoever empties the queue would count it out before it was counted in.
        self.0.up();
        later(packet).inspect_err(|_refused| self.0.down())
    }
}

impl Count for AtomicUsize {
    fn get(&self) -> usize {
        self.load(Ordering::Acquire)
    }

    fn up(&self) {
        self.fetch_add(1, Ordering::AcqRel);
    }

    fn down(&self) {
        self.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use loom::{
        model::Builder,
        sync::{Arc, Mutex, atomic},
        thread,
    };

    use super::*;

    impl Count for atomic::AtomicUsize {
        fn get(&self) -> usize {
            self.load(Ordering::Acquire)
        }

        fn up(&self) {
            self.fetch_add(1, Ordering::AcqRel);
        }

        fn down(&self) {
            // Below zero, everybody would wait from then on.
            assert!(self.fetch_sub(1, Ordering::AcqRel) > 0);
        }
    }

    /// A socket that takes one packet at once, and as many as the other side reads.
    struct World {
        line: Line<atomic::AtomicUsize>,
        queue: Mutex<VecDeque<(u8, u8)>>,
        socket: Mutex<Socket>,
    }

    struct Socket {
        room: usize,
        sent: Vec<(u8, u8)>,
    }

    impl World {
        fn hand_in(&self, packet: (u8, u8)) {
            let at_once = |packet: &_| {
                let mut socket = self.socket.lock().unwrap();
                let has_room = socket.room > 0;
                if has_room {
                    socket.room -= 1;
                    socket.sent.push(*packet);
                }
                Ok::<_, ()>(has_room)
            };
            let later = |packet| {
                let mut queue = self.queue.lock().unwrap();
                if queue.len() == 2 {
                    return Err(());
                }
                queue.push_back(packet);
                Ok(())
            };
            // What is refused is not sent.
            let _ = self.line.pass(packet, at_once, later);
        }

        /// Sends the next one if any waits, after which there is room for another.
        fn write(&self) {
            let next = self.queue.lock().unwrap().pop_front();
            if let Some(packet) = next {
                let mut socket = self.socket.lock().unwrap();
                socket.sent.push(packet);
                socket.room += 1;
                drop(socket);
                self.line.0.down();
            }
        }
    }

    /// Tries all orders in which threads can take turns, but for those with very many turns.
    fn in_any_order(senders: u8, packets: u8) {
        let mut model = Builder::new();
        model.preemption_bound = Some(3);
        model.check(move || {
            let world = Arc::new(World {
                line: Line(atomic::AtomicUsize::new(0)),
                queue: Mutex::default(),
                socket: Mutex::new(Socket { room: 1, sent: Vec::new() }),
            });
            let send = |sender: u8| {
                let world = Arc::clone(&world);
                move || (0..packets).for_each(|number| world.hand_in((sender, number)))
            };
            let others: Vec<_> = (1..senders).map(|sender| thread::spawn(send(sender))).collect();
            let writer = Arc::clone(&world);
            let writer = thread::spawn(move || (0..2).for_each(|_| writer.write()));
            send(0)();
            others.into_iter().chain([writer]).for_each(|thread| thread.join().unwrap());
            while world.line.0.get() > 0 {
                world.write();
            }
            let sent = &world.socket.lock().unwrap().sent;
            for sender in 0..senders {
                let own = sent.iter().filter(|(from, _)| *from == sender);
                assert!(own.is_sorted(), "one has overtaken another: {sent:?}");
            }
            assert!(world.queue.lock().unwrap().is_empty(), "some wait, and nobody knows");
        });
    }

    #[test]
    fn nobody_overtakes_who_waits_whatever_threads_do() {
        in_any_order(1, 3);
        in_any_order(2, 2);
    }
}
