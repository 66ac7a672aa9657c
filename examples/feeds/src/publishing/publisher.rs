use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use framework::prelude::{BoxError, WorkerPool};
use object_store::{
    Attribute, Attributes, ObjectStore, ObjectStoreExt as _, PutOptions, path::Path,
};

use super::{
    PublishError, Rendered, TargetError,
    render::{etag, render},
    target::{Opened, Target},
};
use crate::{PublishSettings, parsing::Document};

/// How long writing a feed as JSON may take, waiting included.
const RENDER_LIMIT: Duration = Duration::from_secs(10);

/// The media type of what is published.
const FEED_JSON: &str = "application/feed+json";

/// Writes feeds into a folder or a bucket: as `7.json`, and as `7.json.gz` where that is smaller.
pub struct Publisher {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    keeps_types: bool,
    pool: Arc<WorkerPool>,
}

/// A feed that was published.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Published {
    /// The file.
    pub content: Bytes,
    /// Whether it is packed.
    pub gzip: bool,
    /// The tag of what is in it.
    pub etag: String,
}

impl Published {
    /// A file as it was found.
    #[must_use]
    pub fn new(content: Bytes, gzip: bool, etag: impl Into<String>) -> Self {
        Self { content, gzip, etag: etag.into() }
    }
}

impl Publisher {
    /// Opens the folder or the bucket.
    ///
    /// # Errors
    ///
    /// Returns an error if the folder cannot be made, or the bucket is not described well enough.
    pub fn open(settings: &PublishSettings, pool: Arc<WorkerPool>) -> Result<Self, TargetError> {
        let Opened { store, prefix, keeps_types } = Target::open(settings)?;
        Ok(Self { store, prefix, keeps_types, pool })
    }

    /// Publishes the feed `id` that was found at `feed_url`, and tells the tag of what was
    /// published. What has the tag `before` and is still there is not written again.
    ///
    /// # Errors
    ///
    /// Returns an error if it is not known whether it was written.
    pub async fn publish(
        &self,
        id: i64,
        feed_url: &str,
        document: Arc<Document>,
        before: Option<&str>,
    ) -> Result<String, PublishError> {
        let url = feed_url.to_owned();
        let job = self.pool.job("render").timeout(RENDER_LIMIT);
        let rendered = job.run(move |_job| render(&document, &url)).await;
        let failed = |source: BoxError| PublishError::Render { source };
        let rendered = rendered.map_err(|error| failed(error.into()))?;
        let rendered = rendered.map_err(|error| failed(error.into()))?;
        if before != Some(&rendered.etag) || !self.is_there(id, rendered.gzip.is_some()).await? {
            self.write(id, &rendered).await?;
        }
        Ok(rendered.etag)
    }

    /// What was published of the feed `id`, packed if that is there and wanted.
    ///
    /// # Errors
    ///
    /// Returns an error if the store does. That there is nothing is an answer.
    pub async fn load(&self, id: i64, gzip: bool) -> Result<Option<Published>, PublishError> {
        if gzip && let Some(content) = self.get(&self.name(id, true)).await? {
            let tag = etag(&content);
            return Ok(Some(Published::new(content, true, tag)));
        }
        let content = self.get(&self.name(id, false)).await?;
        Ok(content.map(|content| {
            let tag = etag(&content);
            Published::new(content, false, tag)
        }))
    }

    /// Removes what was published of the feed `id`.
    ///
    /// # Errors
    ///
    /// Returns an error if it may still be there.
    pub async fn remove(&self, id: i64) -> Result<(), PublishError> {
        self.delete(&self.name(id, false)).await?;
        self.delete(&self.name(id, true)).await
    }

    /// The packed file first: where it is, the other is as new.
    async fn write(&self, id: i64, rendered: &Rendered) -> Result<(), PublishError> {
        let packed = self.name(id, true);
        match &rendered.gzip {
            Some(content) => self.put(&packed, content, true).await?,
            None => self.delete(&packed).await?,
        }
        self.put(&self.name(id, false), &rendered.json, false).await
    }

    async fn is_there(&self, id: i64, gzip: bool) -> Result<bool, PublishError> {
        Ok(self.head(&self.name(id, false)).await?
            && (!gzip || self.head(&self.name(id, true)).await?))
    }

    async fn head(&self, name: &Path) -> Result<bool, PublishError> {
        let found = found(self.store.head(name).await);
        found.map(|it| it.is_some()).map_err(failed("look for", name))
    }

    async fn get(&self, name: &Path) -> Result<Option<Bytes>, PublishError> {
        let read = async { self.store.get(name).await?.bytes().await };
        found(read.await).map_err(failed("read", name))
    }

    async fn put(&self, name: &Path, content: &Bytes, gzip: bool) -> Result<(), PublishError> {
        let mut attributes = Attributes::new();
        if self.keeps_types {
            attributes.insert(Attribute::ContentType, FEED_JSON.into());
            if gzip {
                attributes.insert(Attribute::ContentEncoding, "gzip".into());
            }
        }
        let options = PutOptions { attributes, ..PutOptions::default() };
        let put = self.store.put_opts(name, content.clone().into(), options).await;
        put.map(drop).map_err(failed("write", name))
    }

    async fn delete(&self, name: &Path) -> Result<(), PublishError> {
        found(self.store.delete(name).await).map(drop).map_err(failed("remove", name))
    }

    fn name(&self, id: i64, gzip: bool) -> Path {
        let name = if gzip { format!("{id}.json.gz") } else { format!("{id}.json") };
        self.prefix.clone().join(name)
    }
}

/// Nothing, where that is what was missing.
fn found<T>(result: object_store::Result<T>) -> object_store::Result<Option<T>> {
    match result {
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        other => other.map(Some),
    }
}

fn failed(doing: &'static str, name: &Path) -> impl FnOnce(object_store::Error) -> PublishError {
    let name = name.to_string();
    move |source| PublishError::Store { doing, name, source: source.into() }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").field("store", &self.store.to_string()).finish_non_exhaustive()
    }
}
