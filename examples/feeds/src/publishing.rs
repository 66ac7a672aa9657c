//! Publishing: feeds as files that any web server, or a bucket, can serve.

mod error;
mod http;
mod publisher;
mod render;
mod target;

use std::sync::Arc;

use framework::prelude::*;

pub use self::{
    error::{PublishError, TargetError},
    publisher::{Published, Publisher},
    render::{Rendered, render},
    target::Target,
};
use crate::settings::FeedsSettings;

/// Publishes feeds. It provides [`Publisher`].
#[derive(Clone, Debug)]
pub struct Publishing;

impl Module for Publishing {
    fn name(&self) -> &'static str {
        "publishing"
    }

    fn register(self, reg: &mut Registrar<'_>) {
        reg.config::<FeedsSettings>("feeds");
        reg.try_inject(publisher);
    }
}

fn publisher(
    settings: Config<FeedsSettings>,
    pool: Arc<WorkerPool>,
) -> Result<Publisher, TargetError> {
    Publisher::open(&settings.get().publish, pool)
}
