//! Tokenizers of the kinds that our own BPE is not: Hugging Face's `tokenizers` crate encodes, we decode.
//!
//! It is given no special tokens, so that no text can become one. Trusted text is cut at them before it comes here.

use tokenizers::{AddedToken, ModelWrapper, NormalizerWrapper, PreTokenizerWrapper, Tokenizer as Hub};

use serde_json::Value;

use crate::TokenId;
use crate::added::Special;
use crate::hub_load::{Refusal, corrupt, kind_of};

/// A tokenizer of another kind.
pub(crate) struct Foreign {
    /// Encodes the beginning of a text.
    head: Hub,
    /// Encodes what comes later, where that differs: no space is put before it.
    rest: Option<Hub>,
    changes_text: bool,
    /// What stands for text that cannot be encoded.
    unk: Option<TokenId>,
}

impl Foreign {
    /// Of a whole `tokenizer.json`, its pre-tokenizer, the tokens that are found in plain text before the model sees it, and
    /// the id of what is unknown.
    pub(crate) fn new(
        json: &str,
        pre_tokenizer: &Value,
        plain: &[Special],
        unk: Option<TokenId>,
    ) -> Result<Self, Refusal> {
        // The crate is made for files of its own making and may panic on others.
        let loaded = std::panic::catch_unwind(|| json.parse::<Hub>());
        let mut head = match loaded {
            Ok(Ok(hub)) => hub,
            Ok(Err(e)) => return corrupt(e.to_string()),
            Err(_) => return corrupt("Hugging Face's tokenizers crate cannot read it"),
        };
        // Its caches belong to threads, and outlive the tokenizer in each of them.
        if let ModelWrapper::BPE(model) = head.get_model() {
            let mut model = model.clone();
            model.resize_cache(0);
            head.with_model(model);
        }
        head.with_padding(None);
        head.with_post_processor(None::<tokenizers::PostProcessorWrapper>);
        head.with_added_vocabulary(tokenizers::AddedVocabulary::default());
        if let Err(e) = head.with_truncation(None) {
            return corrupt(e.to_string());
        }
        let tokens = plain.iter().map(|s| {
            AddedToken::from(s.text.clone(), false)
                .normalized(false)
                .lstrip(s.reach.lstrip)
                .rstrip(s.reach.rstrip)
                .single_word(s.reach.single_word)
        });
        if let Err(e) = head.add_tokens(tokens) {
            return corrupt(e.to_string());
        }
        let changes_text = head.get_normalizer().is_some_and(changes_text);
        let mut later = pre_tokenizer.clone();
        let rest = if first_only(&mut later) {
            let step: PreTokenizerWrapper = serde_json::from_value(later)?;
            let mut rest = head.clone();
            rest.with_pre_tokenizer(Some(step));
            Some(rest)
        } else {
            None
        };
        Ok(Self { head, rest, changes_text, unk })
    }

    /// Whether decoding may give another spelling.
    pub(crate) fn changes_text(&self) -> bool {
        self.changes_text
    }

    /// Appends the ids of plain text; `first` if it begins a text.
    pub(crate) fn encode_into(&self, text: &str, first: bool, ids: &mut Vec<TokenId>) {
        let hub = match &self.rest {
            Some(rest) if !first => rest,
            _ => &self.head,
        };
        let mut todo = vec![(text, hub)];
        while let Some((text, hub)) = todo.pop() {
            match hub.encode_fast(text, false) {
                Ok(encoding) => ids.extend_from_slice(encoding.get_ids()),
                // A regex that gives up on a very long word, which no real text has: in halves then.
                Err(_) => match half(text) {
                    Some((left, right)) => {
                        todo.push((right, self.rest.as_ref().unwrap_or(&self.head)));
                        todo.push((left, hub));
                    }
                    None => ids.extend(self.unk),
                },
            }
        }
    }
}

/// Cuts at a character in the middle, if there are two.
fn half(text: &str) -> Option<(&str, &str)> {
    let middle = (text.len() / 2..text.len()).find(|&at| at > 0 && text.is_char_boundary(at))?;
    Some(text.split_at(middle))
}

fn changes_text(normalizer: &NormalizerWrapper) -> bool {
    match normalizer {
        NormalizerWrapper::Prepend(_) | NormalizerWrapper::Replace(_) => false,
        NormalizerWrapper::Sequence(all) => all.as_ref().iter().any(changes_text),
        _ => true,
    }
}

/// Turns "a space before the beginning of the text" into none; whether there was such a step.
fn first_only(step: &mut Value) -> bool {
    if kind_of(step) == Some("Metaspace") && step["prepend_scheme"] == "first" {
        step["prepend_scheme"] = "never".into();
        if let Some(fields) = step.as_object_mut() {
            fields.remove("add_prefix_space");
        }
        return true;
    }
    match step.get_mut("pretokenizers").and_then(Value::as_array_mut) {
        // All of them, not only up to the first that has it.
        Some(steps) => steps.iter_mut().filter_map(|step| first_only(step).then_some(())).count() > 0,
        None => false,
    }
}
