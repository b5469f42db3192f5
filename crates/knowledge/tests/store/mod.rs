//! The store that the tests use: a file, or the server that `SHUYUAN_TEST_STORE` names (`tests/servers.sh` does).

use shuyuan_knowledge::Base;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

/// The base of folder `dir`: on a server, in a schema of its own.
pub fn open(dir: &Path) -> Base {
    match std::env::var("SHUYUAN_TEST_STORE") {
        Ok(address) => {
            let mut hasher = DefaultHasher::new();
            dir.hash(&mut hasher);
            Base::open_at(dir, &format!("{address}?schema=test_{:x}", hasher.finish())).unwrap()
        }
        Err(_) => Base::open(dir).unwrap(),
    }
}
