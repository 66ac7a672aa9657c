use std::sync::Arc;

use framework_di::Inject;

struct Pool;

#[derive(Inject)]
#[inject(krate = framework_di)]
struct State<'a> {
    #[inject(nmae = "replica")]
    replica: Arc<Pool>,
    #[inject(default, name = "main")]
    main: &'a Pool,
}

fn main() {}
