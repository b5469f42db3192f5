//! The vocabulary in a GGUF file's metadata, as llama.cpp writes it, turned into a `tokenizer.json` and read like one.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::TokenId;
use crate::byte_chars::ByteChars;
use crate::error::Result;
use crate::gguf_pre::{Pre, begins_with_bos, pre_tokenizer};
use crate::hub_decode::byte_token;
use crate::hub_load::{
    Added, MOST_IDS, Refusal, Steps, corrupt, own, own_split, parts, split_added, unsupported,
};
use crate::hub_save::template;
use crate::roles::Roles;
use crate::tokenizer::{Parts, Source, Tokenizer};

/// What errors call the vocabulary.
const NAME: &str = "the GGUF file's vocabulary";
/// Word starts in SentencePiece.
pub(crate) const SPACE: &str = "▁";
/// More merges are refused; the largest real vocabularies have half a million.
const MOST_MERGES: usize = 1 << 22;

/// The fields `tokenizer.ggml.*` and `tokenizer.chat_template` of a GGUF file.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GgufVocabulary {
    /// `tokenizer.ggml.model`: `gpt2` (byte-level BPE), `llama` (SentencePiece BPE), `bert` (WordPiece) or `t5` (Unigram).
    pub model: String,
    /// `tokenizer.ggml.pre`: the split pattern by name, for `gpt2` only.
    pub pre: String,
    /// The tokens by id.
    pub tokens: Vec<String>,
    /// For `llama` and `t5`: how likely each token is.
    pub scores: Vec<f32>,
    /// 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte. May be left out.
    pub types: Vec<i32>,
    /// For `gpt2`: two tokens with a space between, the first learned first.
    pub merges: Vec<String>,
    /// Begins a text.
    pub bos: Option<TokenId>,
    /// Ends a text.
    pub eos: Option<TokenId>,
    /// Ends a turn.
    pub eot: Option<TokenId>,
    /// Stands for what the vocabulary does not have.
    pub unk: Option<TokenId>,
    /// Between texts; BERT's end of a text.
    pub sep: Option<TokenId>,
    /// BERT's beginning of a text.
    pub cls: Option<TokenId>,
    /// Fills up a batch.
    pub pad: Option<TokenId>,
    /// `tokenizer.ggml.add_bos_token`
    pub add_bos: Option<bool>,
    /// `tokenizer.ggml.add_eos_token`
    pub add_eos: Option<bool>,
    /// `tokenizer.ggml.add_space_prefix`
    pub add_space_prefix: Option<bool>,
    /// `tokenizer.ggml.remove_extra_whitespaces`
    pub remove_extra_whitespaces: Option<bool>,
    /// `tokenizer.ggml.precompiled_charsmap`: SentencePiece's normalisation, for `t5`.
    pub precompiled_charsmap: Vec<u8>,
    /// `tokenizer.chat_template`
    pub chat_template: Option<String>,
    /// `tokenizer.chat_template.tool_use`
    pub tool_template: Option<String>,
}

impl Tokenizer {
    /// A tokenizer out of a GGUF file, with the ids that Hugging Face's gives for the same model.
    ///
    /// Errors: a model or split pattern that is not known, each named; fields that contradict one another; more than
    /// 4 million tokens.
    pub fn from_gguf(vocabulary: GgufVocabulary) -> Result<Self> {
        let refused = |refusal: Refusal| refusal.of(NAME.into());
        check(&vocabulary).map_err(refused)?;
        let (size, roles) = (vocabulary.tokens.len(), roles(&vocabulary));
        let mut parts = parts_of(vocabulary).map_err(refused)?;
        parts.roles = roles;
        // Ids at the end that are not taken have rows in the model all the same.
        parts.tokens.resize(size, Vec::new());
        let specials = &parts.specials;
        // Only what is special can be told from text.
        parts.roles.ends.retain(|id| specials.binary_search_by_key(id, |s| s.id).is_ok());
        Self::new(parts)
    }
}

/// All but the roles.
fn parts_of(v: GgufVocabulary) -> Result<Parts, Refusal> {
    if v.model != "gpt2" {
        return parts(&file(&v)?.to_string());
    }
    let learned = learned(&v)?;
    let Some(split) = own_split(&learned.pre.steps) else { return parts(&file(&v)?.to_string()) };
    // No detour by way of a text: it would take longer than the weights.
    let steps = Steps { split, nfc: learned.pre.nfc, ignore_merges: learned.pre.ignore_merges };
    let specials = split_added(learned.added, &learned.vocab)?.specials;
    let mut parts = own(&learned.vocab, v.merges.iter().map(|merge| merge.split_once(' ')), specials, steps)?;
    parts.source = (!steps.is_written()).then(|| Source::Gguf(Box::new(v)));
    Ok(parts)
}

