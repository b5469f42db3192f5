//! Vectors of texts, by a model in this process.

use crate::ChainError;
use shuyuan_model::{Decoder, Encoder, ModelError};
use shuyuan_text::{TokenId, Tokenizer};
use std::sync::Arc;

/// What reads the texts.
#[derive(Clone)]
enum Reader {
    Encoder(Arc<Encoder>),
    Decoder(Arc<Decoder>),
}

/// What becomes of a text that is longer than can be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TooLong {
    /// Nothing is embedded, and the error tells both lengths.
    #[default]
    Refuse,
    /// Its beginning is embedded, and [`Embedded::cut`] tells it.
    Truncate,
}

/// A text of which only the beginning was read. Lengths are in tokens, with those that begin and end every text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Which of the texts.
    pub text: usize,
    /// How long it is.
    pub tokens: usize,
    /// How much of it was read.
    pub kept: usize,
}

/// Vectors, and what was read for them.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedded {
    /// One for each text, (C).
    pub vectors: Vec<Vec<f32>>,
    /// Tokens read of each text.
    pub tokens: Vec<usize>,
    /// Texts that were not read to their end.
    pub cut: Vec<Cut>,
}

/// A model that embeds, with its tokenizer. Cheap to clone.
#[derive(Clone)]
pub struct Embedder {
    reader: Reader,
    tokenizer: Arc<Tokenizer>,
    max_tokens: usize,
}

impl Embedder {
    /// An encoder and the tokenizer that it was trained with.
    pub fn new(encoder: Arc<Encoder>, tokenizer: Arc<Tokenizer>) -> Self {
        let most = encoder.sentence().max_seq_length.unwrap_or(usize::MAX);
        let max_tokens = most.min(encoder.config().max_tokens());
        Self { reader: Reader::Encoder(encoder), tokenizer, max_tokens }
    }

    /// A decoder that was trained to embed by the state of a text's last token; `most` tokens if that is less than its context.
    pub fn of_decoder(decoder: Arc<Decoder>, tokenizer: Arc<Tokenizer>, most: Option<usize>) -> Self {
        let max_tokens = most.unwrap_or(usize::MAX).min(decoder.config().max_position_embeddings);
        Self { reader: Reader::Decoder(decoder), tokenizer, max_tokens }
    }

    /// C: numbers in a vector.
    pub fn dimensions(&self) -> usize {
        match &self.reader {
            Reader::Encoder(encoder) => encoder.config().hidden_size,
            Reader::Decoder(decoder) => decoder.config().hidden_size,
        }
    }

    /// V: tokens in the model's vocabulary.
    pub fn vocab_size(&self) -> usize {
        match &self.reader {
            Reader::Encoder(encoder) => encoder.config().vocab_size,
            Reader::Decoder(decoder) => decoder.config().vocab_size,
        }
    }

    /// The longest text in tokens, those that begin and end it included: what the model was made for, which may be less than
    /// what it has positions for.
    pub fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    /// Its tokenizer.
    pub fn tokenizer(&self) -> &Arc<Tokenizer> {
        &self.tokenizer
    }

    /// The vector of each text, (C), on all threads. A text gets the same vector alone or with others, up to rounding.
    ///
    /// # Errors
    /// If a text is longer than [`Embedder::max_tokens`].
    pub fn embed<T: AsRef<str> + Sync>(&self, texts: &[T]) -> Result<Vec<Vec<f32>>, ChainError> {
        Ok(self.embed_with(texts, TooLong::Refuse)?.vectors)
    }

    /// The same, with a say in what becomes of long texts, and an account of what was read.
    ///
    /// # Errors
    /// If a text is longer than [`Embedder::max_tokens`] and that is to be refused.
    pub fn embed_with<T: AsRef<str> + Sync>(
        &self,
        texts: &[T],
        too_long: TooLong,
    ) -> Result<Embedded, ChainError> {
        let (prefix, suffix) = (self.tokenizer.prefix(), self.tokenizer.suffix());
        let ends = prefix.len() + suffix.len();
        let mut all = Vec::with_capacity(texts.len());
        let mut cut = Vec::new();
        for (text, mut ids) in self.tokenizer.encode_batch(texts).into_iter().enumerate() {
            let tokens = ids.len() + ends;
            if tokens > self.max_tokens {
                if too_long == TooLong::Refuse {
                    return Err(ModelError::TooLong { tokens, context: self.max_tokens }.into());
                }
                ids.truncate(self.max_tokens.saturating_sub(ends));
                cut.push(Cut { text, tokens, kept: ids.len() + ends });
            }
            all.push([prefix, &ids, suffix].concat());
        }
        Ok(Embedded { cut, ..self.embed_ids(&all)? })
    }

    /// The vectors of ids as they are: those that begin and end a text must be among them.
    ///
    /// # Errors
    /// If there are none, more than [`Embedder::max_tokens`], or one is not in the vocabulary.
    pub fn embed_ids(&self, texts: &[Vec<TokenId>]) -> Result<Embedded, ChainError> {
        let tokens: Vec<usize> = texts.iter().map(Vec::len).collect();
        if let Some(&tokens) = tokens.iter().find(|tokens| **tokens > self.max_tokens) {
            return Err(ModelError::TooLong { tokens, context: self.max_tokens }.into());
        }
        let texts: Vec<&[TokenId]> = texts.iter().map(Vec::as_slice).collect();
        let vectors = match &self.reader {
            Reader::Encoder(encoder) => encoder.embed(&texts)?,
            Reader::Decoder(decoder) => decoder.embed(&texts)?,
        };
        Ok(Embedded { vectors, tokens, cut: Vec::new() })
    }
}

/// How near two texts are by their vectors: 1 where both point the same way, 0 for a vector of zeros.
pub fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    if lengths > 0.0 { (dot(a, b) / lengths) as f32 } else { 0.0 }
}
