//! A tokenizer as the vocabulary of a GGUF file: the way back of `gguf.rs`.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::TokenId;
use crate::error::{Error, Result};
use crate::gguf::{GgufVocabulary, SPACE, Type};
use crate::gguf_pre::name_of;
use crate::hub_decode::byte_token;
use crate::hub_load::{BpeModel, Refusal, TOKENIZER_FILE, corrupt, kind_of, unsupported};
use crate::tokenizer::Tokenizer;

/// The score of tokens that no text is merged to, as llama.cpp's converter has it.
const NEVER: f32 = -1000.0;

impl Tokenizer {
    /// The fields of a GGUF file from which llama.cpp makes the same ids, with `size` entries: as many as the model's
    /// embedding has rows. Ids that are not taken are called `[PAD…]`.
    ///
    /// Scores of SentencePiece-like tokenizers, which `tokenizer.json` does not have, are made from the order of its merges:
    /// llama.cpp asks for their order alone. Where a tokenizer puts a space before texts, llama.cpp puts it before those that
    /// begin with one, too.
    ///
    /// Errors: more tokens than `size`; a kind of tokenizer, a split pattern or steps around it that llama.cpp has no name for;
    /// merges that scores cannot stand for; each named.
    pub fn to_gguf(&self, size: usize) -> Result<GgufVocabulary> {
        let refused = |refusal: Refusal| match refusal {
            Refusal::Unsupported(what) => Error::NotGguf { what },
            corrupt => corrupt.of(TOKENIZER_FILE.into()),
        };
        if self.vocab_size() > size {
            let reason = format!("it has {} tokens, the model has rows for {size}", self.vocab_size());
            return Err(Error::Corrupt { path: TOKENIZER_FILE.into(), reason });
        }
        let file: Value = serde_json::from_str(&self.to_json()).map_err(|e| refused(e.into()))?;
        let mut vocabulary = self.entries(&file, size).map_err(refused)?;
        let roles = self.roles();
        vocabulary.bos = roles.bos;
        vocabulary.eos = roles.eos;
        vocabulary.unk = roles.unk.or(vocabulary.unk);
        vocabulary.pad = roles.pad;
        vocabulary.add_bos = Some(added(self.prefix(), roles.bos, "begin").map_err(refused)?);
        vocabulary.add_eos = Some(added(self.suffix(), roles.eos, "end").map_err(refused)?);
        vocabulary.chat_template.clone_from(&roles.chat_template);
        vocabulary.tool_template.clone_from(&roles.tool_template);
        Ok(vocabulary)
    }

    fn entries(&self, file: &Value, size: usize) -> std::result::Result<GgufVocabulary, Refusal> {
        if kind_of(&file["model"]).is_some_and(|kind| kind != "BPE") {
            return unsupported(format!("expected a BPE model, found {}", file["model"]["type"]));
        }
        let model: BpeModel = serde_json::from_value(file["model"].clone())?;
        let mut vocabulary = GgufVocabulary {
            tokens: (0..size).map(|id| format!("[PAD{id}]")).collect(),
            types: vec![Type::UNUSED; size],
            ..GgufVocabulary::default()
        };
        for (text, &id) in &model.vocab {
            vocabulary.tokens[id as usize].clone_from(text);
            vocabulary.types[id as usize] = Type::NORMAL;
        }
        if is_byte_level(file) {
            vocabulary.model = "gpt2".into();
            let Some(pre) = name_of(&file["pre_tokenizer"], model.ignore_merges) else {
                return unsupported("llama.cpp has no name for its split pattern");
            };
            vocabulary.pre = pre.into();
            let parts = model.merges.iter().filter_map(|merge| merge.parts());
            // No byte's character is a space.
            let line = |(left, right)| format!("{left} {right}");
            vocabulary.merges = parts.map(line).collect();
        } else {
            vocabulary.model = "llama".into();
            vocabulary.pre = "default".into();
            vocabulary.add_space_prefix = Some(space_prefix(file)?);
            vocabulary.scores = scores(&model, &self.control_texts(), size)?;
            for (id, kind) in vocabulary.types.iter_mut().enumerate() {
                if byte_token(&vocabulary.tokens[id]).is_some() {
                    *kind = Type::BYTE;
                }
            }
        }
        let unknown = model.unk_token.as_ref().and_then(|text| model.vocab.get(text));
        for token in file["added_tokens"].as_array().into_iter().flatten() {
            let (Some(id), Some(text)) = (token["id"].as_u64(), token["content"].as_str()) else {
                return corrupt(format!("the added token {token} has no id or content"));
            };
            let control = token["special"] == true;
            // Gemma's runs of spaces are text that merging finds, too; llama.cpp writes user-defined tokens as they are, bars
            // for spaces included.
            if !control && text.contains(SPACE) && model.vocab.contains_key(text) {
                continue;
            }
            vocabulary.tokens[id as usize] = text.into();
            vocabulary.types[id as usize] = if control { Type::CONTROL } else { Type::USER_DEFINED };
        }
        if let Some(&id) = unknown.filter(|_| vocabulary.model == "llama") {
            vocabulary.types[id as usize] = Type::UNKNOWN;
            vocabulary.unk = Some(id);
        }
        Ok(vocabulary)
    }

