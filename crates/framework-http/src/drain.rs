//! How a server comes to its end: lame duck, no new connections, drain, force.

use std::time::Duration;

use tokio::{sync::watch, time::Instant};

mod machine;

pub use self::machine::{DrainMachine, DrainTimes};

/// How far a server has come on its way from serving to closed. It only ever moves forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DrainStage {
    /// Everything is as usual.
    Serving,
    /// Still accepts and serves, and asks each client to come back on another connection.
    LameDuck,
    /// Takes the connections that already wait to be accepted, and no others.
    StopAccept,
    /// Accepts nothing; finishes what is in flight.
    Drain,
    /// The deadline has passed: what is left is cut off.
    Force,
    /// Nothing is left.
    Closed,
}

/// What a server has been asked to do. A later order never takes an earlier one back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrainOrder {
    /// Nothing yet.
    Serve,
    /// Keep serving, and send clients elsewhere.
    LameDuck,
    /// Stop, and be closed by this moment.
    Stop {
        /// When what is still in flight is cut off.
        deadline: Instant,
    },
}

/// Tells a [`Server`](crate::Server) when to drain; made by [`drain`].
///
/// # Examples
///
/// ```
/// use framework_http::{DrainOrder, drain};
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
/// let (control, signal) = drain();
/// control.lame_duck();
/// assert_eq!(signal.order(), DrainOrder::LameDuck);
/// control.stop_within(Duration::from_secs(20));
/// control.lame_duck(); // too late: it is stopping already
/// assert!(matches!(signal.order(), DrainOrder::Stop { .. }));
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct DrainControl {
    order: watch::Sender<DrainOrder>,
}

/// What a [`DrainControl`] says, as a server hears it.
#[derive(Clone, Debug)]
pub struct DrainSignal {
    order: watch::Receiver<DrainOrder>,
    // Keeps the channel open: a dropped control is no order.
    _control: watch::Sender<DrainOrder>,
}

/// Makes the two ends through which a server is told to drain.
#[must_use]
pub fn drain() -> (DrainControl, DrainSignal) {
    let (sender, receiver) = watch::channel(DrainOrder::Serve);
    let signal = DrainSignal { order: receiver, _control: sender.clone() };
    (DrainControl { order: sender }, signal)
}

// ===== impl DrainControl =====

impl DrainControl {
    /// Keeps serving and asks clients to leave. Does nothing once the server is stopping.
    pub fn lame_duck(&self) {
        self.order.send_if_modified(|order| {
            let first = *order == DrainOrder::Serve;
            if first {
                *order = DrainOrder::LameDuck;
            }
            first
        });
    }

    /// Stops the server, cutting off what is still in flight after `limit`.
    ///
    /// Called again, it can bring the deadline forward and never put it off.
    pub fn stop_within(&self, limit: Duration) {
        let wanted = Instant::now() + limit;
        self.order.send_if_modified(|order| {
            let sooner = match *order {
                DrainOrder::Stop { deadline } => wanted < deadline,
                DrainOrder::Serve | DrainOrder::LameDuck => true,
            };
            if sooner {
                *order = DrainOrder::Stop { deadline: wanted };
            }
            sooner
        });
    }
}

// ===== impl DrainSignal =====

impl DrainSignal {
    /// The latest order.
    #[must_use]
    pub fn order(&self) -> DrainOrder {
        *self.order.borrow()
    }

    /// Waits for the next order.
    ///
    /// # Cancel safety
    ///
    /// An order that comes while nobody waits is seen by the next call.
    pub async fn changed(&mut self) -> DrainOrder {
        if self.order.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        *self.order.borrow_and_update()
    }
}
