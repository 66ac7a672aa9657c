use framework_core::Registrar;
use framework_di::InjectExt;

struct Pool;

fn register(reg: &mut Registrar<'_>) {
    reg.try_inject(|| Pool);
}

fn main() {}
