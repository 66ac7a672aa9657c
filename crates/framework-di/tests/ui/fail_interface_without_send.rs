use framework_di::interface;

#[interface]
trait Products {}

fn main() {}
