//! Files and folders to records: the raw lines and texts that documents are made of, in parts of bounded size.

mod files;
mod lines;
#[cfg(feature = "parquet")]
mod parquet;
mod plain;
mod reader;
mod record;
mod texts;

pub(crate) use files::{InputFile, discover};
pub(crate) use reader::{Part, Reader, Record};
pub(crate) use record::{Kind, parse};
pub use texts::{TextIter, texts};
