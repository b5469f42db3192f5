//! Writes `tokenizer.json` and `tokenizer_config.json`, from which Hugging Face's libraries make the same ids.

use std::path::Path;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::{Value, json};
use shuyuan_store::write_atomic;

use crate::added::Special;
use crate::byte_chars::ByteChars;
use crate::chat::CHAT_TEMPLATE;
use crate::error::{Error, Result};
use crate::hub_load::{TOKENIZER_FILE, read};
use crate::roles::Config;
use crate::split::SPLIT_PATTERN;
use crate::tokenizer::{END_OF_TEXT, IM_END, IM_START, Source, Tokenizer};

/// The name of the file with the chat template in a model's folder.
pub const CONFIG_FILE: &str = "tokenizer_config.json";

#[derive(Serialize)]
struct HubFile<'a> {
    version: &'static str,
    truncation: (),
    padding: (),
    added_tokens: Vec<Value>,
    normalizer: Value,
    pre_tokenizer: Value,
    post_processor: Value,
    decoder: Value,
    model: Model<'a>,
}

#[derive(Serialize)]
struct Model<'a> {
    r#type: &'static str,
    dropout: (),
    unk_token: (),
    continuing_subword_prefix: &'static str,
    end_of_word_suffix: &'static str,
    fuse_unk: bool,
    byte_fallback: bool,
    ignore_merges: bool,
    #[serde(serialize_with = "in_order")]
    vocab: &'a [(String, usize)],
    merges: Vec<String>,
}

fn in_order<S: Serializer>(vocab: &&[(String, usize)], to: S) -> Result<S::Ok, S::Error> {
    let mut map = to.serialize_map(Some(vocab.len()))?;
    for (token, id) in *vocab {
        map.serialize_entry(token, id)?;
    }
    map.end()
}

impl Tokenizer {
    /// Writes `tokenizer.json` and `tokenizer_config.json` (with the chat template [`CHAT_TEMPLATE`]) into a folder, which is
    /// made if need be. Each file is there whole or not at all.
    pub fn save(&self, dir: impl AsRef<Path>) -> Result<()> {
        let dir = dir.as_ref();
        let io = |source| Error::Io { path: dir.to_path_buf(), action: "written", source };
        std::fs::create_dir_all(dir).map_err(io)?;
        write_atomic(&dir.join(TOKENIZER_FILE), self.to_json().as_bytes())?;
        Ok(write_atomic(&dir.join(CONFIG_FILE), self.config_json().as_bytes())?)
    }

