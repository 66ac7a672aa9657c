//! What is known of a cluster from outside.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::ClusterFailed;
use crate::cluster::supervisor::{Counts, WorkerReport};

/// How a cluster is.
#[derive(Clone, Debug, Default)]
pub(super) struct Shown {
    pub(super) rows: Vec<WorkerReport>,
    pub(super) counts: Counts,
    pub(super) addresses: Vec<String>,
    pub(super) complete: bool,
    pub(super) degraded: bool,
    pub(super) generation: u32,
    pub(super) rolling: bool,
    pub(super) workers: usize,
    pub(super) failed: Option<ClusterFailed>,
}

impl Shown {
    pub(super) fn to_json(&self) -> Value {
        json!({
            "primary": std::process::id(),
            "workers_wanted": self.workers,
            "generation": self.generation,
            "rolling": self.rolling,
            "degraded": self.degraded,
            "workers": self.rows,
        })
    }

    /// As Prometheus writes it.
    pub(super) fn metrics(&self) -> String {
        let mut text = String::from(
            "# HELP framework_cluster_workers Workers in each state.\n\
             # TYPE framework_cluster_workers gauge\n",
        );
        for (state, count) in &self.counts.states {
            let _ = writeln!(text, "framework_cluster_workers{{state=\"{state}\"}} {count}");
        }
        text.push_str(
            "# HELP framework_cluster_restarts_total Workers that were started again.\n\
             # TYPE framework_cluster_restarts_total counter\n",
        );
        for (reason, count) in &self.counts.restarts {
            let name = "framework_cluster_restarts_total";
            let _ = writeln!(text, "{name}{{reason=\"{reason}\"}} {count}");
        }
        text
    }
}
