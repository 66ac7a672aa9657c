//! HTTP clients that keep to deadlines, retry within a budget and pass traces on.
//!
//! * [`Client`] makes [`Call`]s to one other service; [`ClientSettings`] say how.
//! * An [`Answer`] has been read whole, up to a limit; a [`CallError`] says who was called, with
//!   which method and address, and how often.
//! * Only what may be repeated is tried again: methods that are idempotent, and calls with an
//!   [`idempotency_key`](Call::idempotency_key). All tries together keep to the limit of the call
//!   and to the deadline of the request that is being handled, which is sent on together with its
//!   id and its trace.
//! * [`ClientExt`] lets a module declare a client by the name of its section: `clients.payments`.
//!
//! # Examples
//!
//! ```
//! use framework_client::{Client, ClientExt};
//! use framework_core::module_fn;
//! use serde::Deserialize;
//! use std::sync::Arc;
//!
//! #[derive(Deserialize)]
//! struct Receipt {
//!     id: String,
//! }
//!
//! // A type of its own: found by its type, and with words of its own.
//! struct Payments(Client);
//!
//! impl From<Client> for Payments {
//!     fn from(client: Client) -> Self {
//!         Self(client)
//!     }
//! }
//!
//! impl Payments {
//!     async fn charge(&self, order: &str, cents: u64) -> Result<Receipt, framework_client::CallError> {
//!         let call = self.0.post("/charges").json(&serde_json::json!({ "cents": cents }));
//!         call.idempotency_key(order).json().await
//!     }
//! }
//!
//! let ordering = module_fn("ordering", |reg| {
//!     let payments = reg.client_as::<Payments>("payments");
//!     reg.setup("check", move |cx| async move {
//!         let _payments: Arc<Payments> = cx.get(&payments);
//!         Ok(())
//!     });
//! });
//! # let _ = (ordering, Payments::charge);
//! ```
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `tls` | addresses that begin with `https://`, with the certificates that the system trusts |

#![deny(missing_docs)]

mod answer;
mod attempt;
mod budget;
mod call;
mod client;
mod codes;
mod connect;
mod error;
mod headers;
mod module;
mod random;
mod redirect;
mod retry;
mod send;
mod settings;
mod tasks;

pub use self::{
    answer::Answer,
    call::{Call, Draft},
    client::{Client, ClientBuilder},
    codes::CODES,
    error::{CallError, CallLine, ClientError},
    module::ClientExt,
    random::Randomness,
    settings::{ClientSettings, ClientsSettings, RetrySettings},
};
