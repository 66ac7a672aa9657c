use framework_di::Inject;

#[derive(Inject)]
enum State {
    On,
    Off,
}

fn main() {}