/// The `tokenizer.json` of the same tokenizer.
fn file(v: &GgufVocabulary) -> Result<Value, Refusal> {
    let mut file = match v.model.as_str() {
        "gpt2" => byte_level(v)?,
        "llama" => sentence_piece(v)?,
        "bert" => word_piece(v)?,
        "t5" => unigram(v)?,
        other => return unsupported(format!("tokenizer.ggml.model {other:?}")),
    };
    let roles = roles(v);
    if !(roles.prefix.is_empty() && roles.suffix.is_empty()) {
        let named = |id: &TokenId| (v.tokens[*id as usize].as_str(), *id);
        let [before, after] =
            [&roles.prefix, &roles.suffix].map(|ids| ids.iter().map(named).collect::<Vec<_>>());
        file["post_processor"] = template(&before, &after);
    }
    Ok(file)
}

fn check(v: &GgufVocabulary) -> Result<(), Refusal> {
    let n = v.tokens.len();
    if n == 0 || n > MOST_IDS {
        return corrupt(format!("it has {n} tokens; expected 1 to {MOST_IDS}"));
    }
    if v.merges.len() > MOST_MERGES {
        return corrupt(format!("it has {} merges; the most is {MOST_MERGES}", v.merges.len()));
    }
    for (name, found) in [("scores", v.scores.len()), ("token types", v.types.len())] {
        if found != 0 && found != n {
            return corrupt(format!("it has {n} tokens, but {found} {name}"));
        }
    }
    if matches!(v.model.as_str(), "llama" | "t5") && v.scores.is_empty() {
        return corrupt("it has no scores, by which tokens are merged");
    }
    if let Some((id, score)) = v.scores.iter().enumerate().find(|(_, s)| !s.is_finite()) {
        return corrupt(format!("token {id} has score {score}, not a number"));
    }
    let named = [
        ("bos", v.bos),
        ("eos", v.eos),
        ("eot", v.eot),
        ("unk", v.unk),
        ("sep", v.sep),
        ("cls", v.cls),
        ("pad", v.pad),
    ];
    for (name, id) in named {
        if let Some(id) = id.filter(|id| *id as usize >= n) {
            return corrupt(format!("the {name} token is {id}, but there are {n}"));
        }
    }
    Ok(())
}

fn roles(v: &GgufVocabulary) -> Roles {
    let bert = v.model == "bert";
    let mut roles = Roles {
        bos: v.bos.or(v.cls.filter(|_| bert)),
        eos: v.eos,
        unk: v.unk,
        pad: v.pad,
        chat_template: v.chat_template.clone(),
        tool_template: v.tool_template.clone(),
        ends: v.eot.into_iter().collect(),
        ..Roles::default()
    };
    if bert {
        roles.prefix.extend(v.cls.or(v.bos));
        roles.suffix.extend(v.sep.or(v.eos));
    } else {
        // llama.cpp's own choice where the file is silent.
        let bos = v.add_bos.unwrap_or(v.model == "llama" || begins_with_bos(&v.pre));
        let eos = v.add_eos.unwrap_or(v.model == "t5");
        roles.add(Some(bos), Some(eos));
    }
    roles
}

/// What a token is, in GGUF's numbers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    Text,
    Unknown,
    Control,
    UserDefined,
}

impl Type {
    pub(crate) const NORMAL: i32 = 1;
    pub(crate) const UNKNOWN: i32 = 2;
    pub(crate) const CONTROL: i32 = 3;
    pub(crate) const USER_DEFINED: i32 = 4;
    pub(crate) const UNUSED: i32 = 5;
    pub(crate) const BYTE: i32 = 6;
}

impl GgufVocabulary {
    /// The text of the `tokenizer.json` of a tokenizer that was read from it.
    pub(crate) fn to_json(&self) -> String {
        file(self).map_or_else(|_| String::new(), |file| file.to_string())
    }

    fn roles(&self) -> [Option<TokenId>; 6] {
        [self.bos, self.eos, self.eot, self.sep, self.cls, self.pad]
    }

    fn type_of(&self, id: usize) -> Type {
        let roles = self.roles();
        match self.types.get(id) {
            Some(&Type::UNKNOWN) => Type::Unknown,
            Some(&Type::CONTROL) => Type::Control,
            Some(&Type::USER_DEFINED) => Type::UserDefined,
            Some(_) => Type::Text,
            None if self.unk == Some(id as TokenId) => Type::Unknown,
            None if roles.contains(&Some(id as TokenId)) => Type::Control,
            None => Type::Text,
        }
    }

