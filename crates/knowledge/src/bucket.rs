//! Buckets: S3, and what speaks like it. A source reads one; a base may keep originals in one.

use crate::source::{env, when};
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

    /// The bucket that an address names: `s3://bucket/prefix?endpoint=URL&region=NAME`. Keys, and what the address leaves
    /// out, are where Amazon's own programs look: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`,
    /// `AWS_ENDPOINT_URL`.
    pub(crate) fn at(address: &str) -> Result<Self> {
        let wrong = || {
            KnowledgeError::Asked(format!(
                "originals: expected s3://bucket/prefix, with ?endpoint=URL for a server that is not Amazon's, found \
                 {address:?}"
            ))
        };
        let rest = address.strip_prefix("s3://").ok_or_else(wrong)?;
        let (place, asked) = rest.split_once('?').unwrap_or((rest, ""));
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        let named = |name: &str| std::env::var(name).is_ok().then(|| format!("${{{name}}}"));
        let mut new = Self {
            bucket: bucket.into(),
            prefix: Some(prefix.trim_matches('/').to_string()).filter(|prefix| !prefix.is_empty()),
            endpoint: named("AWS_ENDPOINT_URL"),
            region: named("AWS_REGION").or_else(|| named("AWS_DEFAULT_REGION")),
            access_key_id: named("AWS_ACCESS_KEY_ID"),
            secret_access_key: named("AWS_SECRET_ACCESS_KEY"),
            ..Self::default()
        };
        for part in asked.split('&').filter(|part| !part.is_empty()) {
            match part.split_once('=') {
                Some(("endpoint", url)) => new.endpoint = Some(url.into()),
                Some(("region", name)) => new.region = Some(name.into()),
                _ => return Err(wrong()),
            }
        }
        new.checked()
    }

    #[cfg(not(feature = "s3"))]
    pub(crate) fn open(&self) -> Result<Opened> {
        env::expand(&self.bucket)?;
        Err(KnowledgeError::Asked(
            "this program was built without buckets; build it with --features s3".into(),
        ))
    }

    #[cfg(feature = "s3")]
    pub(crate) fn open(&self) -> Result<Opened> {
        // One thread that drives it, so that many may wait for it at once.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(KnowledgeError::io("start threads for", std::path::Path::new("the bucket")))?;
        Ok(Opened {
            name: env::expand(&self.bucket)?,
            prefix: self.prefix.as_deref().map(env::expand).transpose()?.map(object_store::path::Path::from),
            store: Box::new(self.store()?),
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
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

/// A file in a bucket.
pub(crate) struct Object {
    /// With the bucket's prefix.
    pub key: String,
    pub size: u64,
    /// Seconds since 1970.
    pub changed: u64,
    pub tag: Option<String>,
}

/// A bucket that can be asked; without the feature there is none.
#[cfg(not(feature = "s3"))]
pub(crate) enum Opened {}

#[cfg(not(feature = "s3"))]
impl Opened {
    pub fn list(&self, _: &str, _: usize) -> Result<Vec<Object>> {
        match *self {}
    }

    pub fn get(&self, _: &str) -> Result<Option<Vec<u8>>> {
        match *self {}
    }

    pub fn put(&self, _: &str, _: Vec<u8>) -> Result<()> {
        match *self {}
    }

    pub fn delete(&self, _: &str) -> Result<()> {
        match *self {}
    }

    pub fn within(&self, _: &str) -> String {
        match *self {}
    }
}

/// A bucket that can be asked.
#[cfg(feature = "s3")]
pub(crate) struct Opened {
    name: String,
    prefix: Option<object_store::path::Path>,
    store: Box<dyn object_store::ObjectStore>,
    handle: tokio::runtime::Handle,
    runtime: Option<tokio::runtime::Runtime>,
}

#[cfg(feature = "s3")]
impl Opened {
    /// What is under `folder` of its prefix, or all of that; an error if it is more than `most`.
    pub fn list(&self, folder: &str, most: usize) -> Result<Vec<Object>> {
        let prefix = object_store::path::Path::from(self.within(folder));
        self.wait(async {
            let mut stream = self.store.list(Some(&prefix));
            let mut all = Vec::new();
            while let Some(object) = std::future::poll_fn(|context| stream.as_mut().poll_next(context)).await
            {
                let object = object.map_err(|error| failed(&error))?;
                all.push(Object {
                    key: object.location.to_string(),
                    size: object.size,
                    changed: u64::try_from(object.last_modified.timestamp()).unwrap_or(0),
                    tag: object.e_tag,
                });
                if all.len() > most {
                    let what =
                        format!("the bucket {} has more than {most} files; choose a prefix", self.name);
                    return Err(KnowledgeError::Asked(what));
                }
            }
            Ok(all)
        })
    }

    /// What is in a file, by its whole key; `None` if there is none.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        use object_store::ObjectStoreExt;
        let path = path(key)?;
        match self.wait(async { self.store.get(&path).await?.bytes().await }) {
            Ok(bytes) => Ok(Some(bytes.to_vec())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(&error)),
        }
    }

    /// Keeps a file under its whole key, in the place of one that was there.
    pub fn put(&self, key: &str, bytes: Vec<u8>) -> Result<()> {
        use object_store::ObjectStoreExt;
        let path = path(key)?;
        self.wait(self.store.put(&path, bytes.into())).map(drop).map_err(|error| failed(&error))
    }

    /// Deletes a file, if it is there.
    pub fn delete(&self, key: &str) -> Result<()> {
        use object_store::ObjectStoreExt;
        let path = path(key)?;
        match self.wait(self.store.delete(&path)) {
            Err(object_store::Error::NotFound { .. }) | Ok(()) => Ok(()),
            Err(error) => Err(failed(&error)),
        }
    }

    /// The whole key of a file under its prefix.
    pub fn within(&self, name: &str) -> String {
        match &self.prefix {
            Some(prefix) if name.is_empty() => prefix.to_string(),
            Some(prefix) => format!("{prefix}/{name}"),
            None => name.into(),
        }
    }

    fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.handle.block_on(work)
    }
}

#[cfg(feature = "s3")]
impl Drop for Opened {
    fn drop(&mut self) {
        // Wherever this happens: waiting may not be allowed there.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A key as it is.
#[cfg(feature = "s3")]
fn path(key: &str) -> Result<object_store::path::Path> {
    object_store::path::Path::parse(key)
        .map_err(|error| KnowledgeError::Asked(format!("the bucket: {error}")))
}

#[cfg(feature = "s3")]
fn failed(error: &object_store::Error) -> KnowledgeError {
    KnowledgeError::Asked(format!("the bucket: {error}"))
}
