//! `cargo +nightly fuzz run --fuzz-dir crates/fuzz --features libfuzzer template`
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| shuyuan_fuzz::template(bytes));