    /// The text of `tokenizer.json`: of a tokenizer with Qwen2's split pattern written anew, of any other the file that it
    /// came from.
    pub fn to_json(&self) -> String {
        let Some(rules) = self.rules().filter(|_| self.source().is_none()) else {
            return self.source().map_or_else(String::new, Source::json);
        };
        let chars = ByteChars::new();
        let text = |id: u32| chars.to_text(self.token_bytes(id));
        let vocab: Vec<(String, usize)> = (0..self.vocab_size())
            .map(|id| (self.token_bytes(id as u32), id))
            .filter(|&(bytes, id)| !bytes.is_empty() && !self.is_special(id as u32))
            .map(|(bytes, id)| (chars.to_text(bytes), id))
            .collect();
        let byte_level = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false});
        let split = json!({"type": "Split", "pattern": {"Regex": SPLIT_PATTERN}, "behavior": "Isolated", "invert": false});
        let file = HubFile {
            version: "1.0",
            truncation: (),
            padding: (),
            added_tokens: self.specials().iter().map(|s| added(s, true)).collect(),
            normalizer: if rules.nfc { json!({"type": "NFC"}) } else { Value::Null },
            pre_tokenizer: json!({"type": "Sequence", "pretokenizers": [split, &byte_level]}),
            post_processor: self.post_processor(&byte_level),
            decoder: byte_level,
            model: Model {
                r#type: "BPE",
                dropout: (),
                unk_token: (),
                continuing_subword_prefix: "",
                end_of_word_suffix: "",
                fuse_unk: false,
                byte_fallback: false,
                ignore_merges: false,
                vocab: &vocab,
                // As lines, which old and new readers both take; no byte's character is a space.
                merges: rules.merges.iter().map(|&(l, r)| format!("{} {}", text(l), text(r))).collect(),
            },
        };
        pretty(&file)
    }

    /// The same tokenizer, whose texts end with the special token `text` from now on: what models that embed by their last
    /// token are trained with. Saved, other libraries add it, too.
    ///
    /// Errors: no such special token.
    pub fn ending_with(&self, text: &str) -> Result<Self> {
        let wrong = |reason: String| Error::Corrupt { path: TOKENIZER_FILE.into(), reason };
        let id = self.special(text).ok_or_else(|| wrong(format!("it has no special token {text}")))?;
        if self.suffix().last() == Some(&id) {
            return Ok(self.clone());
        }
        let json = |error: serde_json::Error| wrong(error.to_string());
        let mut file: Value = serde_json::from_str(&self.to_json()).map_err(json)?;
        let step = template(&[], &[(text, id)]);
        file["post_processor"] = match file["post_processor"].take() {
            Value::Null => step,
            before => json!({"type": "Sequence", "processors": [before, step]}),
        };
        let config: Config = serde_json::from_str(&self.config_json()).map_err(json)?;
        // What is before and after a text is in the file; "no end-of-text" would take the new one away again.
        let config = config.without_ends();
        read(&file.to_string(), TOKENIZER_FILE.into(), config)
    }

    /// The step that adds what is before and after a text, if anything is.
    fn post_processor(&self, byte_level: &Value) -> Value {
        if self.prefix().is_empty() && self.suffix().is_empty() {
            return byte_level.clone();
        }
        let named = |id: &u32| self.specials().iter().find(|s| s.id == *id).map(|s| (s.text.as_str(), s.id));
        let ends = [self.prefix(), self.suffix()].map(|ids| ids.iter().filter_map(named).collect::<Vec<_>>());
        json!({"type": "Sequence", "processors": [byte_level, template(&ends[0], &ends[1])]})
    }

    /// The text of `tokenizer_config.json`.
    pub fn config_json(&self) -> String {
        let known = |text: &str| self.special(text).map_or(Value::Null, |_| Value::from(text));
        let decoder: serde_json::Map<String, Value> =
            self.specials().iter().map(|s| (s.id.to_string(), added(s, false))).collect();
        let more: Vec<&str> = [IM_START, IM_END].into_iter().filter(|t| self.special(t).is_some()).collect();
        let chat = more.len() == 2;
        let of = |id: Option<u32>| self.specials().iter().find(|s| Some(s.id) == id).map(|s| s.text.as_str());
        let roles = self.roles();
        if self.source().is_some() || roles.chat_template.as_ref().is_some_and(|t| t != CHAT_TEMPLATE) {
            let templates = match (&roles.chat_template, &roles.tool_template) {
                (chat, None) => json!(chat),
                (chat, Some(tools)) => json!([
                    {"name": "default", "template": chat},
                    {"name": "tool_use", "template": tools},
                ]),
            };
            return pretty(&json!({
                "add_bos_token": roles.bos.is_some_and(|id| self.prefix().contains(&id)),
                "add_eos_token": roles.eos.is_some_and(|id| self.suffix().contains(&id)),
                "added_tokens_decoder": decoder,
                "bos_token": of(roles.bos),
                "chat_template": templates,
                "clean_up_tokenization_spaces": false,
                "eos_token": of(roles.eos),
                "pad_token": of(roles.pad),
                "tokenizer_class": "PreTrainedTokenizerFast",
                "unk_token": of(roles.unk),
            }));
        }
        pretty(&json!({
            "add_bos_token": false,
            "add_prefix_space": false,
            "added_tokens_decoder": decoder,
            "additional_special_tokens": more,
            "bos_token": null,
            "chat_template": chat.then_some(CHAT_TEMPLATE),
            "clean_up_tokenization_spaces": false,
            "eos_token": if chat { known(IM_END) } else { known(END_OF_TEXT) },
            "errors": "replace",
            "pad_token": known(END_OF_TEXT),
            "split_special_tokens": false,
            // Not Qwen2Tokenizer, which composes characters (NFC) whatever tokenizer.json says.
            "tokenizer_class": "PreTrainedTokenizerFast",
            "unk_token": null,
        }))
    }
}

/// A post-processor that puts special tokens before and after each text.
pub(crate) fn template(before: &[(&str, u32)], after: &[(&str, u32)]) -> Value {
    let special =
        |kind: u32| move |(text, _): &(&str, u32)| json!({"SpecialToken": {"id": text, "type_id": kind}});
    let one = |name: &str, kind: u32| -> Vec<Value> {
        let text = json!({"Sequence": {"id": name, "type_id": kind}});
        before.iter().map(special(kind)).chain([text]).chain(after.iter().map(special(kind))).collect()
    };
    let known: serde_json::Map<String, Value> = before
        .iter()
        .chain(after)
        .map(|(text, id)| (text.to_string(), json!({"id": text, "ids": [id], "tokens": [text]})))
        .collect();
    let two = [one("A", 0), one("B", 1)].concat();
    json!({
        "type": "TemplateProcessing",
        "single": one("A", 0),
        "pair": two,
        "special_tokens": known,
    })
}

fn added(special: &Special, with_id: bool) -> Value {
    let mut value = json!({
        "content": special.text,
        "single_word": special.reach.single_word,
        "lstrip": special.reach.lstrip,
        "rstrip": special.reach.rstrip,
        "normalized": false,
        "special": special.control,
    });
    if with_id {
        value["id"] = special.id.into();
    }
    value
}

fn pretty(value: &impl Serialize) -> String {
    match serde_json::to_string_pretty(value) {
        Ok(text) => text + "\n",
        Err(e) => unreachable!("strings and numbers always serialise: {e}"),
    }
}
