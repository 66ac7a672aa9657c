use std::sync::Arc;

use framework_core::Registrar;
use framework_di::InjectExt;

struct Pool;

fn register(reg: &mut Registrar<'_>) {
    reg.decorate(|inner: Arc<Pool>| 7);
}

fn main() {}
