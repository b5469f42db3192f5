//! The built-in corpus, written out.

use anyhow::{Context, Result};
use shuyuan_corpus::Example;
use shuyuan_corpus::world::{Split, World};
use std::io::{BufWriter, Write};
use std::path::Path;

/// Which documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// All of them.
    All,
    /// Only conversations.
    Chats,
    /// For fine-tuning: conversations, and every eighth of the other texts, so that telling is not forgotten.
    Lessons,
}

/// Writes `docs` documents of the world as JSON lines to `out`.
///
/// # Errors
/// What `out` says.
pub fn write(seed: u64, docs: u64, split: Split, kind: Kind, out: &mut dyn Write) -> Result<()> {
    let world = World::new(seed);
    let mut out = BufWriter::new(out);
    let (mut index, mut written) = (0, 0);
    while written < docs {
        let document = world.document(split, index);
        index += 1;
        let wanted = match kind {
            Kind::All => true,
            Kind::Chats => matches!(document.example, Example::Chat { .. }),
            Kind::Lessons => matches!(document.example, Example::Chat { .. }) || index % 8 == 0,
        };
        if !wanted {
            continue;
        }
        serde_json::to_writer(&mut out, &document.example).context("writing the world")?;
        out.write_all(b"\n").context("writing the world")?;
        written += 1;
    }
    out.flush().context("writing the world")
}

/// [`write`] to a file that appears when it is complete.
///
/// # Errors
/// What the file system says.
pub fn write_file(seed: u64, docs: u64, split: Split, kind: Kind, path: &Path) -> Result<()> {
    let mut bytes = Vec::new();
    write(seed, docs, split, kind, &mut bytes)?;
    Ok(shuyuan_store::write_atomic(path, &bytes)?)
}
