//! Reads `tokenizer.json` of Hugging Face: what our own BPE gives the same ids for, and the rest by their crate. Refuses what
//! would give other ids here than there.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::fs::File;
use std::hash::Hash;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::TokenId;
use crate::added::{Reach, Special};
use crate::byte_chars::ByteChars;
use crate::byte_level::{ByteLevel, Merges};
use crate::error::{Error, Result};
use crate::hub_ends;
use crate::hub_foreign;
use crate::roles::{Config, Roles};
use crate::split::{LLAMA3_PATTERN, SPLIT_PATTERN, Split};
use crate::tokenizer::{Inside, Opening, Parts, Source, Tokenizer};

/// The name of the file in a model's folder.
pub const TOKENIZER_FILE: &str = "tokenizer.json";
/// Larger files are refused unread; the largest real ones have 35 MB.
const MOST_BYTES: u64 = 256 << 20;
/// Larger ids are refused, or one wrong digit would allocate gigabytes.
pub(crate) const MOST_IDS: usize = 1 << 22;

#[derive(Deserialize)]
pub(crate) struct HubFile<'a> {
    #[serde(default)]
    added_tokens: Vec<Added>,
    #[serde(default)]
    pub(crate) normalizer: Value,
    #[serde(default)]
    pub(crate) pre_tokenizer: Value,
    #[serde(default)]
    post_processor: Value,
    #[serde(default)]
    pub(crate) decoder: Value,
    #[serde(borrow)]
    pub(crate) model: &'a RawValue,
}

/// A token beside the model's.
#[derive(Default, Deserialize)]
pub(crate) struct Added {
    pub(crate) id: TokenId,
    pub(crate) content: String,
    #[serde(default)]
    pub(crate) single_word: bool,
    #[serde(default)]
    pub(crate) lstrip: bool,
    #[serde(default)]
    pub(crate) rstrip: bool,
    #[serde(default)]
    pub(crate) special: bool,
}

#[derive(Deserialize)]
struct Kind {
    r#type: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct BpeModel {
    pub(crate) vocab: HashMap<String, TokenId>,
    pub(crate) merges: Vec<Merge>,
    #[serde(default)]
    pub(crate) unk_token: Option<String>,
    #[serde(default)]
    dropout: Option<f64>,
    #[serde(default)]
    continuing_subword_prefix: Option<String>,
    #[serde(default)]
    end_of_word_suffix: Option<String>,
    #[serde(default)]
    byte_fallback: bool,
    #[serde(default)]
    pub(crate) ignore_merges: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Merge {
    Pair(String, String),
    Line(String),
}

impl Merge {
    /// Its two parts, if it has two.
    pub(crate) fn parts(&self) -> Option<(&str, &str)> {
        match self {
            Self::Pair(left, right) => Some((left, right)),
            Self::Line(line) => line.split_once(' '),
        }
    }
}

/// The tokens beside the model's: special ones, and those that stand for plain text wherever it has them.
pub(crate) struct AddedTokens {
    pub(crate) specials: Vec<Special>,
    /// In the learned vocabulary as well (Gemma's runs of line breaks): text like other tokens, but found before the model
    /// sees it.
    pub(crate) plain: Vec<Special>,
}

impl Tokenizer {
    /// Reads a tokenizer from a folder with a `tokenizer.json`, or from such a file, and what lies beside it
    /// (`tokenizer_config.json`, `special_tokens_map.json`, `chat_template.jinja`).
    ///
    /// Reads what [`Tokenizer::save`] wrote, and BPE, WordPiece and Unigram tokenizers from elsewhere (Llama, Mistral, Qwen,
    /// Gemma, Phi-3, GPT-2, SmolLM, BERT, T5). Errors: no file, not such a file, a tokenizer of another kind; each named.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let path = if path.is_dir() { path.join(TOKENIZER_FILE) } else { path.to_path_buf() };
        let text = read_text(&path)?;
        let config = match path.parent() {
            Some(dir) if path.file_name().is_some_and(|name| name == TOKENIZER_FILE) => Config::load(dir)?,
            _ => Config::default(),
        };
        read(&text, path, config)
    }

