//! A ZIP file as the formats that are made of one see it: parts by name, counted as they are unpacked.

use super::budget::Budget;
use super::xml::{self, Piece};
use super::{date, draft::Draft};
use std::io::{Cursor, Read};
use zip::ZipArchive;

/// An open ZIP file.
pub(crate) struct Package<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    budget: Budget,
}

impl<'a> Package<'a> {
    pub(crate) fn open(bytes: &'a [u8], budget: &Budget) -> Result<Self, String> {
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(|error| {
            format!("expected a ZIP file, which this format is made of; found a damaged or cut one ({error}); fetch it anew")
        })?;
        Ok(Self { zip, budget: budget.clone() })
    }

    /// How many entries it has.
    pub(crate) fn len(&self) -> usize {
        self.zip.len()
    }

    /// Whether it has a part of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.zip.index_for_name(name).is_some()
    }

    /// What an entry is called, in bytes, and whether it is a file that can be read; links and folders are `None`.
    pub(crate) fn entry(&mut self, index: usize) -> Result<Option<(Vec<u8>, bool)>, String> {
        let entry = self.zip.by_index_raw(index).map_err(|error| format!("damaged entry ({error})"))?;
        let link = entry.unix_mode().is_some_and(|mode| mode & 0o170_000 == 0o120_000);
        let folder = entry.is_dir() || entry.name_raw().ends_with(b"\\");
        Ok((!link && !folder).then(|| (entry.name_raw().to_vec(), entry.encrypted())))
    }

    /// Unpacks a part by name.
    pub(crate) fn read(&mut self, name: &str) -> Result<Vec<u8>, String> {
        let index = self.zip.index_for_name(name).ok_or_else(|| {
            format!("expected a part {name} within, found none; the file is damaged or of another kind, save it anew")
        })?;
        self.read_index(index)
    }

    /// Unpacks a part by its place. Counts what comes out, whatever the headers say.
    pub(crate) fn read_index(&mut self, index: usize) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        self.unpack(index, |bytes| out.extend_from_slice(bytes))?;
        Ok(out)
    }

    /// Unpacks everything and keeps nothing: fails if it is more than may be.
    pub(crate) fn measure(&mut self) -> Result<(), String> {
        for index in 0..self.zip.len() {
            self.unpack(index, |_| ())?;
        }
        Ok(())
    }

    fn unpack(&mut self, index: usize, mut take: impl FnMut(&[u8])) -> Result<(), String> {
        let mut entry = self.zip.by_index(index).map_err(|error| match error {
            zip::result::ZipError::UnsupportedArchive(reason)
                if reason.to_lowercase().contains("password") =>
            {
                "encrypted: remove the password and add it again".to_owned()
            }
            error => format!("cannot be unpacked ({error}); pack it anew with the usual method"),
        })?;
        let mut chunk = [0; 16_384];
        loop {
            match entry.read(&mut chunk) {
                Ok(0) => return Ok(()),
                Ok(count) => {
                    self.budget.unpack(count as u64)?;
                    self.budget.check()?;
                    take(&chunk[..count]);
                }
                Err(error) => return Err(format!("damaged: cannot be unpacked ({error}); fetch it anew")),
            }
        }
    }

    /// The relations of a part: from their ids to the names of the parts that they mean, and their kinds.
    pub(crate) fn relations(&mut self, part: &str) -> Vec<Relation> {
        let (folder, file) = part.rsplit_once('/').unwrap_or(("", part));
        let name = if folder.is_empty() {
            format!("_rels/{file}.rels")
        } else {
            format!("{folder}/_rels/{file}.rels")
        };
        let mut relations = Vec::new();
        let Ok(bytes) = self.read(&name) else { return relations };
        let _ = xml::walk(&bytes, &self.budget, |piece| {
            if let Piece::Open(tag) = piece
                && tag.name == "Relationship"
                && let (Some(id), Some(target)) = (tag.attribute("Id"), tag.attribute("Target"))
            {
                let kind = tag.attribute("Type").unwrap_or_default();
                let kind = kind.rsplit('/').next().unwrap_or("").to_owned();
                relations.push(Relation { id, kind, target: resolve(folder, &target) });
            }
            Ok(())
        });
        relations
    }

    /// Title and date from `docProps/core.xml`.
    pub(crate) fn properties(&mut self, draft: &mut Draft) {
        let Ok(bytes) = self.read("docProps/core.xml") else { return };
        self.dublin_core(&bytes, draft);
    }

    /// Title and date from elements as Dublin Core and its kin name them.
    pub(crate) fn dublin_core(&self, bytes: &[u8], draft: &mut Draft) {
        let (mut open, mut created) = (String::new(), None);
        let _ = xml::walk(bytes, &self.budget, |piece| {
            match piece {
                Piece::Open(_) => open.clear(),
                Piece::Text(text) => open.push_str(text),
                Piece::Close("title") => draft.title(&open),
                Piece::Close("modified" | "date") => draft.date(date::iso(&open)),
                Piece::Close("created" | "creation-date") => created = date::iso(&open),
                Piece::Close(_) => {}
            }
            Ok(())
        });
        draft.date(created);
    }
}

/// One part's mention of another.
pub(crate) struct Relation {
    pub(crate) id: String,
    /// The last word of its type: `slide`, `notesSlide`, ….
    pub(crate) kind: String,
    /// The other's name within the package.
    pub(crate) target: String,
}

/// A path as seen from `folder`; `..` never leaves the package.
pub(crate) fn resolve(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = if target.starts_with('/') { Vec::new() } else { folder.split('/').collect() };
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.retain(|part| !part.is_empty());
    parts.join("/")
}
