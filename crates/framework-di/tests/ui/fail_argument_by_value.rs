use std::sync::Arc;

use framework_core::Registrar;
use framework_di::InjectExt;

struct Pool;

struct Orders;

impl Orders {
    fn new(_pool: Arc<Pool>, _limit: u32) -> Self {
        Self
    }
}

fn register(reg: &mut Registrar<'_>) {
    reg.inject(Orders::new);
}

fn main() {}
