//! The decoder of `tokenizer.json`, worked out in advance: the bytes that each token adds to a text.

use serde_json::Value;

use crate::byte_chars::ByteChars;
use crate::hub_load::{Refusal, corrupt, kind_of, unsupported};
use crate::tokenizer::Opening;

/// The steps from a token's entry in the vocabulary to its bytes.
pub(crate) struct Decoder {
    steps: Vec<Step>,
    pub(crate) opening: Opening,
    chars: ByteChars,
}

enum Step {
    Replace {
        from: String,
        to: String,
    },
    /// `<0x0A>` is that byte.
    Bytes,
    ByteLevel,
    WordPiece {
        prefix: String,
        cleanup: bool,
    },
}

impl Decoder {
    /// Refuses steps whose result for a token depends on those around it, the first one's space apart.
    pub(crate) fn new(decoder: &Value) -> Result<Self, Refusal> {
        let mut it = Self { steps: Vec::new(), opening: Opening::Nothing, chars: ByteChars::new() };
        let steps = match kind_of(decoder) {
            None => return unsupported("no decoder, so that ids cannot become text again"),
            Some("Sequence") => match &decoder["decoders"] {
                Value::Array(steps) => steps.as_slice(),
                other => return corrupt(format!("the decoder's list is {other}")),
            },
            Some(_) => std::slice::from_ref(decoder),
        };
        let mut fused = false;
        for step in steps {
            let kind = kind_of(step).unwrap_or("without a type");
            match kind {
                "Fuse" => fused = true,
                "Strip" => it.strip(step, fused)?,
                _ if fused => return unsupported(format!("decoder {kind} after Fuse")),
                "ByteFallback" => it.steps.push(Step::Bytes),
                "ByteLevel" => it.steps.push(Step::ByteLevel),
                "Replace" => match (step["pattern"]["String"].as_str(), step["content"].as_str()) {
                    (Some(from), Some(to)) if !from.is_empty() => {
                        it.steps.push(Step::Replace { from: from.into(), to: to.into() });
                    }
                    _ => return unsupported(format!("decoder Replace of {}", step["pattern"])),
                },
                "Metaspace" => it.metaspace(step),
                "WordPiece" => {
                    it.steps.push(Step::WordPiece {
                        prefix: step["prefix"].as_str().unwrap_or("##").into(),
                        cleanup: step["cleanup"] != false,
                    });
                    it.opening = Opening::Space;
                }
                _ => return unsupported(format!("decoder {kind}")),
            }
        }
        Ok(it)
    }

    fn strip(&mut self, step: &Value, fused: bool) -> Result<(), Refusal> {
        match (step["content"].as_str(), step["start"].as_u64(), step["stop"].as_u64()) {
            (_, Some(0), Some(0)) => Ok(()),
            (Some(" "), Some(1), Some(0)) if fused => {
                self.opening = Opening::Space;
                Ok(())
            }
            _ => unsupported(format!("decoder Strip {step}")),
        }
    }

    fn metaspace(&mut self, step: &Value) {
        let from = step["replacement"].as_str().filter(|r| !r.is_empty()).unwrap_or("▁").into();
        self.steps.push(Step::Replace { from, to: " ".into() });
        let never = step["prepend_scheme"] == "never" || step["add_prefix_space"] == false;
        self.opening = if never { Opening::Nothing } else { Opening::Spaces };
    }

    /// Whether words are parted by spaces that no token has.
    pub(crate) fn word_pieces(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::WordPiece { .. }))
    }

    /// The bytes of a token.
    pub(crate) fn bytes(&self, token: &str) -> Vec<u8> {
        let mut text = token.to_string();
        for step in &self.steps {
            match step {
                Step::Replace { from, to } => text = text.replace(from.as_str(), to),
                Step::Bytes => {
                    if let Some(byte) = byte_token(&text) {
                        return vec![byte];
                    }
                }
                Step::ByteLevel => return self.chars.to_bytes(&text).unwrap_or(text.into_bytes()),
                Step::WordPiece { prefix, cleanup } => {
                    text = match text.strip_prefix(prefix.as_str()) {
                        Some(rest) => rest.to_string(),
                        None => format!(" {text}"),
                    };
                    if *cleanup {
                        text = clean_up(&text);
                    }
                }
            }
        }
        text.into_bytes()
    }
}

/// The byte of `<0x0A>`.
pub(crate) fn byte_token(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    if digits.len() != 2 {
        return None;
    }
    u8::from_str_radix(digits, 16).ok()
}

/// What Hugging Face's WordPiece decoder does to each token: no space before marks and English endings.
fn clean_up(text: &str) -> String {
    let pairs = [
        (" .", "."),
        (" ?", "?"),
        (" !", "!"),
        (" ,", ","),
        (" ' ", "'"),
        (" n't", "n't"),
        (" 'm", "'m"),
        (" do not", " don't"),
        (" 's", "'s"),
        (" 've", "'ve"),
        (" 're", "'re"),
    ];
    pairs.iter().fold(text.to_string(), |text, (from, to)| text.replace(from, to))
}
