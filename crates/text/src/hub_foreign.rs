//! Prepares `tokenizer.json` for Hugging Face's crate: checks what it would not, and takes special tokens out of reach.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

use crate::TokenId;
use crate::foreign::Foreign;
use crate::hub_decode::Decoder;
use crate::hub_load::{AddedTokens, BpeModel, HubFile, Refusal, corrupt, table, unsupported};
use crate::roles::Roles;
use crate::tokenizer::{Inside, Parts, Source};

type Vocab = HashMap<String, TokenId>;

/// BPE that our own is not: SentencePiece-like, or with another split pattern.
pub(crate) fn bpe(
    text: &str,
    file: &HubFile,
    model: &BpeModel,
    added: AddedTokens,
) -> Result<Parts, Refusal> {
    let unk = unknown(&model.vocab, model.unk_token.as_deref())?;
    for (rank, merge) in model.merges.iter().enumerate() {
        let Some((left, right)) = merge.parts() else {
            return corrupt(format!("merge {rank} is not two tokens"));
        };
        let whole = [left, right].concat();
        if let Some(missing) = [left, right, &whole].into_iter().find(|t| !model.vocab.contains_key(*t)) {
            return corrupt(format!(
                "merge {rank} ({left:?}, {right:?}) needs token {missing:?}, which is not there"
            ));
        }
    }
    let is_special = |token: &str| added.specials.iter().any(|s| s.text == token);
    // Letters must not add up to a special token, nor may a whole word be looked up as one.
    let specials: std::collections::HashSet<&str> =
        added.specials.iter().map(|s| s.text.as_str()).filter(|t| model.vocab.contains_key(*t)).collect();
    let by_merging = |m: &crate::hub_load::Merge| {
        m.parts().is_some_and(|(l, r)| specials.contains([l, r].concat().as_str()))
    };
    let hide = model.ignore_merges && !specials.is_empty();
    let text_in = if hide || model.merges.iter().any(by_merging) {
        let mut json: Value = serde_json::from_str(text)?;
        if let Some(merges) = json["model"]["merges"].as_array_mut() {
            let kept = model.merges.iter().map(|m| !by_merging(m));
            let mut kept = kept.chain(std::iter::repeat(true));
            merges.retain(|_| kept.next().unwrap_or(true));
        }
        if hide {
            hide_keys(&mut json["model"]["vocab"], |token| is_special(token));
        }
        Cow::Owned(json.to_string())
    } else {
        Cow::Borrowed(text)
    };
    let vocab = model.vocab.iter().map(|(text, &id)| (text.as_str(), id));
    finish(text, &text_in, file, vocab, added, unk)
}

/// BERT's kind.
pub(crate) fn word_piece(
    text: &str,
    file: &HubFile,
    split: impl FnOnce(&Vocab) -> Result<AddedTokens, Refusal>,
) -> Result<Parts, Refusal> {
    #[derive(Deserialize)]
    struct Model {
        vocab: Vocab,
        unk_token: Option<String>,
    }
    let model: Model = serde_json::from_str(file.model.get())?;
    let unk_text = model.unk_token.as_deref().unwrap_or("[UNK]");
    let unk = unknown(&model.vocab, Some(unk_text))?;
    let added = split(&model.vocab)?;
    let mut json: Value = serde_json::from_str(text)?;
    // What is unknown is written by the model itself; a user who types it says as much.
    let special = |token: &str| token != unk_text && added.specials.iter().any(|s| s.text == token);
    hide_keys(&mut json["model"]["vocab"], special);
    let vocab = model.vocab.iter().map(|(text, &id)| (text.as_str(), id));
    finish(text, &json.to_string(), file, vocab, added, unk)
}

/// T5's kind.
pub(crate) fn unigram(
    text: &str,
    file: &HubFile,
    split: impl FnOnce(&Vocab) -> Result<AddedTokens, Refusal>,
) -> Result<Parts, Refusal> {
    #[derive(Deserialize)]
    struct Model {
        vocab: Vec<(String, f64)>,
        unk_id: Option<usize>,
    }
    let mut model: Model = serde_json::from_str(file.model.get())?;
    let Some((unk, _)) = model.unk_id.and_then(|id| model.vocab.get(id)) else {
        return corrupt(format!("unk_id is {:?} of {} tokens", model.unk_id, model.vocab.len()));
    };
    if let Some((token, score)) = model.vocab.iter().find(|(t, s)| t.is_empty() || !s.is_finite()) {
        return corrupt(format!("token {token:?} with score {score}: expected a text and a finite number"));
    }
    let unk = unk.clone();
    let ids: Vocab = model.vocab.iter().map(|(t, _)| t.clone()).zip(0..).collect();
    if ids.len() < model.vocab.len() {
        return corrupt("a token is there twice");
    }
    let added = split(&ids)?;
    let mut json: Value = serde_json::from_str(text)?;
    for entry in json["model"]["vocab"].as_array_mut().into_iter().flatten() {
        if let Some(token) = entry[0].as_str()
            && token != unk
            && added.specials.iter().any(|s| s.text == token)
        {
            entry[0] = hidden(token).into();
        }
    }
    let vocab: Vec<(String, f64)> = std::mem::take(&mut model.vocab);
    let vocab = vocab.iter().map(|(text, _)| text.as_str()).zip(0..);
    let unk = ids.get(&unk).copied();
    finish(text, &json.to_string(), file, vocab, added, unk)
}

fn finish<'v>(
    source: &str,
    json: &str,
    file: &HubFile,
    vocab: impl Iterator<Item = (&'v str, TokenId)>,
    added: AddedTokens,
    unk: Option<TokenId>,
) -> Result<Parts, Refusal> {
    let decoder = Decoder::new(&file.decoder)?;
    let mut tokens = table(vocab, &added.specials, |text| Ok(decoder.bytes(text)))?;
    if decoder.word_pieces() {
        for special in &added.specials {
            tokens[special.id as usize] = decoder.bytes(&special.text);
        }
    }
    Ok(Parts {
        inside: Inside::Foreign(Box::new(Foreign::new(json, &file.pre_tokenizer, &added.plain, unk)?)),
        tokens,
        specials: added.specials,
        opening: decoder.opening,
        roles: Roles { unk, ..Roles::default() },
        source: Some(Source::Json(source.into())),
    })
}

/// The id of the unknown token, which must be there if it is named: the crate would fail on a text that needs it.
fn unknown(vocab: &Vocab, token: Option<&str>) -> Result<Option<TokenId>, Refusal> {
    match token {
        None | Some("") => Ok(None),
        Some(token) => match vocab.get(token) {
            Some(&id) => Ok(Some(id)),
            None => unsupported(format!("a vocabulary without its unknown token {token:?}")),
        },
    }
}

fn hide_keys(vocab: &mut Value, hide: impl Fn(&str) -> bool) {
    let Some(vocab) = vocab.as_object_mut() else { return };
    let names: Vec<String> = vocab.keys().filter(|token| hide(token)).cloned().collect();
    for name in names {
        if let Some(id) = vocab.remove(&name) {
            vocab.insert(hidden(&name), id);
        }
    }
}

/// A text that no word is: words have no space inside, and U+FDD0 is no character.
fn hidden(token: &str) -> String {
    format!("\u{fdd0} \u{fdd0} {token}")
}
