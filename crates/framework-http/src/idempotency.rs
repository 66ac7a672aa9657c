//! Requests that may be sent again without being done again.

mod layer;
mod memory;
mod service;
mod store;

pub use self::{
    layer::IdempotencyLayer,
    memory::MemoryIdempotencyStore,
    service::{Idempotency, IdempotencyFuture},
    store::{Claim, ClaimId, Fingerprint, IdempotencyStore, StoredResponse},
};
