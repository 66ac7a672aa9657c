//! How much memory, processor time and patience a process has left, and what it does without when
//! that is little.

#[cfg(feature = "module")]
mod action;
mod cgroup;
mod cpus;
mod files;
mod lag;
mod level;
mod machine;
#[cfg(feature = "module")]
mod module;
mod monitor;
mod reader;
mod reading;
mod sample;
#[cfg(feature = "module")]
mod settings;

#[cfg(feature = "module")]
pub use self::{
    action::{PressureAction, PressureChange},
    module::{ResourceExt, ResourceModule},
    settings::{ResourceSettings, Share, ShareError},
};
pub use self::{
    lag::LoopLag,
    level::{Pressure, PressureLevel},
    machine::{PressureMachine, PressureSignals},
    monitor::{ResourceLimits, ResourceMonitor},
    reader::ResourceReader,
    reading::{CpuReading, MemoryEvents, MemoryReading, ProcessReading},
    sample::ResourceSample,
};

#[cfg(test)]
mod tests;
