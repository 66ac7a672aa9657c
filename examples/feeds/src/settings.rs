use std::{net::IpAddr, time::Duration};

use framework::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::publishing::Target;

/// The section `feeds`: what is fetched, how, and where it is published.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct FeedsSettings {
    /// How many feeds this process fetches at the same time, 1 to 1000.
    pub max_concurrent_feeds: usize,
    /// How long what was fetched counts as fresh; then it is asked for again.
    #[serde(with = "framework::config::duration")]
    #[schemars(with = "String")]
    pub cache_ttl: Duration,
    /// How large a fetched document may be, both as it is sent and unpacked, 1 KiB to 64 MiB.
    pub max_document: ByteSize,
    /// How long fetching a document may take, all redirects included. Waiting for a turn may take
    /// as long again.
    #[serde(with = "framework::config::duration")]
    #[schemars(with = "String")]
    pub fetch_timeout: Duration,
    /// How many redirects in a row are followed, 0 to 20.
    pub redirects: u32,
    /// Whether addresses may be fetched from that only this network knows: loopback, private,
    /// link-local and the like. Whoever may add feeds then sees what this machine sees.
    pub allow_private: bool,
    /// Addresses that may be fetched from all the same: that of an intranet's feeds, for instance.
    pub allow_addresses: Vec<IpAddr>,
    /// Entries on a page when nobody asks for a number, 1 to 1000.
    pub page_size: u32,
    /// Where feeds are published.
    pub publish: PublishSettings,
}

/// Where feeds are published.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct PublishSettings {
    /// A folder, as `file://` and its path, or a bucket, as `s3://bucket/prefix`.
    pub url: String,
    /// The bucket's service; for Amazon S3 the region and the key are enough.
    pub s3: S3Settings,
}

/// A service that speaks the protocol of Amazon S3.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct S3Settings {
    /// Its address, where it is not Amazon's: `https://<account>.r2.cloudflarestorage.com`.
    pub endpoint: String,
    /// The region; R2 calls its own `auto`.
    pub region: String,
    /// The name of the key.
    pub access_key_id: Secret<String>,
    /// The key.
    pub secret_access_key: Secret<String>,
}

impl Default for FeedsSettings {
    fn default() -> Self {
        Self {
            max_concurrent_feeds: 10,
            cache_ttl: Duration::from_secs(3600),
            max_document: ByteSize::mib(5),
            fetch_timeout: Duration::from_secs(15),
            redirects: 5,
            allow_private: false,
            allow_addresses: Vec::new(),
            page_size: 20,
            publish: PublishSettings::default(),
        }
    }
}

impl Default for PublishSettings {
    fn default() -> Self {
        Self { url: "file://data/published".to_owned(), s3: S3Settings::default() }
    }
}

impl Default for S3Settings {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            region: "us-east-1".to_owned(),
            access_key_id: Secret::default(),
            secret_access_key: Secret::default(),
        }
    }
}

impl Settings for FeedsSettings {
    fn validate(&self, faults: &mut Faults) {
        if !(1..=1000).contains(&self.max_concurrent_feeds) {
            faults.add("max_concurrent_feeds", "must be from 1 to 1000");
        }
        if self.cache_ttl < Duration::from_secs(1) {
            faults.add("cache_ttl", "must be at least 1s");
        }
        if !(1024..=64 * 1024 * 1024).contains(&self.max_document.bytes()) {
            faults.add("max_document", "must be from 1KiB to 64MiB");
        }
        if self.fetch_timeout.is_zero() || self.fetch_timeout > Duration::from_secs(300) {
            faults.add("fetch_timeout", "must be longer than 0s and at most 5m");
        }
        if self.redirects > 20 {
            faults.add("redirects", "must be from 0 to 20");
        }
        if !(1..=1000).contains(&self.page_size) {
            faults.add("page_size", "must be from 1 to 1000");
        }
        match Target::parse(&self.publish.url) {
            Err(error) => {
                faults.add("publish.url", error.to_string());
            }
            Ok(Target::Folder(_)) => {}
            Ok(Target::Bucket { .. }) => self.publish.s3.validate(faults),
        }
    }

    // The store is opened once.
    fn restart_keys() -> &'static [&'static str] {
        &["publish"]
    }
}

impl S3Settings {
    fn validate(&self, faults: &mut Faults) {
        let web = |url: &url::Url| matches!(url.scheme(), "http" | "https") && url.has_host();
        if !self.endpoint.is_empty() && !url::Url::parse(&self.endpoint).is_ok_and(|url| web(&url))
        {
            faults.add("publish.s3.endpoint", "must be an address like \"https://s3.example.com\"");
        }
        let keys = [
            ("access_key_id", &self.access_key_id),
            ("secret_access_key", &self.secret_access_key),
        ];
        for (key, secret) in keys {
            if secret.expose().is_empty() {
                faults.add(&format!("publish.s3.{key}"), "must be set to publish to a bucket");
            }
        }
    }
}
