//! The files of office programs: Word, PowerPoint, Excel, and OpenDocument.

mod document;
mod opendocument;
mod sheet;
mod slides;

pub(crate) use document::docx;
pub(crate) use opendocument::{ods, odt};
pub(crate) use sheet::{xls, xlsx};
pub(crate) use slides::pptx;
