//! Breaks every piece of code of an application once in every way, and checks what comes of it.

mod drive;
mod expect;
mod facts;
mod injection;
mod recorder;
mod report;
mod rules;
mod safety;

pub use self::{
    injection::{FaultKind, Injection},
    report::{LifecycleReport, Rule, Violation},
    safety::{LifecycleSafety, assert_lifecycle_safe},
};
