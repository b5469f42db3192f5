//! A base in a temporary folder, and short ways to ask it.

use shuyuan_knowledge::{Base, Definition, Filter, Reader, Report, Result, Size, Source, estimate};
use std::collections::BTreeMap;

pub struct Place {
    pub dir: tempfile::TempDir,
    pub base: Base,
}

pub fn size() -> Size<'static> {
    Size { most: 300, count: &estimate }
}

impl Place {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let base = crate::store::open(&dir.path().join("base"));
        Self { dir, base }
    }

    /// Of a file beside the base.
    pub fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    pub fn add(&self, definition: &str) -> Source {
        self.base.add_source(&Definition::parse(definition).unwrap()).unwrap()
    }

    pub fn sync(&self, name: &str) -> Result<Report> {
        self.base.sync(&mut self.base.writer()?, name, size(), &mut |_| true)
    }

    /// What was added, changed, left, removed, failed.
    pub fn counts(&self, name: &str) -> [u64; 5] {
        let report = self.sync(name).unwrap();
        [report.added, report.changed, report.unchanged, report.removed, report.failed]
    }

    pub fn source(&self, name: &str) -> Source {
        self.base.source(name).unwrap()
    }

    pub fn keys(&self) -> Vec<String> {
        self.texts(&Reader::Owner).into_keys().collect()
    }

    /// The text of every item, as this reader sees them.
    pub fn texts(&self, reader: &Reader) -> BTreeMap<String, String> {
        let (_, infos) = self.base.documents(reader, &Filter::default(), 0, 10_000).unwrap();
        let text = |id| self.base.document(reader, id).unwrap().unwrap().text;
        infos.into_iter().map(|info| (info.item, text(info.id))).collect()
    }
}
