//! `cargo +nightly fuzz run --fuzz-dir crates/fuzz --features libfuzzer safetensors`
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| shuyuan_fuzz::safetensors(bytes));
