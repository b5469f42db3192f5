//! The project's own course and handbook: what a new knowledge base holds, so that the program can be asked about itself.

use anyhow::Result;
use shuyuan_knowledge::{Base, Folder, Size, estimate};
use std::path::Path;

/// The folder within the base's, and the source's name.
pub(crate) const NAME: &str = "course";

macro_rules! books {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../../", $path)))),*]
    };
}

/// Path and text.
const BOOKS: &[(&str, &str)] = books![
    "README.md",
    "ARCHITECTURE.md",
    "docs/api.md",
    "docs/api.zh.md",
    "docs/course/en/1-tokens.md",
    "docs/course/en/2-textbooks.md",
    "docs/course/en/3-model.md",
    "docs/course/en/4-pretraining.md",
    "docs/course/en/5-fine-tuning.md",
    "docs/course/en/6-examination.md",
    "docs/course/en/7-speaking.md",
    "docs/course/en/8-inside.md",
    "docs/course/zh/1-tokens.md",
    "docs/course/zh/2-textbooks.md",
    "docs/course/zh/3-model.md",
    "docs/course/zh/4-pretraining.md",
    "docs/course/zh/5-fine-tuning.md",
    "docs/course/zh/6-examination.md",
    "docs/course/zh/7-speaking.md",
    "docs/course/zh/8-inside.md",
];

/// Where the base keeps that they were put into it.
const SHELVED: &str = "course";

/// Puts the books into a base that never had them. They are files in a folder, and a source like any other: it can be
/// removed, and stays so.
pub(crate) fn shelve(base: &Base) -> Result<()> {
    let folder = base.dir().join(NAME);
    if base.setting(SHELVED)?.is_some() {
        // Another server on its store did; here the files may still be missing.
        if !folder.exists() && base.sources()?.iter().any(|source| source.name == NAME) {
            write(&folder)?;
        }
        return Ok(());
    }
    let mut writer = match base.writer() {
        // Another program is at it.
        Err(error) if error.is_locked() => return Ok(()),
        writer => writer?,
    };
    write(&folder)?;
    let source = base.add_folder(&Folder { path: folder, tags: vec![NAME.into()], ..Folder::default() })?;
    base.sync(&mut writer, &source.name, Size { most: 512, count: &estimate }, &mut |_| true)?;
    writer.finish()?;
    Ok(base.set_setting(SHELVED, "1")?)
}

fn write(folder: &Path) -> Result<()> {
    for (path, text) in BOOKS {
        let file = folder.join(path.trim_start_matches("docs/"));
        if let Some(parent) = file.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(file, text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use shuyuan_knowledge::{Limits, Prepared, parse};

    #[test]
    fn every_chapter_is_on_the_shelf() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for lang in ["en", "zh"] {
            for entry in std::fs::read_dir(root.join("docs/course").join(lang)).expect("the course") {
                let name = entry.expect("a chapter").file_name().into_string().expect("a name");
                let path = format!("docs/course/{lang}/{name}");
                assert!(BOOKS.iter().any(|(book, _)| *book == path), "{path}");
            }
        }
        for (path, text) in BOOKS {
            let parsed = parse::parse(path, text.as_bytes(), &Limits::default());
            assert!(Prepared::new(parsed, &Size { most: 512, count: &estimate }).chunks() > 0, "{path}");
        }
    }
}
