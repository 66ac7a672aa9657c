//! The codes of this crate's errors, each with its page.

use framework_core::ErrorCode;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $id:literal, $title:literal, $page:literal;)*) => {
        $(
            $(#[$doc])*
            pub static $name: ErrorCode = ErrorCode { id: $id, title: $title, page: $page };
        )*

        /// Every code of this crate, in order.
        pub static CODES: &[&ErrorCode] = &[$(&$name),*];
    };
}

codes! {
    /// A module could not start.
    START = "E0201", "a module could not start",
"The making of a value, a setup or the start of a running unit returned an error or panicked. What
had started before it was stopped again, in reverse order, and the module itself was cleaned up.

The message names the module, the stage and the unit, and every cause. What failed on the way down
stands below it: it is kept, but it is not the cause.";

    /// A module that cannot be done without relies on one that failed.
    SKIPPED = "E0202", "a module relies on an optional one that failed",
"A module that said `reg.optional()` could not start, which the application would stand. But a
module that is not optional relies on it, so the application cannot start after all.

Make the other module optional as well, or let it take what it wants as `Option<Arc<T>>`.";

    /// Budgets do not add up.
    BUDGET = "E0205", "budgets do not add up",
"Modules that wait for one another start one after the other, and stop so too. What they ask for with
`reg.start_timeout(…)` or `reg.stop_timeout(…)`, added up along the longest such chain, is more than
the whole may take, so one of them could be cut short although it kept to its own limit.

Ask for less in one of them, or raise the whole: `start` and `shutdown.timeout`. Inside Kubernetes
the pod's grace period must be longer than `shutdown.timeout`.";

    /// The whole start took too long.
    TOTAL = "E0206", "the start took too long",
"The application was not ready when the time for the whole start was over. The message names the
modules that were still starting, what they were doing, and what they last noted.

The start report of a run that succeeds shows the critical path: the chain of modules whose times
add up. Shorten one of those, or raise the limit.";

    /// A module took too long to start.
    TIMEOUT = "E0207", "a module took too long to start",
"A module was still starting when its time was over. Its context's shutdown was fired, it was given
a moment to end by itself, and then its code was dropped. What had started before it was stopped.

The last note tells what it was doing: call `cx.note(\"…\")` before each step that may wait. Most
often something on the network is not there. Where the work honestly takes longer, the module says
so with `reg.start_timeout(…)`.";

    /// A running unit failed.
    UNIT = "E0208", "a running unit failed",
"A unit that lasts until shutdown returned an error or panicked, and nothing may restart it, so the
application stopped in order.

A unit that can be started again is declared with `reg.supervise(…)` and a policy.";

    /// A running unit ended early.
    ENDED = "E0209", "a running unit ended early",
"A unit that lasts until shutdown ended although nobody had asked it to, so the application stopped
in order: it could not have done its work.

Let the unit wait for `cx.shutdown()`. Work that is done at some time is a `reg.setup(…)`, or is
declared with `Supervision::transient()`.";

    /// A unit was restarted too often.
    GAVE_UP = "E0210", "a unit was restarted too often",
"A supervised unit kept ending, more often than its policy, or that of its group, allows within a
window. Restarting it again would only hide that it cannot work, so the application stopped in
order.

The causes stand in the log, one a restart. A dependency that comes and goes wants a longer backoff;
`intensity(max, window)` sets how much is too much.";

    /// Something failed while stopping.
    STOP = "E0211", "something failed while stopping",
"A unit, a teardown or a clean-up returned an error or panicked while its module stopped. The others
stopped all the same.";

    /// A module did not stop in time.
    STOP_TIMEOUT = "E0212", "a module did not stop in time",
"A module was still stopping when its time was over, so its code was dropped: what it had in hand is
lost. The others stopped all the same. The process ends with exit code 124.

A unit ends when `cx.shutdown()` completes: look at it in every loop and every wait. Where the work
honestly takes longer, the module says so with `reg.stop_timeout(…)`, within `shutdown.timeout`.";
}
