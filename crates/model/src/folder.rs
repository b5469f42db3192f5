//! Any decoder as a folder of Hugging Face's layout: config.json, generation_config.json, model.safetensors.

use crate::decoder::{Naming, Outgoing};
use crate::gguf::check_numbers;
use crate::{Decoder, ModelError};
use serde_json::{Map, Value, json};
use shuyuan_kernels::{BlockType, quantize};
use shuyuan_store::StoreError;
use std::fmt;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

const WEIGHTS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// How safetensors store numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "names")]
pub enum Plain {
    F32,
    F16,
    Bf16,
}

impl Plain {
    fn kind(self) -> BlockType {
        match self {
            Self::F32 => BlockType::F32,
            Self::F16 => BlockType::F16,
            Self::Bf16 => BlockType::Bf16,
        }
    }

    /// PyTorch's name, as in `config.json`.
    pub fn torch(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::F16 => "float16",
            Self::Bf16 => "bfloat16",
        }
    }
}

impl fmt::Display for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
        })
    }
}

/// Writes a model into the folder `dir`, which exists. Of the weights, some million numbers are in memory at a time. `source`
/// is the text of the `config.json` that the model was loaded with, where there is one: all it says is kept. The tokenizer is
/// the caller's affair.
///
/// # Errors
/// If a `config.json` cannot say what the model is like, a number is not finite or too large for the format, the folder holds
/// weights in several files; or what the file system says.
pub fn save_decoder(
    model: &Decoder,
    dir: &Path,
    format: Plain,
    source: Option<&str>,
) -> Result<(), ModelError> {
    let config = model.config();
    let index = dir.join(INDEX);
    if index.exists() {
        let what = "it names the files of another model's weights: give an empty folder".into();
        return Err(ModelError::Invalid { path: index, what });
    }
    let text = match source {
        None => config.to_json(format.torch())?,
        Some(text) => {
            let text = with_dtype(text, format)?;
            config.check_json(&text)?;
            text
        }
    };
    write_weights(&dir.join(WEIGHTS), &model.tensors(Naming::HuggingFace), format)?;
    shuyuan_store::write_atomic(&dir.join("config.json"), text.as_bytes())?;
    let generation = json!({ "eos_token_id": config.eos_token_ids, "do_sample": false });
    shuyuan_store::write_atomic(&dir.join("generation_config.json"), format!("{generation:#}\n").as_bytes())?;
    Ok(())
}

fn with_dtype(text: &str, format: Plain) -> Result<String, ModelError> {
    let error = |what: String| ModelError::Config(format!("config.json: {what}"));
    let mut all: Map<String, Value> =
        serde_json::from_str(text).map_err(|found| error(format!("expected a JSON object: {found}")))?;
    // transformers 5 calls it dtype.
    let key = if all.contains_key("dtype") { "dtype" } else { "torch_dtype" };
    all.insert(key.into(), format.torch().into());
    Ok(format!("{:#}\n", Value::Object(all)))
}

/// safetensors: the length of a JSON header, the header, the tensors' numbers in its order.
fn write_weights(path: &Path, tensors: &[Outgoing], format: Plain) -> Result<(), ModelError> {
    let bytes_of = |tensor: &Outgoing| tensor.elements() * format.kind().bytes();
    let mut header = Map::new();
    header.insert("__metadata__".into(), json!({ "format": "pt" }));
    let mut at = 0;
    for tensor in tensors {
        let end = at + bytes_of(tensor);
        let entry = json!({ "dtype": format.to_string(), "shape": tensor.shape, "data_offsets": [at, end] });
        header.insert(tensor.name.clone(), entry);
        at = end;
    }
    let mut header = Value::Object(header).to_string();
    // Numbers begin at a multiple of 8.
    header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));

    let temp = path.with_extension("safetensors.tmp");
    let written = write_tensors(&temp, header.as_bytes(), tensors, format).and_then(|()| {
        std::fs::rename(&temp, path)
            .map_err(|source| StoreError::Io { action: "replace", path: path.to_path_buf(), source }.into())
    });
    if written.is_err() {
        // Best effort: the error worth reporting is the first one.
        let _ = std::fs::remove_file(&temp);
    }
    written
}

fn write_tensors(temp: &Path, header: &[u8], tensors: &[Outgoing], format: Plain) -> Result<(), ModelError> {
    let io = |action: &'static str| {
        move |source| ModelError::from(StoreError::Io { action, path: temp.to_path_buf(), source })
    };
    let mut file = BufWriter::new(File::create(temp).map_err(io("create"))?);
    let mut put = |bytes: &[u8]| file.write_all(bytes).map_err(io("write"));
    put(&(header.len() as u64).to_le_bytes())?;
    put(header)?;
    for tensor in tensors {
        tensor.for_each_chunk(|_, numbers| {
            check_numbers(&tensor.name, format.kind(), numbers)?;
            put(&quantize(format.kind(), numbers, None))
        })?;
    }
    let file = file.into_inner().map_err(|error| io("write")(error.into_error()))?;
    file.sync_all().map_err(io("write"))
}