    /// Reads the text of a `tokenizer.json`; `path` is what errors name.
    pub fn from_json(text: &str, path: impl Into<PathBuf>) -> Result<Self> {
        read(text, path.into(), Config::default())
    }
}

pub(crate) fn read(text: &str, path: PathBuf, config: Config) -> Result<Tokenizer> {
    let parts = parts(text).map_err(|refusal| refusal.of(path))?;
    let mut parts = parts;
    parts.roles.apply(config, &parts.specials);
    Tokenizer::new(parts)
}

pub(crate) fn read_text(path: &Path) -> Result<String> {
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

/// Why a file is not read, before it is known which.
pub(crate) enum Refusal {
    Corrupt(String),
    Unsupported(String),
}

impl Refusal {
    pub(crate) fn of(self, path: PathBuf) -> Error {
        match self {
            Self::Corrupt(reason) => Error::Corrupt { path, reason },
            Self::Unsupported(what) => Error::Unsupported { path, what },
        }
    }
}

pub(crate) fn corrupt<T>(reason: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Corrupt(reason.into()))
}

pub(crate) fn unsupported<T>(what: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Unsupported(what.into()))
}

impl From<serde_json::Error> for Refusal {
    fn from(e: serde_json::Error) -> Self {
        Self::Corrupt(e.to_string())
    }
}

/// What a `tokenizer.json` says, with the ends of its post-processor.
pub(crate) fn parts(text: &str) -> Result<Parts, Refusal> {
    let mut file: HubFile = serde_json::from_str(text)?;
    let kind: Kind = serde_json::from_str(file.model.get())?;
    let added = std::mem::take(&mut file.added_tokens);
    let mut parts = match kind.r#type.as_deref() {
        // Old files leave the type out of BPE models.
        None | Some("BPE") => bpe(text, &file, added)?,
        Some("WordPiece") => hub_foreign::word_piece(text, &file, |vocab| split_added(added, vocab))?,
        Some("Unigram") => hub_foreign::unigram(text, &file, |vocab| split_added(added, vocab))?,
        Some(other) => return unsupported(format!("model type {other}")),
    };
    let (prefix, suffix) = hub_ends::read(&file.post_processor)?;
    // Whatever the template names first is what begins a text, unless a configuration says otherwise.
    parts.roles.bos = prefix.first().copied();
    parts.roles.prefix = prefix;
    parts.roles.suffix = suffix;
    let size = parts.tokens.len();
    if let Some(id) =
        [&parts.roles.prefix, &parts.roles.suffix].into_iter().flatten().find(|id| **id as usize >= size)
    {
        return corrupt(format!("the post-processor adds token {id}, but there are {size}"));
    }
    Ok(parts)
}

fn bpe(text: &str, file: &HubFile, added: Vec<Added>) -> Result<Parts, Refusal> {
    let model: BpeModel = serde_json::from_str(file.model.get())?;
    let given = |s: &Option<String>| s.as_ref().is_some_and(|s| !s.is_empty());
    if given(&model.continuing_subword_prefix) || given(&model.end_of_word_suffix) {
        return unsupported("prefixes or suffixes of word parts");
    }
    if model.dropout.is_some_and(|d| d > 0.0) {
        return unsupported("dropout of merges");
    }
    let added = split_added(added, &model.vocab)?;
    match own_steps(file) {
        Some((split, nfc)) if !model.byte_fallback && added.plain.is_empty() && !needs_unknown(&model) => {
            let merges = model.merges.iter().map(Merge::parts);
            let rules = Steps { split, nfc, ignore_merges: model.ignore_merges };
            let mut parts = own(&model.vocab, merges, added.specials, rules)?;
            parts.source = (!rules.is_written()).then(|| Source::Json(text.into()));
            Ok(parts)
        }
        _ => hub_foreign::bpe(text, file, &model, added),
    }
}

/// Whether a text can have bytes that become the unknown token.
fn needs_unknown(model: &BpeModel) -> bool {
    let chars = ByteChars::new();
    model.unk_token.as_ref().is_some_and(|unk| !unk.is_empty())
        && (0..=255u8).any(|b| !model.vocab.contains_key(&chars.to_text(&[b])))
}

