//! A million damaged inputs in all: none panics, none takes memory that its size cannot justify, none takes for ever. The
//! same ones on every machine.
//!
//! The one test of this program, so that what is allocated is allocated by it.

use cap::Cap;
use shuyuan_fuzz::mutate::{Random, mutate};
use shuyuan_fuzz::{gguf, request, safetensors, template, tokenizer};
use std::alloc::System;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, usize::MAX);

/// What is fed.
type Target = fn(&[u8]);

/// Each with how often; what is slow, less.
const TARGETS: [(&str, Target, usize); 5] = [
    ("gguf", gguf, 300_000),
    ("safetensors", safetensors, 250_000),
    ("request", request, 300_000),
    ("tokenizer", tokenizer, 50_000),
    ("template", template, 100_000),
];

/// Bytes that may be held beyond what was held before an input, of 20,000 bytes at most.
const MEMORY_BOUND: usize = 64 << 20;

/// No input is so slow even on a machine with much else to do: what takes longer goes in circles.
const FOR_EVER: Duration = Duration::from_secs(120);

#[test]
fn a_million_damaged_inputs_are_refused_in_peace() {
    assert_eq!(TARGETS.iter().map(|target| target.2).sum::<usize>(), 1_000_000);
    for (name, target, count) in TARGETS {
        let (alive, heard) = channel();
        let feeding = std::thread::spawn(move || feed(name, target, count, &alive));
        loop {
            match heard.recv_timeout(FOR_EVER) {
                Ok(()) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("an input of {name} takes for ever: {}", last(name)),
            }
        }
        assert!(feeding.join().is_ok(), "{name}: see above; the input is in {}", last(name));
    }
}

/// Feeds `target`, and says so for each thousand of inputs. An input that does harm is left in [`last`].
fn feed(name: &str, target: Target, count: usize, alive: &Sender<()>) {
    let seeds = seeds(name);
    let mut random = Random::new(7);
    let before = MEMORY.allocated();
    for round in 0..count {
        let input = mutate(&seeds, &mut random);
        let failed = catch_unwind(AssertUnwindSafe(|| target(&input))).is_err();
        let most = MEMORY.max_allocated().saturating_sub(before);
        if failed || most > MEMORY_BOUND {
            std::fs::write(last(name), &input).unwrap_or_else(|error| panic!("{}: {error}", last(name)));
            panic!("input {round} of {name}: {most} bytes were held at most");
        }
        if round % 1000 == 0 {
            alive.send(()).expect("the test listens until this ends");
        }
    }
}

fn last(name: &str) -> String {
    format!("{}/fuzz-{name}", env!("CARGO_TARGET_TMPDIR"))
}

/// The committed inputs of a target.
fn seeds(name: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let mut paths: Vec<_> = std::fs::read_dir(&dir)
        .unwrap_or_else(|e| panic!("{}: {e}", dir.display()))
        .map(|entry| entry.expect("an entry of the folder").path())
        .collect();
    paths.sort();
    let read = |path: PathBuf| std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let seeds: Vec<Vec<u8>> = paths.into_iter().map(read).collect();
    assert!(!seeds.is_empty(), "{}: expected inputs, found none", dir.display());
    seeds
}