    /// Special tokens, and the rest by text. `is_special` judges user-defined ones.
    fn sorted(
        &self,
        is_special: impl Fn(&str) -> bool,
    ) -> Result<(Vec<Added>, HashMap<&str, TokenId>), Refusal> {
        let (mut added, mut vocab) = (Vec::new(), HashMap::with_capacity(self.tokens.len()));
        // An empty token is an id that is not taken.
        for (id, token) in self.tokens.iter().enumerate().filter(|(_, token)| !token.is_empty()) {
            let kind = self.type_of(id);
            let special = match kind {
                Type::Text => false,
                Type::Unknown | Type::Control => true,
                Type::UserDefined => is_special(token),
            };
            if kind != Type::Text {
                added.push(added_token(id, token, kind != Type::UserDefined));
            }
            if !special && vocab.insert(token.as_str(), id as TokenId).is_some() {
                return corrupt(format!("token {token:?} is there twice, the second time as {id}"));
            }
        }
        Ok((added, vocab))
    }

    fn unknown(&self) -> Option<&str> {
        let by_type = || (0..self.tokens.len()).find(|&id| self.types.get(id) == Some(&Type::UNKNOWN));
        let id = self.unk.map(|id| id as usize).or_else(by_type)?;
        Some(&self.tokens[id])
    }
}

fn added_token(id: usize, content: &str, special: bool) -> Added {
    Added { id: id as TokenId, content: content.into(), special, ..Added::default() }
}

/// For `tokenizer.json`.
fn listed(added: &[Added]) -> Value {
    let entry = |a: &Added| {
        json!({
            "id": a.id, "content": a.content, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": a.special,
        })
    };
    added.iter().map(entry).collect()
}

/// A byte-level vocabulary.
struct Learned<'v> {
    pre: Pre,
    added: Vec<Added>,
    vocab: HashMap<&'v str, TokenId>,
}

fn learned(v: &GgufVocabulary) -> Result<Learned<'_>, Refusal> {
    let pre = pre_tokenizer(&v.pre)?;
    // Beyond the merges, user-defined tokens are markup that a model was taught later.
    let (mut added, mut vocab) = v.sorted(|_| true)?;
    let chars = ByteChars::new();
    // Old files have fillers (`[PAD 151646]`) of no declared type that are no bytes' characters: no text becomes one.
    vocab.retain(|token, id| {
        let learned = chars.to_bytes(token).is_ok();
        if !learned {
            added.push(added_token(*id as usize, token, false));
        }
        learned
    });
    Ok(Learned { pre, added, vocab })
}

fn byte_level(v: &GgufVocabulary) -> Result<Value, Refusal> {
    let Learned { pre, added, vocab } = learned(v)?;
    Ok(json!({
        "added_tokens": listed(&added),
        "pre_tokenizer": pre.steps,
        "normalizer": pre.nfc.then(|| json!({"type": "NFC"})),
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "vocab": vocab, "merges": v.merges, "ignore_merges": pre.ignore_merges},
    }))
}

fn sentence_piece(v: &GgufVocabulary) -> Result<Value, Refusal> {
    // Runs of line breaks, HTML tags: text. Turns and tools are written like this.
    let (added, mut vocab) =
        v.sorted(|token| token.starts_with("<|") || token.starts_with("[/") || token.ends_with("|>"))?;
    let unknown = v.unknown();
    if let Some(unknown) = unknown
        && let Some(id) = v.tokens.iter().position(|token| token == unknown)
    {
        vocab.insert(unknown, id as TokenId);
    }
    let bytes = (0..=255u8).filter(|b| vocab.contains_key(format!("<0x{b:02X}>").as_str())).count();
    if unknown.is_none() && bytes < 256 {
        return corrupt(format!("it has no unknown token, and {bytes} of the 256 bytes"));
    }
    let merges = merges_of_scores(v, &vocab, unknown);
    let to_bar = json!({"type": "Replace", "pattern": {"String": " "}, "content": SPACE});
    let to_space = json!({"type": "Replace", "pattern": {"String": SPACE}, "content": " "});
    let mut decoders = vec![to_space, json!({"type": "ByteFallback"}), json!({"type": "Fuse"})];
    let normalizer = if v.add_space_prefix.unwrap_or(true) {
        decoders.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
        json!({"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": SPACE}, to_bar]})
    } else {
        to_bar
    };
    Ok(json!({
        "added_tokens": listed(&added),
        "normalizer": normalizer,
        "decoder": {"type": "Sequence", "decoders": decoders},
        "model": {
            "type": "BPE", "vocab": vocab, "merges": merges, "unk_token": unknown, "fuse_unk": true,
            "byte_fallback": bytes == 256,
        },
    }))
}

