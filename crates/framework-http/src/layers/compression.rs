use framework_config::{ByteSize, Faults, Settings};
use http_body::Body;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tower_http::compression::{CompressionLayer, DefaultPredicate, Predicate, predicate::And};

use super::layer_module;

/// Compression of responses: section `compression`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CompressionSettings {
    /// How large a response must be to be compressed.
    pub min_size: ByteSize,
}

layer_module! {
    /// Compresses responses with gzip for clients that take it. Images, event streams and what is
    /// small are left as they are.
    ///
    /// Leave it out where a proxy compresses, and for responses that hold a secret beside text
    /// which a client can choose: their size then tells of the secret.
    CompressionModule(CompressionSettings) = "http-compression", "compression", Outer, |settings| Ok(settings.layer())
}

/// Whether a response is worth compressing.
#[derive(Clone, Copy, Debug)]
pub struct LargeEnough {
    min_bytes: u64,
}

impl Default for CompressionSettings {
    fn default() -> Self {
        Self { min_size: ByteSize::kib(1) }
    }
}

impl Settings for CompressionSettings {
    fn validate(&self, _: &mut Faults) {}
}

impl CompressionSettings {
    /// These settings as a tower layer.
    #[must_use]
    pub fn layer(&self) -> CompressionLayer<And<DefaultPredicate, LargeEnough>> {
        let large = LargeEnough { min_bytes: self.min_size.bytes() };
        CompressionLayer::new().compress_when(DefaultPredicate::new().and(large))
    }
}

impl Predicate for LargeEnough {
    fn should_compress<B: Body>(&self, response: &http::Response<B>) -> bool {
        // What does not say its size is a stream, and may be large.
        response.body().size_hint().exact().is_none_or(|size| size >= self.min_bytes)
    }
}
