use std::future::Future;

use axum::handler::Handler;

use super::{ApiInput, ApiOperation, ApiOutput};

/// A plain axum handler whose arguments and answer describe themselves.
///
/// Every function that axum takes for a handler is one if its arguments are [`ApiInput`] and its
/// answer is [`ApiOutput`]; nobody implements it by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be documented",
    note = "each argument of a handler must be an `ApiInput`, and its answer an `ApiOutput`",
    note = "an answer with a status of its own is `Created<T>`, `Accepted<T>` or `NoContent`",
    note = "routes that need not be documented go into `ApiRouter::undocumented`"
)]
pub trait ApiHandler<T, S>: Handler<T, S> {
    /// Says what the arguments and the answer say of themselves.
    fn describe(operation: &mut ApiOperation<'_>);
}

impl<F, Fut, Answer, S> ApiHandler<((),), S> for F
where
    F: Handler<((),), S> + FnOnce() -> Fut,
    Fut: Future<Output = Answer>,
    Answer: ApiOutput,
{
    fn describe(operation: &mut ApiOperation<'_>) {
        Answer::describe(operation);
    }
}

macro_rules! handlers {
    ($($argument:ident)+) => {
        impl<F, Fut, Answer, S, M, $($argument),+> ApiHandler<(M, $($argument,)+), S> for F
        where
            F: Handler<(M, $($argument,)+), S> + FnOnce($($argument),+) -> Fut,
            Fut: Future<Output = Answer>,
            Answer: ApiOutput,
            $($argument: ApiInput,)+
        {
            fn describe(operation: &mut ApiOperation<'_>) {
                $($argument::describe(operation);)+
                Answer::describe(operation);
            }
        }
    };
}

handlers!(A1);
handlers!(A1 A2);
handlers!(A1 A2 A3);
handlers!(A1 A2 A3 A4);
handlers!(A1 A2 A3 A4 A5);
handlers!(A1 A2 A3 A4 A5 A6);
handlers!(A1 A2 A3 A4 A5 A6 A7);
handlers!(A1 A2 A3 A4 A5 A6 A7 A8);
