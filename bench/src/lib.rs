//! What the processes of a benchmark have in common.

use framework_process::ipc::{Message, Request};
use serde::{Deserialize, Serialize};

/// Some bytes, which are sent back.
#[derive(Debug, Serialize, Deserialize)]
pub struct Echo(pub Vec<u8>);

impl Message for Echo {
    const NAME: &'static str = "bench.echo";
}

impl Request for Echo {
    type Reply = Vec<u8>;
}
