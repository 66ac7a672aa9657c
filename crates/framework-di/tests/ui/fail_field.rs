use std::sync::Arc;

use framework_di::Inject;

struct Pool;

#[derive(Inject)]
struct State {
    pool: Arc<Pool>,
    limit: u32,
}

fn main() {}
