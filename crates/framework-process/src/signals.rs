use std::io;

use nix::sys::signal::{SigSet, Signal};

/// The signals that a process is told of, kept from every thread but the one that listens to them.
///
/// Blocked first, before there is anything that a signal could interrupt, they wait in the kernel:
/// none is lost, and none ends the process in the middle of its start.
///
/// # Examples
///
/// ```
/// use framework_process::BlockedSignals;
///
/// let blocked = BlockedSignals::block()?; // before there are other threads
/// std::thread::spawn(move || {
///     // Install what handles them, and then:
///     blocked.let_through()
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct BlockedSignals {
    signals: SigSet,
}

const SIGNALS: [Signal; 6] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGHUP,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
];

impl BlockedSignals {
    /// Blocks them for this thread, and for those that it starts. A file that may grow no further
    /// becomes an error of the write, and no signal that ends the process.
    ///
    /// # Errors
    ///
    /// When the operating system refuses.
    pub fn block() -> io::Result<Self> {
        let signals = SigSet::from_iter(SIGNALS);
        signals.thread_block()?;
        ignore_file_size()?;
        Ok(Self { signals })
    }

    /// Lets them through to this thread.
    ///
    /// # Errors
    ///
    /// When the operating system refuses.
    pub fn let_through(&self) -> io::Result<()> {
        Ok(self.signals.thread_unblock()?)
    }
}

fn ignore_file_size() -> io::Result<()> {
    use nix::sys::signal::{SaFlags, SigAction, SigHandler, sigaction};
    let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    // SAFETY: to ignore a signal runs no code.
    #[expect(unsafe_code, reason = "a handler could be anything")]
    unsafe { sigaction(Signal::SIGXFSZ, &ignore) }?;
    Ok(())
}
