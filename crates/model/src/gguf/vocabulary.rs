//! A tokenizer as GGUF metadata: llama.cpp's "gpt2" kind, which is byte-level BPE, with Qwen2's way to cut words.

use super::{GgufError, Metadata};
use serde_json::Value as Json;
use shuyuan_text::{END_OF_TEXT, IM_END, Tokenizer};

/// `enum llama_token_type`.
const NORMAL: i32 = 1;
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;
const UNUSED: i32 = 5;

/// Adds the vocabulary, with `size` entries, as many as the embedding has rows; `end` is the id that ends a text.
///
/// # Errors
/// If the tokenizer has more entries than `size`, or a key is there already.
pub(super) fn add_vocabulary(
    metadata: &mut Metadata,
    tokenizer: &Tokenizer,
    size: usize,
    end: Option<u32>,
) -> Result<(), GgufError> {
    if tokenizer.vocab_size() > size {
        return Err(GgufError::Vocabulary { tokens: tokenizer.vocab_size(), rows: size });
    }
    // The printable characters that stand for bytes are those of tokenizer.json, so that is where they come from.
    let json: Json = serde_json::from_str(&tokenizer.to_json())
        .unwrap_or_else(|error| unreachable!("a tokenizer writes JSON: {error}"));
    // Ids that nothing has taken, as llama.cpp's converter calls them.
    let mut tokens: Vec<String> = (0..size).map(|id| format!("[PAD{id}]")).collect();
    let mut types = vec![UNUSED; size];
    let normal = json["model"]["vocab"].as_object().into_iter().flatten();
    for (text, id) in normal.filter_map(|(text, id)| Some((text, id.as_u64()? as usize))) {
        tokens[id].clone_from(text);
        types[id] = NORMAL;
    }
    for special in tokenizer.specials() {
        tokens[special.id as usize].clone_from(&special.text);
        types[special.id as usize] = if special.control { CONTROL } else { USER_DEFINED };
    }
    let merges = json["model"]["merges"].as_array().into_iter().flatten();
    let merges: Vec<String> = merges.filter_map(|merge| merge.as_str().map(String::from)).collect();

    metadata.insert("tokenizer.ggml.model", "gpt2")?;
    metadata.insert("tokenizer.ggml.pre", "qwen2")?;
    metadata.insert("tokenizer.ggml.tokens", tokens)?;
    metadata.insert("tokenizer.ggml.token_type", types)?;
    metadata.insert("tokenizer.ggml.merges", merges)?;
    let known = |text: &str| tokenizer.special(text);
    let ids = [
        ("tokenizer.ggml.eos_token_id", end.or(known(IM_END)).or(known(END_OF_TEXT))),
        ("tokenizer.ggml.padding_token_id", known(END_OF_TEXT)),
        // Not written before a text (see below), but llama.cpp would take 11 if nothing were said.
        ("tokenizer.ggml.bos_token_id", known(END_OF_TEXT)),
    ];
    for (key, id) in ids {
        if let Some(id) = id {
            metadata.insert(key, id)?;
        }
    }
    metadata.insert("tokenizer.ggml.add_bos_token", false)
}
