//! Compiles and runs what the guide shows.

#[doc = include_str!("../../../docs/src/process.md")]
#[doc = include_str!("../../../docs/src/instance.md")]
#[doc = include_str!("../../../docs/src/configuration.md")]
#[doc = include_str!("../../../docs/src/ipc.md")]
#[doc = include_str!("../../../docs/src/worker-pool.md")]
#[doc = include_str!("../../../docs/src/resource-monitor.md")]
struct Guide;
