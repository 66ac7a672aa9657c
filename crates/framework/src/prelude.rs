//! What most files of an application use: `use framework::prelude::*;`.

pub use std::process::ExitCode;

#[cfg(feature = "http")]
pub use axum::{
    Router,
    extract::{FromRef, State},
    http::StatusCode,
    routing::{any, delete, get, patch, post, put},
};
pub use framework_app::AppBuilder;
#[cfg(feature = "client")]
pub use framework_client::{Client, ClientExt};
#[cfg(feature = "config")]
pub use framework_config::{ByteSize, Config, ConfigExt, Faults, Secret, Settings};
pub use framework_core::{
    BoxError, Check, Context, Health, Module, ModuleExt, Need, Registrar, ShutdownReason,
    Supervision, module_fn,
};
#[cfg(feature = "validation")]
pub use framework_http::Valid;
#[cfg(feature = "openapi")]
pub use framework_http::openapi::{OpenApiExt, OpenApiModule};
#[cfg(feature = "http")]
pub use framework_http::{
    Created, Deadline, Dep, HttpExt, Json, NoContent, Path, Problem, Query, RequestScope,
};
#[cfg(feature = "observability")]
pub use framework_observability::{HealthExt, HealthOptions, Metrics};

#[cfg(feature = "ipc")]
pub use framework_process::ipc::{IpcExt, IpcModule, Message, Peers};
#[cfg(feature = "process-pool")]
pub use framework_process::tasks::{ProcessPool, ProcessPoolModule, RunTasks, Task, TaskExt};
#[cfg(feature = "resources")]
pub use framework_process::{PressureLevel, ResourceExt, ResourceModule, ResourceMonitor};
#[cfg(feature = "worker-pool")]
pub use framework_process::{WorkerPool, WorkerPoolModule};

pub use crate::App;
#[cfg(feature = "di")]
pub use crate::di::{
    All, Inject, InjectExt, Lazy, Named, Provide, Scope, ScopeFactory, Scoped, interface,
};
