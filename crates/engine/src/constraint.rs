//! What may be written: grammars over the bytes of tokens.
//!
//! Who knows the text makes a [`TokenTable`] of the tokenizer's bytes once, and a [`Constraint`] of each grammar. The engine
//! asks it which tokens may come next and tells it which came. The work is `llguidance`'s.

use crate::EngineError;
use crate::sampling::Mask;
use llguidance::api::{ParserLimits, TopLevelGrammar};
use llguidance::toktrie::{ApproximateTokEnv, SimpleVob, TokEnv, TokRxInfo, TokTrie};
use llguidance::{Matcher, ParserFactory, panic_utils};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A description of what may be written.
#[derive(Clone, Debug, PartialEq)]
pub enum Grammar {
    /// JSON that a schema (draft 2020-12, without references to other documents) allows.
    JsonSchema(serde_json::Value),
    /// Text that a regular expression matches as a whole, in the syntax of Rust's `regex`.
    Regex(String),
    /// One of these texts.
    Choice(Vec<String>),
    /// What a grammar in llguidance's dialect of Lark derives.
    Lark(String),
}

/// Bytes of a grammar's text, at most.
const MOST_BYTES: usize = 256 * 1024;
/// How deep brackets of a grammar may lie in each other: its parsers call themselves for each.
const MOST_DEPTH: usize = 100;

/// About a third of llguidance's own limits: some ten milliseconds at most to begin, some milliseconds for a token. A
/// schema of a few thousand fields is within them.
fn limits() -> ParserLimits {
    ParserLimits {
        initial_lexer_fuel: 500_000,
        step_lexer_fuel: 70_000,
        step_max_items: 20_000,
        max_lexer_states: 50_000,
        max_grammar_size: 100_000,
        verbose_errors: false,
        ..ParserLimits::default()
    }
}

/// The bytes of all tokens, made ready to be searched. Cheap to clone.
#[derive(Clone)]
pub struct TokenTable(Arc<ParserFactory>);

impl fmt::Debug for TokenTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenTable({} tokens)", self.0.tok_env().tok_trie().vocab_size())
    }
}

impl TokenTable {
    /// Of the bytes that each id writes, none for tokens that no grammar may use, such as special ones; `ends` are the ids
    /// that end a text, at least one.
    ///
    /// # Errors
    /// If `ends` is empty or has an id that is not in the vocabulary.
    pub fn new(mut tokens: Vec<Vec<u8>>, ends: &[u32]) -> Result<Self, EngineError> {
        let vocab = tokens.len();
        let Some(&end) = ends.first() else {
            let expected = "at least one id";
            return Err(EngineError::Field { field: "ends", expected, found: "none".into() });
        };
        if let Some(id) = ends.iter().find(|id| **id as usize >= vocab) {
            return Err(EngineError::Field {
                field: "ends",
                expected: "ids of the vocabulary",
                found: id.to_string(),
            });
        }
        for (id, bytes) in tokens.iter_mut().enumerate() {
            // This byte is in no text, and marks special tokens in llguidance.
            if bytes.first() == Some(&TokTrie::SPECIAL_TOKEN_MARKER) || ends.contains(&(id as u32)) {
                bytes.clear();
            }
        }
        let trie = TokTrie::from(&TokRxInfo::new(vocab as u32, end), &tokens).with_eos_tokens(ends);
        // Not the tokenizer's own way to cut bytes: any tokens that spell an allowed text may come.
        let env: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
        let mut factory = ParserFactory::new_simple(&env).map_err(|error| refused(&error))?;
        factory.quiet();
        *factory.limits_mut() = limits();
        Ok(Self(Arc::new(factory)))
    }

    /// The constraint of a grammar.
    ///
    /// # Errors
    /// What is wrong with the grammar, or that it is too large.
    pub fn constraint(&self, grammar: &Grammar) -> Result<Constraint, EngineError> {
        let grammar = grammar.parse()?;
        let parser =
            panic_utils::catch_unwind(std::panic::AssertUnwindSafe(|| self.0.create_parser(grammar)));
        let mut matcher = Matcher::new(parser);
        if let Some(what) = matcher.get_error() {
            return Err(EngineError::Constraint { what: first_lines(&what) });
        }
        // A grammar that derives nothing shows here already.
        let mask = matcher.compute_mask_or_eos().map_err(|error| refused(&error))?;
        let ends = self.0.tok_env().tok_trie().eos_tokens().into();
        Ok(Constraint { matcher, ends, mask: Some(mask), spent: Duration::ZERO })
    }
}