    fn control_texts(&self) -> HashSet<&str> {
        self.specials().iter().filter(|s| s.control).map(|s| s.text.as_str()).collect()
    }
}

/// Whether texts begin or end with the token for that; no other will do.
fn added(ids: &[TokenId], role: Option<TokenId>, what: &str) -> std::result::Result<bool, Refusal> {
    match ids {
        [] => Ok(false),
        [id] if role == Some(*id) => Ok(true),
        other => unsupported(format!(
            "texts {what} with the tokens {other:?}, where it knows one that {what}s a text"
        )),
    }
}

fn is_byte_level(file: &Value) -> bool {
    let steps = file["pre_tokenizer"]["pretokenizers"].as_array();
    let mut steps = steps.map_or(std::slice::from_ref(&file["pre_tokenizer"]), Vec::as_slice).iter();
    steps.any(|step| kind_of(step) == Some("ByteLevel"))
}

/// Whether a space is put before texts. Refuses steps that llama.cpp's SentencePiece does not take.
fn space_prefix(file: &Value) -> std::result::Result<bool, Refusal> {
    let mut prefix = false;
    let normalizers = file["normalizer"]["normalizers"].as_array();
    for step in normalizers.map_or(std::slice::from_ref(&file["normalizer"]), Vec::as_slice) {
        match kind_of(step) {
            None => {}
            Some("Prepend") if step["prepend"] == SPACE => prefix = true,
            Some("Replace") if step["pattern"]["String"] == " " && step["content"] == SPACE => {}
            Some(other) => return unsupported(format!("llama.cpp does not know the normalizer {other}")),
        }
    }
    match kind_of(&file["pre_tokenizer"]) {
        None => {}
        // Cuts nothing: there are no spaces left.
        Some("Split") if file["pre_tokenizer"]["pattern"]["String"] == " " => {}
        Some("Metaspace") => {
            let step = &file["pre_tokenizer"];
            prefix =
                step["prepend_scheme"].as_str().map_or(step["add_prefix_space"] != false, |s| s != "never");
        }
        Some(other) => {
            return unsupported(format!(
                "llama.cpp does not know the pre-tokenizer {other} with such tokens"
            ));
        }
    }
    Ok(prefix)
}

/// Scores that give the merges' order. llama.cpp joins whatever two neighbours make a token, the one with the highest score
/// first: so every way to cut a token in two must be a merge, and the merges of one token must stand together.
fn scores(model: &BpeModel, control: &HashSet<&str>, size: usize) -> std::result::Result<Vec<f32>, Refusal> {
    let merges: Vec<(&str, &str)> = model.merges.iter().filter_map(|merge| merge.parts()).collect();
    let mut last: HashMap<String, usize> = HashMap::new();
    for (rank, (left, right)) in merges.iter().enumerate() {
        last.insert([*left, *right].concat(), rank);
    }
    let cuts = |token: &str| -> usize {
        let skipped = control.contains(token) || byte_token(token).is_some();
        let known =
            |at: usize| model.vocab.contains_key(&token[..at]) && model.vocab.contains_key(&token[at..]);
        if skipped { 0 } else { token.char_indices().skip(1).filter(|(at, _)| known(*at)).count() }
    };
    let unknown = model.unk_token.as_deref();
    let all: usize = model.vocab.keys().filter(|token| unknown != Some(token)).map(|token| cuts(token)).sum();
    if all != merges.len() {
        return unsupported(format!(
            "it holds scores, as SentencePiece has them, which cannot stand for these merges: every way to cut a token in two \
             must be one. There are {all} ways and {} merges",
            merges.len()
        ));
    }
    let mut scores = vec![NEVER; size];
    let (mut group, mut until) = (0_u32, 0);
    for (rank, (left, right)) in merges.iter().enumerate() {
        // Where the merges of several tokens are mixed, they had the same score.
        if rank > until {
            group += 1;
            until = rank;
        }
        let whole = [*left, *right].concat();
        until = until.max(last[&whole]);
        match model.vocab.get(&whole) {
            Some(&id) => scores[id as usize] = -(group as f32),
            None => return corrupt(format!("merge {rank} makes {whole:?}, which is no token")),
        }
    }
    // What nothing is merged to comes last, but for the tokens that stand for bytes.
    let made: HashSet<u32> = last.keys().filter_map(|token| model.vocab.get(token)).copied().collect();
    let mut rest: Vec<(&String, u32)> =
        model.vocab.iter().map(|(text, &id)| (text, id)).filter(|(_, id)| !made.contains(id)).collect();
    rest.sort_by_key(|(_, id)| *id);
    for (text, id) in rest {
        if byte_token(text).is_some() || unknown == Some(text) || control.contains(text.as_str()) {
            scores[id as usize] = 0.0;
        } else {
            group += 1;
            scores[id as usize] = -(group as f32);
        }
    }
    Ok(scores)
}
