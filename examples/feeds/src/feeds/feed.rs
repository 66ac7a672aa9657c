use chrono::{DateTime, SecondsFormat};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::parsing::About;

/// A feed that is kept.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Feed {
    /// Its id.
    pub id: i64,
    /// Where it is fetched from.
    pub url: String,
    /// What it says of itself.
    #[serde(flatten)]
    pub about: About,
    /// When it was last fetched and published, as RFC 3339 writes dates; `null` before that, and
    /// while what was fetched last is not published.
    pub refreshed_at: Option<String>,
    /// How many attempts in a row have failed since.
    pub failures: u32,
    /// Why the last one failed.
    pub last_error: Option<String>,
    /// The tag of what is published; `null` as long as nothing is.
    pub published: Option<String>,
}

/// A feed that somebody wants to have kept.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewFeed {
    /// Where it is: an `http` or `https` address on the public Internet.
    #[schemars(length(min = 1, max = 2048), example = &"https://blog.rust-lang.org/feed.xml")]
    pub url: String,
}

/// A moment in milliseconds since 1970, as RFC 3339 writes it; 0 is no moment.
pub(super) fn moment(millis: i64) -> Option<String> {
    let moment = DateTime::from_timestamp_millis(millis).filter(|_| millis != 0)?;
    Some(moment.to_rfc3339_opts(SecondsFormat::Millis, true))
}
