//! Reads `tokenizer.json` of Hugging Face, and refuses what would give other ids here than there.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::TokenId;
use crate::byte_chars::ByteChars;
use crate::error::{Error, Result};
use crate::split::SPLIT_PATTERN;
use crate::tokenizer::{Special, Tokenizer, Vocabulary};

/// The name of the file in a model's folder.
pub const TOKENIZER_FILE: &str = "tokenizer.json";
/// Larger files are refused unread; the largest real ones have 35 MB.
const MOST_BYTES: u64 = 256 << 20;
/// Larger ids are refused, or one wrong digit would allocate gigabytes.
const MOST_IDS: usize = 1 << 22;

#[derive(Deserialize)]
struct HubFile<'a> {
    #[serde(default)]
    added_tokens: Vec<Added>,
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    #[serde(default)]
    post_processor: Value,
    #[serde(default)]
    decoder: Value,
    #[serde(borrow)]
    model: &'a RawValue,
}

#[derive(Deserialize)]
struct Added {
    id: TokenId,
    content: String,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    #[serde(default)]
    special: bool,
}

#[derive(Deserialize)]
struct Kind {
    r#type: Option<String>,
}

#[derive(Deserialize)]
struct Model {
    vocab: HashMap<String, TokenId>,
    merges: Vec<Merge>,
    #[serde(default)]
    dropout: Option<f64>,
    #[serde(default)]
    continuing_subword_prefix: Option<String>,
    #[serde(default)]
    end_of_word_suffix: Option<String>,
    #[serde(default)]
    byte_fallback: bool,
    #[serde(default)]
    ignore_merges: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Merge {
    Pair(String, String),
    Line(String),
}

impl Tokenizer {
    /// Reads a tokenizer from a folder with a `tokenizer.json`, or from such a file.
    ///
    /// Reads what [`Tokenizer::save`] wrote, and byte-level BPE tokenizers from elsewhere with the same split pattern (Qwen2,
    /// Qwen2.5, Qwen3). Errors: no file, not such a file, a tokenizer of another kind; each named.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let path = if path.is_dir() { path.join(TOKENIZER_FILE) } else { path.to_path_buf() };
        let text = read(&path)?;
        Self::from_json(&text, path)
    }

    /// Reads the text of a `tokenizer.json`; `path` is what errors name.
    pub fn from_json(text: &str, path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        vocabulary(text).map(Self::new).map_err(|refusal| match refusal {
            Refusal::Corrupt(reason) => Error::Corrupt { path, reason },
            Refusal::Unsupported(what) => Error::Unsupported { path, what },
        })
    }
}

fn read(path: &Path) -> Result<String> {
    let io = |source| Error::Io { path: path.to_path_buf(), action: "read", source };
    let corrupt = |reason: String| Error::Corrupt { path: path.to_path_buf(), reason };
    let file = File::open(path).map_err(io)?;
    if !file.metadata().map_err(io)?.is_file() {
        return Err(corrupt("it is not a regular file".into()));
    }
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(corrupt(format!("it is larger than {} MB, the most that is read", MOST_BYTES >> 20)));
    }
    String::from_utf8(bytes).map_err(|e| corrupt(format!("it is not text: {}", e.utf8_error())))
}

enum Refusal {
    Corrupt(String),
    Unsupported(String),
}

fn corrupt<T>(reason: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Corrupt(reason.into()))
}

fn unsupported<T>(what: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Unsupported(what.into()))
}

impl From<serde_json::Error> for Refusal {
    fn from(e: serde_json::Error) -> Self {
        Self::Corrupt(e.to_string())
    }
}

fn vocabulary(text: &str) -> Result<Vocabulary, Refusal> {
    let file: HubFile = serde_json::from_str(text)?;
    let kind: Kind = serde_json::from_str(file.model.get())?;
    // Old files leave the type out of BPE models.
    if let Some(kind) = kind.r#type.filter(|k| k != "BPE") {
        return unsupported(format!("model type {kind}"));
    }
    let nfc = check_steps(&file)?;
    let model: Model = serde_json::from_str(file.model.get())?;
    check_model(&model)?;
    build(file.added_tokens, model, nfc)
}

