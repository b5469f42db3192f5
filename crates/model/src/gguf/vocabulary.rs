//! A vocabulary as GGUF's settings: the way back of `read_vocabulary.rs`.

use super::{Gguf, GgufError, Metadata};
use crate::DecoderConfig;
use shuyuan_text::{CHAT_TEMPLATE, END_OF_TEXT, IM_END, IM_START, Tokenizer};

/// Where an exported model's vocabulary, chat template and what is known of it beside comes from.
#[derive(Clone, Copy, Debug)]
pub enum Words<'a> {
    /// A tokenizer that was trained here, or read from a `tokenizer.json`.
    Tokenizer(&'a Tokenizer),
    /// Another GGUF file, word for word.
    Gguf(&'a Gguf),
}

impl Words<'_> {
    /// Adds the vocabulary, with as many entries as the embedding has rows.
    ///
    /// # Errors
    /// If the tokenizer has more entries than that, or is of a kind that llama.cpp has no name for.
    pub(super) fn add_to(
        self,
        all: &mut Metadata,
        config: &DecoderConfig,
        template: Option<&str>,
    ) -> Result<(), GgufError> {
        match self {
            Self::Tokenizer(tokenizer) => of_tokenizer(all, tokenizer, config, template),
            Self::Gguf(gguf) => {
                let own = template.map(|_| "tokenizer.chat_template");
                for (key, value) in gguf.metadata().iter() {
                    if key.starts_with("tokenizer.") && Some(key) != own {
                        all.insert(key, value.clone())?;
                    }
                }
                template.map_or(Ok(()), |template| all.insert("tokenizer.chat_template", template))
            }
        }
    }
}

fn of_tokenizer(
    all: &mut Metadata,
    tokenizer: &Tokenizer,
    config: &DecoderConfig,
    template: Option<&str>,
) -> Result<(), GgufError> {
    let size = config.vocab_size;
    if tokenizer.vocab_size() > size {
        return Err(GgufError::Vocabulary { tokens: tokenizer.vocab_size(), rows: size });
    }
    let v = tokenizer.to_gguf(size).map_err(|error| GgufError::Tokenizer(Box::new(error)))?;
    let known = |text: &str| tokenizer.special(text);
    // One id is what the model was trained to end with; of several, the tokenizer knows which ends a text.
    let end = match config.eos_token_ids.as_slice() {
        [id] => Some(*id),
        several => v.eos.or(several.first().copied()),
    };
    let byte_level = v.model == "gpt2";
    all.insert("tokenizer.ggml.model", v.model)?;
    all.insert("tokenizer.ggml.pre", v.pre)?;
    all.insert("tokenizer.ggml.tokens", v.tokens)?;
    if !v.scores.is_empty() {
        all.insert("tokenizer.ggml.scores", v.scores)?;
    }
    all.insert("tokenizer.ggml.token_type", v.types)?;
    if byte_level {
        all.insert("tokenizer.ggml.merges", v.merges)?;
    }
    let ids = [
        ("tokenizer.ggml.eos_token_id", end.or(known(IM_END)).or(known(END_OF_TEXT))),
        ("tokenizer.ggml.padding_token_id", v.pad.or(known(END_OF_TEXT))),
        // llama.cpp would take 11 if nothing were said, though it is not written before a text.
        ("tokenizer.ggml.bos_token_id", v.bos.or(known(END_OF_TEXT))),
        ("tokenizer.ggml.unknown_token_id", v.unk),
    ];
    for (key, id) in ids {
        if let Some(id) = id {
            all.insert(key, id)?;
        }
    }
    all.insert("tokenizer.ggml.add_bos_token", v.add_bos.unwrap_or(false))?;
    all.insert("tokenizer.ggml.add_eos_token", v.add_eos.unwrap_or(false))?;
    if let Some(space) = v.add_space_prefix {
        all.insert("tokenizer.ggml.add_space_prefix", space)?;
    }
    let chat = [IM_START, IM_END].iter().all(|text| known(text).is_some());
    let own = v.chat_template.as_deref().or(chat.then_some(CHAT_TEMPLATE));
    if let Some(template) = template.or(own) {
        all.insert("tokenizer.chat_template", template)?;
    }
    if let Some(template) = v.tool_template {
        all.insert("tokenizer.chat_templates", vec!["tool_use".to_string()])?;
        all.insert("tokenizer.chat_template.tool_use", template)?;
    }
    Ok(())
}
