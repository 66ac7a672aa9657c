//! The codes of this crate's errors, each with its page.

use framework_core::ErrorCode;

/// Something is set for a client that nobody declares.
pub(crate) static UNKNOWN_CLIENT: ErrorCode = ErrorCode {
    id: "E0551",
    title: "something is set for a client that nobody declares",
    page: "\
The section `clients` of the configuration has one table for each HTTP client, by its name. A table
of another name is read by nobody: most of the time it is misspelt, and the client that it is meant
for works with its defaults.

What to do
  Give the table the name that a module declares with `reg.client(\"payments\")`, or remove it.",
};

/// Every code of this crate, for `explain`.
pub const CODES: &[&ErrorCode] = &[&UNKNOWN_CLIENT];
