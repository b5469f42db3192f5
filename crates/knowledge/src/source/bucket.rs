//! Files of a bucket: S3, and what speaks like it.

use super::files::File;
use super::{env, when};
#[cfg(feature = "s3")]
use super::{
    files::{MOST, too_large, wanted},
    ingest::Loaded,
};
use crate::{KnowledgeError, Result};
use serde::{Deserialize, Serialize};

/// What there is to know of a bucket.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Bucket {
    /// Its name.
    pub bucket: String,
    /// Only what begins so.
    pub prefix: Option<String>,
    /// Where the server is, if it is not Amazon's.
    pub endpoint: Option<String>,
    pub region: Option<String>,
    /// `${…}`; without one, the bucket is asked without a signature.
    pub access_key_id: Option<String>,
    /// `${…}`.
    pub secret_access_key: Option<String>,
    /// Which files, by their endings; all if not given.
    pub endings: Vec<String>,
    /// How long one answer may take.
    pub timeout: Option<String>,
}

impl Bucket {
    pub(crate) fn checked(self) -> Result<Self> {
        if self.bucket.is_empty() {
            return Err(KnowledgeError::Asked("expected bucket = \"…\": its name".into()));
        }
        if self.access_key_id.is_some() != self.secret_access_key.is_some() {
            let what = "expected access_key_id and secret_access_key together, found one of them";
            return Err(KnowledgeError::Asked(what.into()));
        }
        self.timeout.as_deref().map(when::duration).transpose()?;
        Ok(self)
    }

    #[cfg(not(feature = "s3"))]
    pub(crate) fn list(&self) -> Result<Vec<File>> {
        env::expand(&self.bucket)?;
        Err(KnowledgeError::Asked(
            "this program was built without buckets; build it with --features s3".into(),
        ))
    }

    #[cfg(feature = "s3")]
    pub(crate) fn list(&self) -> Result<Vec<File>> {
        use object_store::{ObjectStore, ObjectStoreExt};
        let store: std::sync::Arc<dyn ObjectStore> = std::sync::Arc::new(self.store()?);
        let runtime = std::sync::Arc::new(runtime()?);
        let name = env::expand(&self.bucket)?;
        let prefix = self.prefix.as_deref().map(env::expand).transpose()?;
        let prefix = prefix.as_deref().map(object_store::path::Path::from);
        let all = runtime.block_on(async {
            let mut stream = store.list(prefix.as_ref());
            let mut all = Vec::new();
            while let Some(object) = std::future::poll_fn(|context| stream.as_mut().poll_next(context)).await
            {
                all.push(object.map_err(|error| failed(&error))?);
                if all.len() > MOST {
                    let what = format!("the bucket {name} has more than {MOST} files; choose a prefix");
                    return Err(KnowledgeError::Asked(what));
                }
            }
            Ok(all)
        })?;
        let files = all.into_iter().filter(|object| wanted(object.location.as_ref(), &self.endings));
        let file = |object: object_store::ObjectMeta| {
            let (store, runtime, location) = (store.clone(), runtime.clone(), object.location.clone());
            let size = object.size;
            let seconds = u64::try_from(object.last_modified.timestamp()).unwrap_or(0);
            File {
                key: object.location.to_string(),
                stamp: Some(object.e_tag.unwrap_or_else(|| format!("{seconds}-{size}"))),
                size,
                date: Some(shuyuan_text::strftime(seconds, "%F")),
                url: None,
                load: Box::new(move |_, limits| {
                    if size > limits.file {
                        return too_large(limits);
                    }
                    let got = runtime.block_on(async { store.get(&location).await?.bytes().await });
                    match got {
                        Ok(bytes) => Loaded::Bytes(bytes.to_vec(), None),
                        Err(error) => Loaded::Later(failed(&error).to_string()),
                    }
                }),
            }
        };
        Ok(files.map(file).collect())
    }

    #[cfg(feature = "s3")]
    fn store(&self) -> Result<object_store::aws::AmazonS3> {
        use object_store::{BackoffConfig, ClientOptions, RetryConfig};
        use std::time::Duration;
        let limit = self.timeout.as_deref().map_or(Ok(Duration::from_secs(60)), when::duration)?;
        let retry = RetryConfig { backoff: BackoffConfig::default(), max_retries: 3, retry_timeout: limit };
        let client = ClientOptions::new().with_allow_http(true).with_timeout(limit);
        let mut builder = object_store::aws::AmazonS3Builder::new()
            .with_bucket_name(env::expand(&self.bucket)?)
            .with_region(self.region.as_deref().map_or(Ok("us-east-1".into()), env::expand)?)
            .with_retry(retry)
            .with_client_options(client);
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(env::expand_url(endpoint)?);
        }
        builder = match (&self.access_key_id, &self.secret_access_key) {
            (Some(id), Some(secret)) => {
                builder.with_access_key_id(env::expand(id)?).with_secret_access_key(env::expand(secret)?)
            }
            _ => builder.with_skip_signature(true),
        };
        builder.build().map_err(|error| failed(&error))
    }
}

#[cfg(feature = "s3")]
fn runtime() -> Result<tokio::runtime::Runtime> {
    // One thread that drives it, so that many may wait for it at once.
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(KnowledgeError::io("start threads for", std::path::Path::new("the bucket")))
}

#[cfg(feature = "s3")]
fn failed(error: &object_store::Error) -> KnowledgeError {
    KnowledgeError::Asked(format!("the bucket: {error}"))
}