/// The split pattern, and whether text is composed first, if the steps around the model are such as our own BPE takes.
fn own_steps(file: &HubFile) -> Option<(Split, bool)> {
    let nfc = match kind_of(&file.normalizer) {
        None => false,
        Some("NFC") => true,
        Some(_) => return None,
    };
    if kind_of(&file.decoder).is_some_and(|decoder| decoder != "ByteLevel") {
        return None;
    }
    Some((own_split(&file.pre_tokenizer)?, nfc))
}

/// The split pattern of a `pre_tokenizer`, if our own BPE has it.
pub(crate) fn own_split(pre_tokenizer: &Value) -> Option<Split> {
    let steps = match &pre_tokenizer["pretokenizers"] {
        Value::Array(steps) => steps.as_slice(),
        _ => std::slice::from_ref(pre_tokenizer),
    };
    // Both are true where they are left out.
    let no_space = |bytes: &Value| bytes["add_prefix_space"] == false;
    let no_pattern = |bytes: &Value| bytes["use_regex"] == false;
    let kinds: Vec<Option<&str>> = steps.iter().map(kind_of).collect();
    let split = match (kinds.as_slice(), steps) {
        ([Some("Split"), Some("ByteLevel")], [split, bytes]) if no_space(bytes) && no_pattern(bytes) => {
            if split["behavior"] != "Isolated" || split["invert"] == true {
                return None;
            }
            match split["pattern"]["Regex"].as_str()? {
                SPLIT_PATTERN => Split::Qwen2,
                LLAMA3_PATTERN => Split::Llama3,
                _ => return None,
            }
        }
        ([Some("Digits"), Some("ByteLevel")], [digits, bytes])
            if no_space(bytes) && !no_pattern(bytes) && digits["individual_digits"] == true =>
        {
            Split::Digits
        }
        ([Some("ByteLevel")], [bytes]) if no_space(bytes) && !no_pattern(bytes) => Split::Gpt2,
        _ => return None,
    };
    Some(split)
}

pub(crate) fn kind_of(step: &Value) -> Option<&str> {
    step["type"].as_str()
}

/// Sorts the added tokens into special ones and plain text.
pub(crate) fn split_added<K: Borrow<str> + Eq + Hash>(
    added: Vec<Added>,
    vocab: &HashMap<K, TokenId>,
) -> Result<AddedTokens, Refusal> {
    let mut all = AddedTokens { specials: Vec::new(), plain: Vec::new() };
    for a in added {
        if a.content.is_empty() {
            return corrupt(format!("added token {} is empty", a.id));
        }
        let reach = Reach { lstrip: a.lstrip, rstrip: a.rstrip, single_word: a.single_word };
        let learned = vocab.get(a.content.as_str());
        if learned.is_some_and(|id| *id != a.id) {
            return corrupt(format!("added token {:?} has id {}, which is not its own", a.content, a.id));
        }
        let to = if learned.is_some() && !a.special { &mut all.plain } else { &mut all.specials };
        to.push(Special { text: a.content, id: a.id, control: a.special, reach });
    }
    all.specials.sort_by_key(|s| s.id);
    if let Some(twice) = all.specials.windows(2).find(|w| w[0].id == w[1].id) {
        return corrupt(format!("two added tokens have id {}", twice[0].id));
    }
    Ok(all)
}