/// The merges that joining by score amounts to, as transformers' converter derives them (`generate_merges`): each way to cut a
/// token in two, likelier tokens first.
fn merges_of_scores<'v>(
    v: &'v GgufVocabulary,
    vocab: &HashMap<&'v str, TokenId>,
    unknown: Option<&str>,
) -> Vec<[&'v str; 2]> {
    struct Cut<'v> {
        score: f32,
        chars: (usize, usize),
        parts: [&'v str; 2],
    }
    let mut all: Vec<Cut> = Vec::new();
    for (id, token) in v.tokens.iter().enumerate() {
        let token = token.as_str();
        if vocab.get(token) != Some(&(id as TokenId)) || unknown == Some(token) || byte_token(token).is_some()
        {
            continue;
        }
        let chars = token.chars().count();
        let cuts = token.char_indices().skip(1).enumerate().filter_map(|(before, (at, _))| {
            let (left, right) = token.split_at(at);
            let ids = (*vocab.get(left)?, *vocab.get(right)?);
            Some((
                ids,
                Cut { score: v.scores[id], chars: (before + 1, chars - before - 1), parts: [left, right] },
            ))
        });
        let mut cuts: Vec<((TokenId, TokenId), Cut)> = cuts.collect();
        cuts.sort_by_key(|(ids, _)| *ids);
        all.extend(cuts.into_iter().map(|(_, cut)| cut));
    }
    all.sort_by(|a, b| b.score.total_cmp(&a.score).then(b.chars.cmp(&a.chars)));
    all.into_iter().map(|cut| cut.parts).collect()
}

fn word_piece(v: &GgufVocabulary) -> Result<Value, Refusal> {
    let bracketed = |token: &str| token.starts_with('[') && token.ends_with(']') && token.len() > 2;
    let mut vocab: HashMap<String, usize> = HashMap::with_capacity(v.tokens.len());
    let mut added = Vec::new();
    let mut cased = false;
    let roles = v.roles();
    for (id, token) in v.tokens.iter().enumerate().filter(|(_, token)| !token.is_empty()) {
        let text = match token.strip_prefix(SPACE) {
            Some(word) if !word.is_empty() => word.to_string(),
            _ if v.type_of(id) != Type::Text || roles.contains(&Some(id as TokenId)) => {
                added.push(added_token(id, token, true));
                token.clone()
            }
            // `[unused7]` is a word like others, only that no text has it.
            _ if bracketed(token) => token.clone(),
            _ => format!("##{token}"),
        };
        cased |= !bracketed(token) && text.contains(|c: char| c.is_ascii_uppercase());
        if let Some(first) = vocab.insert(text, id) {
            return corrupt(format!("token {token:?} is there twice, as {first} and as {id}"));
        }
    }
    let unknown = v.unknown().unwrap_or("[UNK]");
    Ok(json!({
        "added_tokens": listed(&added),
        // The file does not say whether it tells capitals apart; a vocabulary that has any does.
        "normalizer": {
            "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null,
            "lowercase": !cased,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {
            "type": "WordPiece", "vocab": vocab, "unk_token": unknown, "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
        },
    }))
}

fn unigram(v: &GgufVocabulary) -> Result<Value, Refusal> {
    let (added, _) = v.sorted(|_| true)?;
    let Some(unknown) = v.unknown().and_then(|unknown| v.tokens.iter().position(|token| token == unknown))
    else {
        return corrupt("it has no unknown token");
    };
    // Written as f32 is: the nearest f64 would be a hair off, but in the same order.
    let vocab: Vec<Value> =
        v.tokens.iter().zip(&v.scores).map(|(token, score)| json!([token, score])).collect();
    let mut normalizers = Vec::new();
    if !v.precompiled_charsmap.is_empty() {
        let map = base64(&v.precompiled_charsmap);
        normalizers.push(json!({"type": "Precompiled", "precompiled_charsmap": map}));
    }
    let mut pre_tokenizers = Vec::new();
    if v.remove_extra_whitespaces.unwrap_or(true) {
        pre_tokenizers.push(json!({"type": "WhitespaceSplit"}));
    }
    let scheme = if v.add_space_prefix.unwrap_or(true) { "always" } else { "never" };
    let metaspace =
        json!({"type": "Metaspace", "replacement": SPACE, "prepend_scheme": scheme, "split": true});
    pre_tokenizers.push(metaspace.clone());
    Ok(json!({
        "added_tokens": listed(&added),
        "normalizer": {"type": "Sequence", "normalizers": normalizers},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": pre_tokenizers},
        "decoder": metaspace,
        "model": {"type": "Unigram", "vocab": vocab, "unk_id": unknown, "byte_fallback": false},
    }))
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let at = |i: usize| u32::from(three.get(i).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for i in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * i) & 63) as usize];
            out.push(if i <= three.len() { char::from(digit) } else { '=' });
        }
    }
    out
}
