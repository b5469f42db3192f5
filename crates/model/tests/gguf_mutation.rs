//! Two hundred thousand damaged GGUF files: none panics, none makes the reader ask for more memory than the file could
//! justify. One test in this program, so that its memory is this test's.

mod gguf_bytes;

use gguf_bytes::small;
use shuyuan_model::gguf::Gguf;

/// splitmix64, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

const EXTREMES: [u64; 14] = [
    0,
    1,
    2,
    255,
    256,
    1 << 16,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
    1 << 32,
    1 << 62,
    i64::MAX as u64,
    1 << 63,
    u64::MAX,
];

fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..1 + random.below(4) {
        let at = random.below(bytes.len());
        match random.below(7) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
            1 if !bytes.is_empty() => bytes[at] = random.next() as u8,
            2 => bytes.truncate(at),
            3 => {
                let from = random.below(bytes.len());
                let piece = bytes[from..(from + random.below(64)).min(bytes.len())].to_vec();
                bytes.splice(at..at, piece);
            }
            4 => drop(bytes.drain(at..(at + random.below(16)).min(bytes.len()))),
            _ => {
                let value = EXTREMES[random.below(EXTREMES.len())].to_le_bytes();
                let width = [4, 8][random.below(2)].min(bytes.len() - at);
                bytes[at..at + width].copy_from_slice(&value[..width]);
            }
        }
    }
}

/// The most address space that this program has had, in KiB; only Linux says.
fn peak() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmPeak:"))?.trim().split(' ').next()?.parse().ok()
}

#[test]
fn damaged_files_are_refused_in_peace() {
    let whole = small();
    let mut random = Random(1);
    let (mut accepted, before) = (0, peak());
    for _ in 0..200_000 {
        let mut bytes = whole.clone();
        mutate(&mut bytes, &mut random);
        if let Ok(file) = Gguf::from_bytes(bytes) {
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
