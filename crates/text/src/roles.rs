//! What a tokenizer's special tokens are for: from the post-processor, `tokenizer_config.json` or GGUF's metadata.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::TokenId;
use crate::added::Special;
use crate::error::{Error, Result};
use crate::hub_load::read_text;
use crate::hub_save::CONFIG_FILE;

/// A larger template is refused; the longest of real models have 30 KB.
pub(crate) const MOST_TEMPLATE_BYTES: usize = 1 << 20;

/// Close a turn or a text in the formats that models are published with; llama.cpp goes by the same names.
const ENDS: [&str; 14] = [
    "<|im_end|>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<end_of_turn>",
    "<|end_of_turn|>",
    "</s>",
    "<eos>",
    "<EOT>",
    "<｜end▁of▁sentence｜>",
];

/// Special tokens by what they are for, and the chat template.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Roles {
    /// Begins a text.
    pub bos: Option<TokenId>,
    /// Ends a text.
    pub eos: Option<TokenId>,
    /// Stands for what the vocabulary does not have.
    pub unk: Option<TokenId>,
    /// Fills up a batch.
    pub pad: Option<TokenId>,
    /// The chat template in Jinja.
    pub chat_template: Option<String>,
    /// The chat template for requests with tools, where the model has one of its own.
    pub tool_template: Option<String>,
    pub(crate) prefix: Vec<TokenId>,
    pub(crate) suffix: Vec<TokenId>,
    pub(crate) ends: Vec<TokenId>,
}

/// The files beside `tokenizer.json`, as far as they matter here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Config {
    bos_token: Value,
    eos_token: Value,
    unk_token: Value,
    pad_token: Value,
    add_bos_token: Option<bool>,
    add_eos_token: Option<bool>,
    chat_template: Value,
}

impl Config {
    /// Reads what there is in a folder. Errors: a file that is there and is no such file.
    pub(crate) fn load(dir: &Path) -> Result<Self> {
        let json = |name: &str| -> Result<Self> {
            let path = dir.join(name);
            if !path.exists() {
                return Ok(Self::default());
            }
            serde_json::from_str(&read_text(&path)?)
                .map_err(|e| Error::Corrupt { path, reason: e.to_string() })
        };
        let mut config = json(CONFIG_FILE)?;
        let map = json("special_tokens_map.json")?;
        let or = |own: &mut Value, other: Value| {
            if own.is_null() {
                *own = other;
            }
        };
        or(&mut config.bos_token, map.bos_token);
        or(&mut config.eos_token, map.eos_token);
        or(&mut config.unk_token, map.unk_token);
        or(&mut config.pad_token, map.pad_token);
        // The file of its own is the newer way and wins, as in transformers.
        let path = dir.join("chat_template.jinja");
        if path.exists() {
            config.chat_template = Value::String(read_text(&path)?);
        } else {
            or(&mut config.chat_template, json("chat_template.json")?.chat_template);
        }
        Ok(config)
    }

    /// The same, without a say in whether the text's beginning and end are marked.
    pub(crate) fn without_ends(self) -> Self {
        Self { add_bos_token: None, add_eos_token: None, ..self }
    }
}

impl Roles {
    /// Takes over what a configuration says. A token that the tokenizer does not have is nobody's; so is the text of one
    /// that users could type.
    pub(crate) fn apply(&mut self, config: Config, specials: &[Special]) {
        let id = |token: &Value| {
            let text = token.as_str().or_else(|| token["content"].as_str())?;
            specials.iter().find(|s| s.text == text).map(|s| s.id)
        };
        self.bos = id(&config.bos_token).or(self.bos);
        self.eos = id(&config.eos_token).or(self.eos);
        self.unk = id(&config.unk_token).or(self.unk);
        self.pad = id(&config.pad_token).or(self.pad);
        self.add(config.add_bos_token, config.add_eos_token);
        match config.chat_template {
            Value::String(text) => self.chat_template = Some(text),
            Value::Array(named) => {
                let of = |name: &str| {
                    let it = named.iter().find(|t| t["name"] == name)?;
                    it["template"].as_str().map(str::to_string)
                };
                self.chat_template = of("default");
                self.tool_template = of("tool_use");
            }
            _ => {}
        }
    }

    /// Settles whether the text's beginning and end are marked; `None` leaves it as it is.
    pub(crate) fn add(&mut self, bos: Option<bool>, eos: Option<bool>) {
        let set = |at: &mut Vec<TokenId>, id: Option<TokenId>, add: Option<bool>| match (id, add) {
            (Some(id), Some(true)) if !at.contains(&id) => at.push(id),
            (Some(id), Some(false)) => at.retain(|&i| i != id),
            _ => {}
        };
        set(&mut self.prefix, self.bos, bos);
        set(&mut self.suffix, self.eos, eos);
    }

    /// Completes the ends of generation by the names of special tokens.
    pub(crate) fn find_ends(&mut self, specials: &[Special]) {
        let named = specials.iter().filter(|s| s.control && ENDS.contains(&s.text.as_str())).map(|s| s.id);
        self.ends.extend(self.eos.into_iter().chain(named));
        self.ends.sort_unstable();
        self.ends.dedup();
    }
}
