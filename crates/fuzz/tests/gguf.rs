//! Two hundred thousand damaged GGUF files: none panics, none makes the reader ask for more memory than the file could
//! justify. One test in this program, so that its memory is this test's.

#[path = "../../model/tests/gguf_bytes/mod.rs"]
mod gguf_bytes;

use gguf_bytes::small;
use shuyuan_fuzz::mutate::{Random, mutate};
use shuyuan_model::gguf::Gguf;

/// The most address space that this program has had, in KiB; only Linux says.
fn peak() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmPeak:"))?.trim().split(' ').next()?.parse().ok()
}

#[test]
fn damaged_files_are_refused_in_peace() {
    let whole = [small()];
    let mut random = Random::new(1);
    let (mut accepted, before) = (0, peak());
    for _ in 0..200_000 {
        if let Ok(file) = Gguf::from_bytes(mutate(&whole, &mut random)) {
            accepted += 1;
            for tensor in file.tensors() {
                // Every byte that is promised can be read.
                assert_eq!(tensor.to_f32().len(), tensor.elements());
            }
            for (key, _) in file.metadata().iter() {
                let _ = (file.metadata().u64(key), file.metadata().strs(key), file.metadata().i64s(key));
            }
        }
    }
    // Damage to names and values goes unseen; damage to structure must not.
    assert!((1_000..150_000).contains(&accepted), "{accepted} of 200,000 were accepted");
    if let (Some(before), Some(after)) = (before, peak()) {
        // Files are of 1.5 KB. 64 MiB are what the allocator may reserve by itself.
        assert!(after - before < 65_536, "address space grew by {} KiB", after - before);
    }
}
