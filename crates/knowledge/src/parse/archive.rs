//! ZIP archives: each file in them is a document of its own.

use super::budget::Budget;
use super::package::Package;
use super::{Item, Part, Unread, encoding, read as read_part};
use std::sync::Arc;
use std::sync::mpsc::Sender;

/// Reads what an archive holds; all of it goes to `out`.
pub(crate) fn read(
    inner: &str,
    bytes: &[u8],
    depth: usize,
    budget: &Budget,
    out: &Sender<Item>,
) -> Result<(), String> {
    if depth >= budget.limits.depth {
        let limit = budget.limits.depth;
        return Err(format!(
            "an archive deeper than the {limit} levels that are opened; unpack it and add its files"
        ));
    }
    let mut package = Package::open(bytes, budget)?;
    if package.len() == 0 {
        return Err("expected an archive with files, found it empty".into());
    }
    for index in 0..package.len() {
        budget.check()?;
        budget.file()?;
        let (name, encrypted) = match package.entry(index) {
            Ok(Some(entry)) => entry,
            Ok(None) => continue,
            Err(reason) => {
                let _ =
                    out.send(Err(Unread { inner: within(inner, &format!("entry {}", index + 1)), reason }));
                continue;
            }
        };
        // Older Windows programs write names in the encoding of their language, and do not say so.
        let name = clean_path(
            &encoding::decode(&name, None).unwrap_or_else(|_| String::from_utf8_lossy(&name).into_owned()),
        );
        if is_litter(&name) {
            continue;
        }
        let inner = within(inner, if name.is_empty() { "unnamed" } else { &name });
        let unpacked = if encrypted {
            Err("encrypted: remove the password and add it again".to_owned())
        } else {
            package.read_index(index)
        };
        match unpacked {
            Ok(bytes) => {
                let bytes = Arc::new(bytes);
                read_part(Part { name, inner, bytes, depth: depth + 1 }, budget, out);
            }
            Err(reason) => {
                let _ = out.send(Err(Unread { inner, reason }));
                if budget.room() == 0 {
                    return Err(format!(
                        "the files after entry {} were not read: the limit is used up",
                        index + 1
                    ));
                }
            }
        }
    }
    Ok(())
}

fn within(inner: &str, name: &str) -> String {
    if inner.is_empty() { name.to_owned() } else { format!("{inner}/{name}") }
}

/// A name as a path within: without drives, roots, `.` and `..`, its parts apart by `/`.
pub(crate) fn clean_path(name: &str) -> String {
    let parts = name
        .split(['/', '\\'])
        .map(|part| part.chars().filter(|char| !char.is_control()).collect::<String>());
    let parts = parts.map(|part| part.trim().to_owned());
    let kept = parts
        .filter(|part| !(matches!(&**part, "" | "." | "..") || (part.len() == 2 && part.ends_with(':'))));
    kept.collect::<Vec<_>>().join("/")
}

/// What systems leave in archives beside the files.
fn is_litter(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    name.starts_with("__MACOSX/")
        || matches!(file, ".DS_Store" | "Thumbs.db" | "desktop.ini")
        || file.starts_with("~$")
}
