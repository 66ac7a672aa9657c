//! Requests that are refused while there is too little of something for all of them.

use std::sync::Arc;

use framework_core::{LoadControl, Priority};
use http::{HeaderValue, Request, header};

use crate::{Problem, probes::PROBES, routes::Priorities};

/// Which requests are refused at the moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Shedding {
    load: Option<Arc<LoadControl>>,
    priorities: Priorities,
}

/// When whoever is refused may come again, in seconds: pressure lasts for some seconds at least.
const RETRY_AFTER: u32 = 5;

impl Shedding {
    pub(super) fn by(self, load: Arc<LoadControl>) -> Self {
        Self { load: Some(load), ..self }
    }

    pub(super) fn with(self, priorities: Priorities) -> Self {
        Self { priorities, ..self }
    }

    /// One relaxed load, unless something is refused.
    pub(super) fn refuses<B>(&self, request: &Request<B>) -> bool {
        let Some(refused) = self.load.as_ref().and_then(|load| load.get().refuse) else {
            return false;
        };
        self.priority(request).is_some_and(|priority| priority <= refused)
    }

    /// `None` for what is answered in any case: who asks for it decides about the process.
    fn priority<B>(&self, request: &Request<B>) -> Option<Priority> {
        let path = request.uri().path();
        (!PROBES.contains(&path)).then(|| self.priorities.of(request.method(), path))
    }
}

pub(super) fn refusal() -> Problem {
    Problem::unavailable()
        .detail("the server has too little memory or time for this at the moment")
        .header(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER))
}
