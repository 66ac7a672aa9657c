//! The codes of this crate's errors, each with its page.

use framework_core::ErrorCode;

/// The listener can be reached from elsewhere, and nothing protects it.
pub static OPEN: ErrorCode = ErrorCode {
    id: "E0701",
    title: "the operator's listener is open to everyone",
    page: "\
Whoever reaches the operator's listener sees the configuration and the inner life of the
application, and can change how much it logs. It listens on loopback only, unless told otherwise;
on any other address it demands a token, and here there is none.

What to do
  Give it one: `admin.token = \"${file:/run/secrets/admin-token}\"`, or the variable
  `…_ADMIN__TOKEN`. Requests then carry it as `Authorization: Bearer …`. Or go back to
  `admin.addr = \"127.0.0.1:9090\"`, or switch the listener off with `admin.enabled = false`.",
};

/// Every code of this crate, in order.
pub static CODES: &[&ErrorCode] = &[&OPEN];
