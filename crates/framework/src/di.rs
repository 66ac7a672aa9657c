//! Constructor injection: what a function takes is what a module needs.

// A glob, since only what is in it twice is named: the macros whose expansions name this crate.
pub use framework_di::*;
pub use framework_macros::{FacadeInject as Inject, facade_interface as interface};
