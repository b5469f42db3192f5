//! A model as a file that other programs open.

use crate::live::{Opened, name_of};
use anyhow::{Context, Result, bail};
use shuyuan_model::gguf::{ExportOptions, ExportReport, Mix, Words, export as to_gguf};
use shuyuan_model::{Decoder, Plain, save_decoder};
use shuyuan_store::write_atomic;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What of a folder is the tokenizer's, or says how the model is used; copied as it is.
const BESIDE: [&str; 10] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
    "generation_config.json",
];
/// Tokens that are read at once to measure importance, and how many times: more change little.
const PIECE: usize = 512;
const PIECES: usize = 64;

/// What to export.
#[derive(Clone, Debug)]
pub struct Export {
    /// The model's folder, or its GGUF file.
    pub from: PathBuf,
    /// A file whose name ends in .gguf, or a folder for safetensors.
    pub to: PathBuf,
    /// How numbers are stored. `None`: F16 in a GGUF file; in a folder as they are, or F16 if they were quantised.
    pub format: Option<Mix>,
    /// A text by which quantisation weighs what matters.
    pub importance: Option<PathBuf>,
}

/// What became of it.
#[derive(Clone, Debug)]
pub struct Exported {
    /// How numbers are stored.
    pub format: Mix,
    /// Bytes of the file, or of the folder's weights.
    pub bytes: u64,
    /// The quantised formats that the numbers came out of: they are no better for it.
    pub dequantised: Vec<String>,
    /// What was written into a GGUF file.
    pub report: Option<ExportReport>,
}

/// Writes a model of any family as GGUF or safetensors.
///
/// # Errors
/// Names the file and what is wrong with it; what the target cannot hold; what the file system says.
pub fn export(ask: &Export) -> Result<Exported> {
    let (from, to) = (&ask.from, &ask.to);
    if let (Ok(a), Ok(b)) = (from.canonicalize(), to.canonicalize())
        && a == b
    {
        bail!("{} is the model itself: give --output another name", to.display());
    }
    let source = Opened::load(from, "such models are not exported")?;
    let plain = |kind: &&String| !["F32", "F16", "BF16"].contains(&kind.as_str());
    let dequantised: Vec<String> = source.model.formats().keys().filter(plain).cloned().collect();
    if to.extension().is_some_and(|extension| extension == "gguf") {
        let mix = ask.format.unwrap_or(Mix::F16);
        let report = write_gguf(ask, &source, mix)?;
        return Ok(Exported { format: mix, bytes: report.bytes, dequantised, report: Some(report) });
    }
    if ask.importance.is_some() {
        bail!("importance is for quantised formats: give --output a name that ends in .gguf");
    }
    let format = match ask.format {
        None => of_source(&source.model),
        Some(Mix::F32) => Plain::F32,
        Some(Mix::F16) => Plain::F16,
        Some(Mix::Bf16) => Plain::Bf16,
        Some(other) => bail!(
            "a folder holds safetensors, in F32, F16 or BF16: for {other} give --output a name that ends in .gguf"
        ),
    };
    let bytes = write_folder(ask, &source, format)?;
    let format = match format {
        Plain::F32 => Mix::F32,
        Plain::F16 => Mix::F16,
        Plain::Bf16 => Mix::Bf16,
    };
    Ok(Exported { format, bytes, dequantised, report: None })
}

/// The plain format that most numbers have.
fn of_source(model: &Decoder) -> Plain {
    let formats = model.formats();
    let most = formats.iter().max_by_key(|(_, numbers)| **numbers).map(|(kind, _)| kind.as_str());
    match most {
        Some("F32") => Plain::F32,
        Some("BF16") => Plain::Bf16,
        _ => Plain::F16,
    }
}

fn write_gguf(ask: &Export, source: &Opened, mix: Mix) -> Result<ExportReport> {
    let mut options = ExportOptions::new(mix, name_of(&ask.from));
    if let Some(gguf) = &source.gguf
        && let Some(name) = gguf.metadata().opt_str("general.name")?
    {
        options.name = name.into();
    }
    if let Some(text) = &ask.importance {
        options.importance = importance(source, text)?;
    }
    let words = match &source.gguf {
        Some(gguf) => Words::Gguf(gguf),
        None => Words::Tokenizer(&source.tokenizer),
    };
    Ok(to_gguf(&ask.to, &source.model, words, &options)?)
}

/// Of each matrix, measured on the first pieces of a text.
fn importance(source: &Opened, path: &Path) -> Result<BTreeMap<String, Vec<f32>>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let ids = source.tokenizer.encode(&text);
    if ids.is_empty() {
        bail!("{} has no text to measure importance on: give some pages", path.display());
    }
    let prefix = source.tokenizer.prefix();
    let piece = PIECE.min(source.model.config().max_position_embeddings).saturating_sub(prefix.len()).max(1);
    let pieces: Vec<Vec<u32>> = ids.chunks(piece).take(PIECES).map(|ids| [prefix, ids].concat()).collect();
    let pieces: Vec<&[u32]> = pieces.iter().map(Vec::as_slice).collect();
    Ok(source.model.importance(&pieces)?)
}

fn write_folder(ask: &Export, source: &Opened, format: Plain) -> Result<u64> {
    let (from, to) = (&ask.from, &ask.to);
    std::fs::create_dir_all(to).with_context(|| format!("making {}", to.display()))?;
    if source.gguf.is_some() {
        save_decoder(&source.model, to, format, None)?;
        source.tokenizer.save(to)?;
    } else {
        let path = from.join("config.json");
        let config = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        save_decoder(&source.model, to, format, Some(&config))?;
        for name in BESIDE {
            let path = from.join(name);
            if path.is_file() {
                let bytes = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
                write_atomic(&to.join(name), &bytes)?;
            }
        }
    }
    let weights = to.join("model.safetensors");
    Ok(weights.metadata().with_context(|| format!("looking at {}", weights.display()))?.len())
}
