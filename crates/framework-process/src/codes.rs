//! The codes of this crate's errors, each with its page.

use framework_core::ErrorCode;

/// Two modules handle messages of one name, or name tasks alike.
pub(crate) static TWO_HANDLERS: ErrorCode = ErrorCode {
    id: "E0851",
    title: "two modules handle messages of one name",
    page: "\
The workers of a cluster tell messages apart by their names. Two modules handle messages of the same
name, and only one of them could be asked. Tasks for other processes are told apart in the same way.

What to do
  Give one of the messages another `NAME`, or leave one of the handlers out. What several modules
  are to hear is handled by one of them, which passes it on.",
};

/// Every code of this crate, for `explain`.
pub const CODES: &[&ErrorCode] = &[&TWO_HANDLERS];
