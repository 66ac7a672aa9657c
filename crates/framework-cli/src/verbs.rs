//! What each verb does.

mod check;
mod completions;
mod config;
mod explain;
mod graph;
mod instance;
mod serve;

pub(crate) use self::{
    check::check,
    completions::completions,
    config::config,
    explain::explain,
    graph::graph,
    instance::{InstanceArgs, ask},
    serve::serve,
};
