//! The vocabulary and chat template that a GGUF file holds.

use super::{Array, Gguf, GgufError, Metadata, Value};
use shuyuan_text::GgufVocabulary;

impl Gguf {
    /// The fields `tokenizer.*`, for [`shuyuan_text::Tokenizer::from_gguf`].
    ///
    /// # Errors
    /// If the kind of tokenizer or its tokens are missing, or a field is of another type.
    pub fn vocabulary(&self) -> Result<GgufVocabulary, GgufError> {
        let all = self.metadata();
        let id = |name: &str| -> Result<Option<u32>, GgufError> {
            let id = all.opt_u64(&format!("tokenizer.ggml.{name}_token_id"))?;
            Ok(id.and_then(|id| u32::try_from(id).ok()))
        };
        let flag = |name: &str| all.opt_bool(&format!("tokenizer.ggml.{name}"));
        Ok(GgufVocabulary {
            model: all.str("tokenizer.ggml.model")?.to_string(),
            pre: all.opt_str("tokenizer.ggml.pre")?.unwrap_or_default().to_string(),
            tokens: all.strs("tokenizer.ggml.tokens")?.to_vec(),
            scores: all.opt_f32s("tokenizer.ggml.scores")?.unwrap_or_default(),
            types: types(all)?,
            merges: all.opt_strs("tokenizer.ggml.merges")?.map(<[String]>::to_vec).unwrap_or_default(),
            bos: id("bos")?,
            eos: id("eos")?,
            eot: id("eot")?,
            unk: id("unknown")?,
            sep: id("seperator")?.or(id("separator")?),
            cls: id("cls")?,
            pad: id("padding")?,
            add_bos: flag("add_bos_token")?,
            add_eos: flag("add_eos_token")?,
            add_space_prefix: flag("add_space_prefix")?,
            remove_extra_whitespaces: flag("remove_extra_whitespaces")?,
            precompiled_charsmap: match all.get("tokenizer.ggml.precompiled_charsmap") {
                Some(Value::Array(Array::U8(bytes))) => bytes.clone(),
                Some(Value::Array(Array::I8(bytes))) => bytes.iter().map(|byte| *byte as u8).collect(),
                _ => Vec::new(),
            },
            chat_template: all.opt_str("tokenizer.chat_template")?.map(str::to_string),
            tool_template: all.opt_str("tokenizer.chat_template.tool_use")?.map(str::to_string),
        })
    }
}

/// Token types, which some writers store unsigned.
fn types(all: &Metadata) -> Result<Vec<i32>, GgufError> {
    let types = all.opt_i64s("tokenizer.ggml.token_type")?.unwrap_or_default();
    Ok(types.iter().map(|kind| i32::try_from(*kind).unwrap_or(0)).collect())
}
