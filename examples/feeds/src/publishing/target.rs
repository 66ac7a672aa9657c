use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use object_store::{
    ObjectStore, RetryConfig, aws::AmazonS3Builder, local::LocalFileSystem, path::Path,
};

use super::{TargetError, http::OwnHttp};
use crate::{PublishSettings, S3Settings};

/// How long a request to a bucket's service is tried again.
const RETRY_TIMEOUT: Duration = Duration::from_secs(15);

/// How often it is tried again.
const MAX_RETRIES: usize = 2;

/// Where feeds are published.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// A folder on this machine.
    Folder(PathBuf),
    /// A bucket, and what the names in it begin with.
    Bucket {
        /// The bucket.
        bucket: String,
        /// What names begin with; may be empty.
        prefix: String,
    },
}

/// A store that has been opened.
pub(super) struct Opened {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) prefix: Path,
    /// Whether it keeps media types.
    pub(super) keeps_types: bool,
}

impl Target {
    /// Reads the URL of a target.
    ///
    /// # Errors
    ///
    /// Returns an error if it is neither a folder's nor a bucket's.
    ///
    /// # Examples
    ///
    /// ```
    /// use feeds::publishing::Target;
    ///
    /// assert_eq!(Target::parse("file://data/out")?, Target::Folder("data/out".into()));
    /// assert!(Target::parse("ftp://host/out").is_err());
    /// # Ok::<(), feeds::publishing::TargetError>(())
    /// ```
    pub fn parse(url: &str) -> Result<Self, TargetError> {
        let refused = || TargetError::Url { url: url.to_owned() };
        if let Some(folder) = url.strip_prefix("file://").filter(|folder| !folder.is_empty()) {
            return Ok(Self::Folder(folder.into()));
        }
        let rest = url.strip_prefix("s3://").ok_or_else(refused)?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        if bucket.is_empty() || !bucket.chars().all(plain) {
            return Err(refused());
        }
        let prefix = prefix.trim_matches('/').to_owned();
        Ok(Self::Bucket { bucket: bucket.to_owned(), prefix })
    }

    /// Opens what the settings describe; a folder is made where it is missing.
    pub(super) fn open(settings: &PublishSettings) -> Result<Opened, TargetError> {
        let failed = |source: object_store::Error| TargetError::Store {
            url: settings.url.clone(),
            source: source.into(),
        };
        match Self::parse(&settings.url)? {
            Self::Folder(folder) => {
                let made = fs::create_dir_all(&folder);
                made.map_err(|source| TargetError::Folder { folder: folder.clone(), source })?;
                let store = LocalFileSystem::new_with_prefix(folder).map_err(failed)?;
                Ok(Opened { store: Arc::new(store), prefix: Path::default(), keeps_types: false })
            }
            Self::Bucket { bucket, prefix } => {
                let store = bucket_store(&bucket, &settings.s3).map_err(failed)?;
                Ok(Opened { store, prefix: Path::from(prefix), keeps_types: true })
            }
        }
    }
}

fn bucket_store(bucket: &str, s3: &S3Settings) -> object_store::Result<Arc<dyn ObjectStore>> {
    let retry = RetryConfig {
        max_retries: MAX_RETRIES,
        retry_timeout: RETRY_TIMEOUT,
        ..RetryConfig::default()
    };
    // Nothing is read from the environment: what counts is what the configuration shows.
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(&s3.region)
        .with_access_key_id(s3.access_key_id.expose())
        .with_secret_access_key(s3.secret_access_key.expose())
        // Not every service can remove several objects with one request.
        .with_disable_bulk_delete(true)
        .with_retry(retry)
        .with_http_connector(OwnHttp::new());
    if !s3.endpoint.is_empty() {
        let plain = s3.endpoint.starts_with("http://");
        builder = builder.with_endpoint(&s3.endpoint).with_allow_http(plain);
    }
    Ok(Arc::new(builder.build()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_may_have_a_prefix() {
        let bucket = |url: &str| match Target::parse(url) {
            Ok(Target::Bucket { bucket, prefix }) => format!("{bucket} {prefix}"),
            other => format!("{other:?}"),
        };
        assert_eq!(bucket("s3://news"), "news ");
        assert_eq!(bucket("s3://news/a/b/"), "news a/b");
    }

    #[test]
    fn everything_else_is_refused() {
        for url in ["", "data/out", "file://", "s3://", "s3:///a", "s3://a b/c", "gs://a"] {
            assert!(Target::parse(url).is_err(), "{url}");
        }
    }
}
