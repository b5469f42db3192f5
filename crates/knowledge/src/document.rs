//! A document as text: what every format becomes.

use std::ops::Range;

/// What a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A heading of this depth, 1 the highest; it governs what follows, up to the next one of its depth or higher.
    Heading(u8),
    /// A paragraph, or an item of a list.
    Text,
    /// A table: one row a line, cells apart by ` | `, line breaks within a cell made spaces.
    Table {
        /// Whether the first row names the columns.
        header: bool,
    },
    /// Source code: one definition (a function, a type, a class), or what stands between two.
    Code,
}

/// A stretch of a document's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What it is.
    pub kind: Kind,
    /// Where in [`Document::text`], in bytes: begins and ends between characters.
    pub span: Range<usize>,
}

/// A document as text. Citations point into `text`, which therefore holds all that was read, in reading order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// Path within the archive or the mail that it came out of; empty for the file itself.
    pub inner: String,
    /// The format, by its usual ending: `pdf`, `docx`, `md`, ….
    pub format: &'static str,
    /// What it calls itself.
    pub title: Option<String>,
    /// What it says of its own date, as `YYYY-MM-DD`.
    pub date: Option<String>,
    /// The text. Line ends are `\n`.
    pub text: String,
    /// What the text consists of: in order, without overlap, only white space between them.
    pub blocks: Vec<Block>,
    /// Where each page, slide or sheet begins, in bytes of `text`, ascending, the first at 0; empty where there are none.
    pub pages: Vec<usize>,
    /// What could not be read of it, if anything: "pages 3 to 5 hold pictures only".
    pub notes: Vec<String>,
}

impl Document {
    /// The page on which the byte at `at` stands, from 1.
    pub fn page(&self, at: usize) -> Option<usize> {
        (!self.pages.is_empty()).then(|| self.pages.partition_point(|&begin| begin <= at).max(1))
    }
}
