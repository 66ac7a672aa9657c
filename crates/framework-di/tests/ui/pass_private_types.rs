//! A public struct may have private fields of private types, under the strictest lints.

#![deny(warnings)]

use std::sync::Arc;

use framework_di::Inject;

struct Pool;

/// What a handler uses.
#[derive(Clone, Inject)]
pub struct State {
    pool: Arc<Pool>,
}

fn main() {
    let state = State { pool: Arc::new(Pool) };
    let _ = &state.pool;
}