impl Grammar {
    fn parse(&self) -> Result<TopLevelGrammar, EngineError> {
        let (bytes, depth) = match self {
            Self::JsonSchema(schema) => json_size(schema, 0),
            Self::Regex(text) | Self::Lark(text) => (text.len(), text_depth(text)),
            Self::Choice(texts) => (texts.iter().map(|text| text.len() + 8).sum(), 0),
        };
        if bytes > MOST_BYTES {
            let what = format!("its text has {bytes} bytes, the most is {MOST_BYTES}: make it smaller");
            return Err(EngineError::Constraint { what });
        }
        if depth > MOST_DEPTH {
            let what = format!("it is nested more than {MOST_DEPTH} deep: make it flatter");
            return Err(EngineError::Constraint { what });
        }
        Ok(match self {
            Self::JsonSchema(schema) => TopLevelGrammar::from_json_schema(schema.clone()),
            Self::Regex(regex) => TopLevelGrammar::from_regex(regex),
            Self::Lark(grammar) => TopLevelGrammar::from_lark(grammar.clone()),
            Self::Choice(texts) if texts.is_empty() || texts.iter().any(String::is_empty) => {
                let what = "choices must be at least one text, none of them empty".to_string();
                return Err(EngineError::Constraint { what });
            }
            Self::Choice(texts) => {
                let quoted: Vec<String> =
                    texts.iter().map(|text| serde_json::Value::from(text.as_str()).to_string()).collect();
                TopLevelGrammar::from_lark(format!("start: {}", quoted.join(" | ")))
            }
        })
    }
}

/// Bytes of its text, roughly, and depth; gives up below the deepest that is allowed.
fn json_size(value: &serde_json::Value, depth: usize) -> (usize, usize) {
    use serde_json::Value::{Array, Object, String};
    if depth > MOST_DEPTH {
        return (0, depth);
    }
    let sum = |a: (usize, usize), b: (usize, usize)| (a.0 + b.0, a.1.max(b.1));
    match value {
        String(text) => (text.len() + 2, depth.max(text_depth(text))),
        Array(values) => values.iter().map(|value| json_size(value, depth + 1)).fold((2, depth), sum),
        Object(fields) => {
            let field = |(name, value): (&std::string::String, _)| {
                sum((name.len() + 4, 0), json_size(value, depth + 1))
            };
            fields.iter().map(field).fold((2, depth), sum)
        }
        _ => (4, depth),
    }
}

/// The most opening brackets without their closing ones.
fn text_depth(text: &str) -> usize {
    let (mut depth, mut most) = (0usize, 0);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        most = most.max(depth);
    }
    most
}

/// A grammar at work. A clone begins where the original is.
#[derive(Clone)]
pub struct Constraint {
    matcher: Matcher,
    ends: Arc<[u32]>,
    mask: Option<SimpleVob>,
    spent: Duration,
}

impl fmt::Debug for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Constraint(finished: {})", self.is_finished())
    }
}

impl Constraint {
    /// One that shares nothing with this one, whose work would else wait for each other's.
    pub(crate) fn separate(&self) -> Self {
        Self {
            matcher: self.matcher.deep_clone(),
            ends: self.ends.clone(),
            mask: self.mask.clone(),
            spent: self.spent,
        }
    }

    /// Goes on by `ids` as far as they are allowed; returns how many are, and whether the text may end there.
    ///
    /// # Errors
    /// A grammar that takes too long.
    pub fn follow(&mut self, ids: &[u32]) -> Result<(usize, bool), EngineError> {
        let allows = |mask: Mask<'_>, id: u32| {
            mask.get(id as usize / 32).is_some_and(|word| word >> (id % 32) & 1 == 1)
        };
        for (at, &id) in ids.iter().enumerate() {
            if !allows(self.mask()?, id) {
                return Ok((at, false));
            }
            self.take(id)?;
        }
        let ends = self.ends.clone();
        let mask = self.mask()?;
        Ok((ids.len(), ends.iter().any(|&id| allows(mask, id))))
    }

    /// Which tokens may come. Found out when it is asked for: the forward pass leaves no processor idle meanwhile.
    pub(crate) fn mask(&mut self) -> Result<Mask<'_>, EngineError> {
        if self.mask.is_none() {
            let start = Instant::now();
            self.mask = Some(self.matcher.compute_mask_or_eos().map_err(|error| refused(&error))?);
            self.spent += start.elapsed();
        }
        Ok(self.mask.as_ref().map_or(&[], SimpleVob::as_slice))
    }

    /// Time spent on it so far.
    pub(crate) fn spent(&self) -> Duration {
        self.spent
    }

    /// Goes on by a token that was allowed.
    pub(crate) fn take(&mut self, id: u32) -> Result<(), EngineError> {
        self.mask = None;
        self.matcher.consume_token(id).map_err(|error| refused(&error))
    }

    /// Whether the token ends the text.
    pub(crate) fn is_end(&self, id: u32) -> bool {
        self.ends.contains(&id)
    }

    /// Whether nothing but an end may come.
    pub(crate) fn is_finished(&self) -> bool {
        self.matcher.is_stopped()
    }
}

fn refused(error: &impl fmt::Display) -> EngineError {
    EngineError::Constraint { what: first_lines(&error.to_string()) }
}

/// Without traces and dumps of the parser's state.
fn first_lines(text: &str) -> String {
    let text = text.split("<backtrace>").next().unwrap_or_default();
    text.trim().chars().take(1000).collect()
}