/// The tokens' bytes by id, special ones with their text. `bytes` gives those of a learned token.
pub(crate) fn table<'v>(
    vocab: impl Iterator<Item = (&'v str, TokenId)>,
    specials: &[Special],
    mut bytes: impl FnMut(&str) -> Result<Vec<u8>, Refusal>,
) -> Result<Vec<Vec<u8>>, Refusal> {
    let vocab: Vec<(&str, TokenId)> = vocab.collect();
    let most = vocab.iter().map(|(_, id)| *id).chain(specials.iter().map(|s| s.id)).max();
    let size = most.map_or(0, |id| id as usize + 1);
    if size > MOST_IDS {
        return unsupported(format!("id {}; the most is {}", size - 1, MOST_IDS - 1));
    }
    let special = |id: TokenId| specials.binary_search_by_key(&id, |s| s.id).ok().map(|at| &specials[at]);
    let mut taken = vec![false; size];
    let mut tokens = vec![Vec::new(); size];
    for (text, id) in vocab {
        if std::mem::replace(&mut taken[id as usize], true) {
            return corrupt(format!("two tokens have id {id}, one is {text:?}"));
        }
        match special(id) {
            Some(special) if special.text != text => {
                return corrupt(format!(
                    "added token {:?} has id {id}, which another token has",
                    special.text
                ));
            }
            Some(_) => {}
            None => tokens[id as usize] = bytes(text)?,
        }
    }
    for special in specials {
        tokens[special.id as usize] = special.text.clone().into_bytes();
    }
    Ok(tokens)
}

/// Bytes that a trainer may never have seen: control characters, and those of the rarest letters or of none.
fn is_rare(byte: u8) -> bool {
    matches!(byte, 0..=8 | 11 | 12 | 14..=31 | 0x7f | 0xc0..=0xc1 | 0xd4..=0xdf | 0xf1..=0xff)
}

/// What is done to a text before it is merged, and to whole words.
#[derive(Clone, Copy)]
pub(crate) struct Steps {
    pub(crate) split: Split,
    pub(crate) nfc: bool,
    pub(crate) ignore_merges: bool,
}

impl Steps {
    /// Whether [`Tokenizer::to_json`] writes them by itself.
    pub(crate) fn is_written(self) -> bool {
        self.split == Split::Qwen2 && !self.ignore_merges
    }
}

/// Our own byte-level BPE. `merges` are two tokens each; `None` is what is not.
pub(crate) fn own<'m, K: Borrow<str> + Eq + Hash>(
    vocab: &HashMap<K, TokenId>,
    merge_parts: impl Iterator<Item = Option<(&'m str, &'m str)>>,
    specials: Vec<Special>,
    steps: Steps,
) -> Result<Parts, Refusal> {
    let chars = ByteChars::new();
    let tokens = table(vocab.iter().map(|(text, &id)| (text.borrow(), id)), &specials, |text| {
        chars.to_bytes(text).or_else(|c| {
            unsupported(format!("a vocabulary that is not byte-level: token {text:?} has {c:?}"))
        })
    })?;
    let (mut byte_ids, mut missing) = (Vec::with_capacity(256), Vec::new());
    for b in 0..=255u8 {
        let text = chars.to_text(&[b]);
        match vocab.get(text.as_str()) {
            Some(&id) => byte_ids.push(id),
            None if is_rare(b) => {
                byte_ids.push((tokens.len() + missing.len()) as TokenId);
                missing.push(b);
            }
            None => return unsupported(format!("a vocabulary without byte 0x{b:02x} ({text:?})")),
        }
    }
    let (mut merges, mut merged) = (Vec::new(), Vec::new());
    let mut joined = String::new();
    for (rank, merge) in merge_parts.enumerate() {
        let Some((left, right)) = merge else {
            return corrupt(format!("merge {rank} is not two tokens"));
        };
        let id = |text: &str| match vocab.get(text) {
            Some(&id) => Ok(id),
            None => corrupt(format!(
                "merge {rank} ({left:?}, {right:?}) needs token {text:?}, which is not there"
            )),
        };
        joined.clear();
        joined.extend([left, right]);
        let whole = id(&joined)?;
        // No letters may add up to a special token.
        if specials.binary_search_by_key(&whole, |s| s.id).is_err() {
            merges.push((id(left)?, id(right)?));
            merged.push(whole);
        }
    }
    let Steps { split, nfc, ignore_merges } = steps;
    let rules = Merges { byte_ids, missing, merges, merged, nfc, split, ignore_merges };
    let is_special = |id: TokenId| specials.binary_search_by_key(&id, |s| s.id).is_ok();
    let own = ByteLevel::new(&tokens, is_special, rules);
    Ok(Parts {
        inside: Inside::Bytes(Box::new(own)),
        tokens,
        specials,
        opening: Opening::Nothing,
        roles: Roles::default(),
        source: None,
    })
}
