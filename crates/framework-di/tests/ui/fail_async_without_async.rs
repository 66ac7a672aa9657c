use framework_core::Registrar;
use framework_di::InjectExt;

struct Pool;

fn register(reg: &mut Registrar<'_>) {
    reg.inject_async(|| Pool);
}

fn main() {}
