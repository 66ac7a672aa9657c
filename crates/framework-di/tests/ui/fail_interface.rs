use framework_di::interface;

#[interface]
trait Stream<'a>: Send + Sync {
    type Item;

    fn next(&self) -> Option<&'a Self::Item>;
}

fn main() {}
