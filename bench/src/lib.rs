//! What the processes of a benchmark have in common.

use framework_process::ipc::{Message, Request};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Some bytes, which are sent back.
#[derive(Debug, Serialize, Deserialize)]
pub struct Echo(pub Bytes);

/// Bytes that are written as they are, and not as a list of numbers.
#[derive(Debug)]
pub struct Bytes(pub Vec<u8>);

impl Message for Echo {
    const NAME: &'static str = "bench.echo";
}

impl Request for Echo {
    type Reply = Bytes;
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(<&[u8]>::deserialize(deserializer)?.to_vec()))
    }
}
