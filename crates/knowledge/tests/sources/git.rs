//! Repositories, with the real git program.

use crate::help::Place;
use shuyuan_knowledge::{Definition, Reader, test};
use std::path::Path;
use std::process::Command;

fn git(dir: &Path, arguments: &[&str]) {
    let done = Command::new("git")
        .args([
            "-c",
            "user.name=T",
            "-c",
            "user.email=t@t",
            "-c",
            "init.defaultBranch=main",
            "-c",
            "commit.gpgsign=false",
        ])
        .args(arguments)
        .current_dir(dir)
        .output()
        .unwrap();
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn a_repository_is_followed() {
    let place = Place::new();
    let dir = place.dir.path().join("repo");
    std::fs::create_dir_all(dir.join("docs/规定")).unwrap();
    std::fs::write(dir.join("docs/规定/a.txt"), "leave is twenty days").unwrap();
    std::fs::write(dir.join("docs/b.txt"), "second").unwrap();
    std::fs::write(dir.join("docs/c.bin"), "other").unwrap();
    std::fs::write(
        dir.join("docs/big.txt"),
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n",
    )
    .unwrap();
    std::fs::write(dir.join("readme.txt"), "outside").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("/etc/passwd", dir.join("docs/passwd.txt")).unwrap();
    git(&dir, &["init", "-q"]);
    git(&dir, &["add", "."]);
    git(&dir, &["commit", "-qm", "one"]);
    let definition = format!(
        "name = \"rules\"\nkind = \"git\"\nurl = {:?}\nref = \"main\"\npath = \"docs\"\nendings = [\"txt\"]\n",
        dir.display().to_string()
    );
    let preview = test(&Definition::parse(&definition).unwrap(), place.base.dir()).unwrap();
    assert_eq!(preview.count, 3);
    place.add(&definition);
    assert_eq!(place.counts("rules"), [3, 0, 0, 0, 1]);
    assert_eq!(place.texts(&Reader::Owner)["docs/规定/a.txt"].trim(), "leave is twenty days");
    assert!(place.base.failures().unwrap()[0].reason.contains("Git LFS"));
    // Only what could not be read is looked at again.
    assert_eq!(place.counts("rules"), [0, 1, 2, 0, 1]);
    std::fs::write(dir.join("docs/b.txt"), "second, changed").unwrap();
    std::fs::remove_file(dir.join("docs/big.txt")).unwrap();
    std::fs::rename(dir.join("docs/规定/a.txt"), dir.join("docs/a.txt")).unwrap();
    git(&dir, &["add", "-A"]);
    git(&dir, &["commit", "-qm", "two"]);
    let report = place.sync("rules").unwrap();
    assert_eq!((report.added, report.changed, report.removed, report.bytes), (1, 1, 2, 35));
    assert_eq!(place.keys(), ["docs/a.txt", "docs/b.txt"]);
    // Rewritten history is followed too.
    git(&dir, &["commit", "-q", "--amend", "-m", "three"]);
    assert_eq!(place.counts("rules"), [0, 0, 2, 0, 0]);

    // Down: what is known stays.
    std::fs::rename(&dir, place.dir.path().join("gone")).unwrap();
    assert!(place.sync("rules").unwrap_err().to_string().contains("git fetch"));
    let source = place.source("rules");
    assert!(source.items == 2 && source.state.error.is_some() && source.state.synced.is_some());
    std::fs::rename(place.dir.path().join("gone"), &dir).unwrap();
    place.add(&definition.replace("main", "nothing"));
    assert!(place.sync("rules").is_err());
    assert_eq!(place.source("rules").items, 2);
}
