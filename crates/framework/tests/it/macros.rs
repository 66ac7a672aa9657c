use std::sync::Arc;

use framework::prelude::*;

// This crate depends on the facade alone, as applications do: the macros must not name others.

#[interface]
trait Clock: Send + Sync {
    fn now(&self) -> u64;
}

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> u64 {
        7
    }
}

#[derive(Clone, Inject)]
struct Desk {
    clock: Arc<dyn Clock>,
}

#[test]
fn macros_work_through_the_facade() {
    let desk = module_fn("desk", |reg| {
        reg.inject(|| Stopped);
        reg.bind::<dyn Clock, Stopped>();
        let desk = reg.inject_type::<Desk>();
        reg.setup("look", move |cx| async move {
            assert_eq!(cx.get(&desk).clock.now(), 7);
            Ok(())
        });
    });
    let graph = App::builder("test").modules(desk).plan().unwrap();
    let desk = graph.modules().iter().find(|module| module.name == "desk").unwrap();
    assert!(desk.values.iter().any(|value| value.key == "Desk"));
}