/// The steps around the model must be those of Qwen2; true if text is composed first.
fn check_steps(file: &HubFile) -> Result<bool, Refusal> {
    let nfc = match kind_of(&file.normalizer) {
        None => false,
        Some("NFC") => true,
        Some(other) => return unsupported(format!("normaliser {other}")),
    };
    let steps = match &file.pre_tokenizer["pretokenizers"] {
        Value::Array(steps) => steps.as_slice(),
        _ => std::slice::from_ref(&file.pre_tokenizer),
    };
    match steps {
        [split, bytes] if kind_of(split) == Some("Split") && kind_of(bytes) == Some("ByteLevel") => {
            match split["pattern"]["Regex"].as_str() {
                Some(SPLIT_PATTERN) => {}
                Some(other) => return unsupported(format!("split pattern {other}")),
                None => return unsupported(format!("split by {}", split["pattern"])),
            }
            if split["behavior"] != "Isolated" || split["invert"] == true {
                return unsupported("a split that does not keep each match as a word");
            }
            if bytes["use_regex"] != false {
                return unsupported("a second split pattern (ByteLevel with use_regex)");
            }
            if bytes["add_prefix_space"] == true {
                return unsupported("a space added before the text (add_prefix_space)");
            }
        }
        [bytes] if kind_of(bytes) == Some("ByteLevel") => {
            return unsupported("GPT-2's split pattern (ByteLevel with use_regex)");
        }
        [other] if kind_of(other).is_none() => return unsupported("text that is not split into words"),
        others => {
            let kinds: Vec<&str> = others.iter().filter_map(kind_of).collect();
            return unsupported(format!("pre-tokenizers {}", kinds.join(", ")));
        }
    }
    if let Some(other) = kind_of(&file.post_processor).filter(|k| *k != "ByteLevel") {
        return unsupported(format!("post-processor {other}, which adds tokens to every text"));
    }
    match kind_of(&file.decoder) {
        None | Some("ByteLevel") => Ok(nfc),
        Some(other) => unsupported(format!("decoder {other}")),
    }
}

fn kind_of(step: &Value) -> Option<&str> {
    step["type"].as_str()
}

fn check_model(model: &Model) -> Result<(), Refusal> {
    let given = |s: &Option<String>| s.as_ref().is_some_and(|s| !s.is_empty());
    if given(&model.continuing_subword_prefix) || given(&model.end_of_word_suffix) {
        return unsupported("prefixes or suffixes of word parts");
    }
    if model.byte_fallback {
        return unsupported("byte_fallback (a vocabulary of characters, not bytes)");
    }
    if model.ignore_merges {
        return unsupported("ignore_merges");
    }
    if model.dropout.is_some_and(|d| d > 0.0) {
        return unsupported("dropout of merges");
    }
    Ok(())
}

fn build(added: Vec<Added>, model: Model, nfc: bool) -> Result<Vocabulary, Refusal> {
    let chars = ByteChars::new();
    let most = model.vocab.values().chain(added.iter().map(|a| &a.id)).max();
    let size = most.map_or(0, |&id| id as usize + 1);
    if size > MOST_IDS {
        return unsupported(format!("id {}; the most is {}", size - 1, MOST_IDS - 1));
    }
    let mut tokens: Vec<Vec<u8>> = vec![Vec::new(); size];
    let is_added = |text: &str, id| added.iter().any(|a| a.id == id && a.content == text);
    for (text, &id) in &model.vocab {
        if !tokens[id as usize].is_empty() {
            return corrupt(format!("two tokens have id {id}, one is {text:?}"));
        }
        tokens[id as usize] = match chars.to_bytes(text) {
            Ok(bytes) => bytes,
            Err(_) if is_added(text, id) => text.clone().into_bytes(),
            Err(c) => {
                return unsupported(format!("a vocabulary that is not byte-level: token {text:?} has {c:?}"));
            }
        };
    }
    let mut byte_ids = [0; 256];
    for b in 0..=255u8 {
        let text = chars.to_text(&[b]);
        match model.vocab.get(&text) {
            Some(&id) => byte_ids[b as usize] = id,
            None => return unsupported(format!("a vocabulary without byte 0x{b:02x} ({text:?})")),
        }
    }
    let (mut merges, mut merged) = (Vec::new(), Vec::new());
    for (rank, merge) in model.merges.iter().enumerate() {
        let (left, right) = match merge {
            Merge::Pair(left, right) => (left.as_str(), right.as_str()),
            Merge::Line(line) => match line.split_once(' ') {
                Some(pair) => pair,
                None => return corrupt(format!("merge {rank} is {line:?}, not two tokens")),
            },
        };
        let id = |text: &str| match model.vocab.get(text) {
            Some(&id) => Ok(id),
            None => corrupt(format!(
                "merge {rank} ({left:?}, {right:?}) needs token {text:?}, which is not there"
            )),
        };
        merges.push((id(left)?, id(right)?));
        merged.push(id(&format!("{left}{right}"))?);
    }
    let mut specials: Vec<Special> = Vec::new();
    for a in added {
        if a.content.is_empty() {
            return corrupt(format!("added token {} is empty", a.id));
        }
        if a.single_word || a.lstrip || a.rstrip {
            return unsupported(format!("added token {:?} with single_word, lstrip or rstrip", a.content));
        }
        let slot = &mut tokens[a.id as usize];
        if !slot.is_empty() && slot.as_slice() != a.content.as_bytes() {
            return corrupt(format!("added token {:?} has id {}, which another token has", a.content, a.id));
        }
        *slot = a.content.clone().into_bytes();
        specials.push(Special { text: a.content, id: a.id, control: a.special });
    }
    specials.sort_by_key(|s| s.id);
    if let Some(twice) = specials.windows(2).find(|w| w[0].id == w[1].id) {
        return corrupt(format!("two added tokens have id {}", twice[0].id));
    }
    Ok(Vocabulary { tokens, byte_ids, merges, merged, specials, nfc })
}
