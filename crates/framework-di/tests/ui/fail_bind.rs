use framework_core::Registrar;
use framework_di::{InjectExt, interface};

#[interface]
trait Products: Send + Sync {}

struct Repository;

trait Plain: Send + Sync {}

impl Plain for Repository {}

fn register(reg: &mut Registrar<'_>) {
    reg.inject(|| Repository);
    reg.bind::<dyn Products, Repository>();
    reg.bind::<dyn Plain, Repository>();
}

fn main() {}
