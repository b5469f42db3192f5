//! Files of a bucket as a source.

use super::files::{File, MOST, too_large, wanted};
use super::ingest::Loaded;
use crate::Result;
use crate::bucket::{Bucket, Object};
use std::sync::Arc;

impl Bucket {
    pub(crate) fn files(&self) -> Result<Vec<File>> {
        let bucket = Arc::new(self.open()?);
        let all = bucket.list("", MOST)?.into_iter().filter(|object| wanted(&object.key, &self.endings));
        let file = |Object { key, size, changed, tag }| {
            let (bucket, place) = (bucket.clone(), key.clone());
            File {
                key,
                stamp: Some(tag.unwrap_or_else(|| format!("{changed}-{size}"))),
                size,
                date: Some(shuyuan_text::strftime(changed, "%F")),
                url: None,
                load: Box::new(move |_, limits| {
                    if size > limits.file {
                        return too_large(limits);
                    }
                    match bucket.get(&place) {
                        Ok(Some(bytes)) => Loaded::Bytes(bytes, None),
                        Ok(None) => Loaded::Later("it was deleted while the bucket was read".into()),
                        Err(error) => Loaded::Later(error.to_string()),
                    }
                }),
            }
        };
        Ok(all.map(file).collect())
    }
}
