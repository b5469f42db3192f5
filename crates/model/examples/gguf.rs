//! What a GGUF file holds, and models written as one.
//!
//! ```text
//! cargo run --release -p shuyuan-model --example gguf -- FILE.gguf
//! cargo run --release -p shuyuan-model --example gguf -- MODEL_FOLDER OUT.gguf Q4_K_M
//! ```

use shuyuan_model::Decoder;
use shuyuan_model::gguf::{ExportOptions, Gguf, Mix, Words, export};
use std::error::Error;
use std::path::Path;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [file] => show(Path::new(file)),
        [folder, file, mix] => write(Path::new(folder), Path::new(file), mix.parse()?),
        _ => Err("expected FILE.gguf, or MODEL_FOLDER OUT.gguf MIX".into()),
    }
}

fn show(path: &Path) -> Result<(), Box<dyn Error>> {
    let file = Gguf::open(path)?;
    for (key, value) in file.metadata().iter() {
        let text: String = format!("{value:?}").chars().take(100).collect();
        println!("{key}: {text}");
    }
    let (mut numbers, mut bytes) = (0, 0);
    for tensor in file.tensors() {
        println!("{tensor:?}");
        numbers += tensor.elements();
        bytes += tensor.bytes().len();
    }
    if numbers > 0 {
        println!("{numbers} weights, {:.3} bits each", bytes as f64 * 8.0 / numbers as f64);
    }
    Ok(())
}

fn write(folder: &Path, path: &Path, mix: Mix) -> Result<(), Box<dyn Error>> {
    let model = Decoder::load(folder)?;
    let tokenizer = shuyuan_text::Tokenizer::load(folder)?;
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let start = Instant::now();
    let report = export(path, &model, Words::Tokenizer(&tokenizer), &ExportOptions::new(mix, name))?;
    let seconds = start.elapsed().as_secs_f64();
    println!("{} weights, {} bytes, {seconds:.2} s", report.params, report.bytes);
    for tensor in report.fallbacks() {
        println!("{} has rows of no whole {} blocks: {}", tensor.spec.name, tensor.wanted, tensor.spec.kind);
    }
    Ok(())
}
