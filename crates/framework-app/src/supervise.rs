mod driver;
mod tree;

pub(crate) use self::driver::{Adopted, Supervised, Supervisor};
