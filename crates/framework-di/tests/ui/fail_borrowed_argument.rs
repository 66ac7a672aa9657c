use framework_core::Registrar;
use framework_di::InjectExt;

struct Pool;

struct Orders;

impl Orders {
    fn new(_pool: &Pool) -> Self {
        Self
    }
}

fn register(reg: &mut Registrar<'_>) {
    reg.inject(Orders::new);
}

fn main() {}
