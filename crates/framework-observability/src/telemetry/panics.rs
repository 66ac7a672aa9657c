use std::{
    backtrace::{Backtrace, BacktraceStatus},
    cell::Cell,
    panic::{self, PanicHookInfo},
    thread,
};

use framework_core::PanicError;

thread_local! {
    /// This thread writes of a panic, and does not come back if it panics with that.
    static TELLING: Cell<bool> = const { Cell::new(false) };
}

/// Has every panic of the process written to the log, with its place and whatever the line says of
/// the request or the module, in place of the few words on standard error that nobody sees who runs
/// in the background.
pub(super) fn tell_of_panics() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        // Of one in the log itself the log cannot tell.
        if !tracing::enabled!(tracing::Level::ERROR) || TELLING.replace(true) {
            return before(panic);
        }
        tell(panic);
        TELLING.set(false);
        // The log is written by a thread that then has no time left for it.
        if cfg!(panic = "abort") {
            before(panic);
        }
    }));
}

fn tell(panic: &PanicHookInfo<'_>) {
    let error = PanicError::new(panic.payload());
    let place = panic.location().map(ToString::to_string);
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then_some(backtrace);
    tracing::error!(
        place,
        thread = thread::current().name(),
        backtrace = backtrace.as_ref().map(tracing::field::display),
        "{error}"
    );
}
