//! A model that embeds, out of a folder or a file.

use crate::live::{check_vocabulary, name_of};
use anyhow::{Context, Result, bail};
use shuyuan_chain::Embedder;
use shuyuan_model::gguf::Gguf;
use shuyuan_model::{Decoder, Encoder, EncoderFamily, Pooling, SentenceConfig};
use shuyuan_text::Tokenizer;
use std::path::Path;
use std::sync::Arc;

/// A model that makes vectors of texts.
#[derive(Clone)]
pub struct LiveEmbedder {
    /// Its name in the home folder.
    pub name: String,
    /// The model with its tokenizer.
    pub embedder: Embedder,
}

/// What a model is for, by its settings alone.
enum Kind {
    Encoder,
    /// A decoder, with what is said of how it embeds.
    Decoder(Option<SentenceConfig>),
}

impl LiveEmbedder {
    /// Loads the model in a folder of Hugging Face's layout, or in a GGUF file: an encoder, or a decoder that says how it
    /// embeds (`modules.json`, `ARCHITECTURE.pooling_type`).
    ///
    /// # Errors
    /// Names the file and what is wrong with it; a model that generates does not embed.
    pub fn load(path: &Path) -> Result<Self> {
        let whose = || format!("the tokenizer of {}", path.display());
        let (kind, gguf, tokenizer) = if path.is_dir() {
            (of_folder(path)?, None, Tokenizer::load(path).with_context(whose)?)
        } else {
            let gguf = Gguf::open(path)?;
            let tokenizer =
                Tokenizer::from_gguf(gguf.vocabulary().with_context(whose)?).with_context(whose)?;
            (of_gguf(&gguf).with_context(|| path.display().to_string())?, Some(gguf), tokenizer)
        };
        let tokenizer = Arc::new(tokenizer);
        let embedder = match (kind, gguf) {
            (Kind::Encoder, None) => Embedder::new(Arc::new(Encoder::load(path)?), tokenizer),
            (Kind::Encoder, Some(gguf)) => Embedder::new(Arc::new(Encoder::of_gguf(path, &gguf)?), tokenizer),
            (Kind::Decoder(None), _) => bail!("{} generates text, it does not embed: {HOW}", path.display()),
            (Kind::Decoder(Some(sentence)), gguf) => {
                if sentence.pooling != Pooling::Last || !sentence.normalize {
                    bail!(
                        "{}: a decoder embeds by its last token, brought to length 1; its files ask for {sentence:?}",
                        path.display()
                    );
                }
                let decoder = match gguf {
                    None => Decoder::load(path)?,
                    Some(gguf) => Decoder::of_gguf(path, &gguf)?,
                };
                Embedder::of_decoder(Arc::new(decoder), tokenizer, sentence.max_seq_length)
            }
        };
        check_vocabulary(path, embedder.tokenizer(), embedder.vocab_size())?;
        Ok(Self { name: name_of(path), embedder })
    }

    /// Whether the model there embeds rather than generates, by its settings alone; not, if they cannot be read.
    pub fn is_at(path: &Path) -> bool {
        let kind = if path.is_dir() {
            of_folder(path).ok()
        } else {
            Gguf::open(path).ok().and_then(|g| of_gguf(&g).ok())
        };
        matches!(kind, Some(Kind::Encoder | Kind::Decoder(Some(_))))
    }
}

const HOW: &str = "a model that embeds is an encoder (bert, roberta, xlm-roberta, distilbert) or has a modules.json of \
                   sentence-transformers";

fn of_folder(dir: &Path) -> Result<Kind> {
    let path = dir.join("config.json");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}; a model folder holds one", path.display()))?;
    let config: serde_json::Value =
        serde_json::from_str(&text).with_context(|| format!("{}: expected JSON", path.display()))?;
    match config["model_type"].as_str().and_then(EncoderFamily::of) {
        Some(_) => Ok(Kind::Encoder),
        None => Ok(Kind::Decoder(SentenceConfig::of_folder(dir)?)),
    }
}

fn of_gguf(gguf: &Gguf) -> Result<Kind> {
    if Encoder::is_in(gguf) { Ok(Kind::Encoder) } else { Ok(Kind::Decoder(SentenceConfig::of_gguf(gguf)?)) }
}
