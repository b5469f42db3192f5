//! An embedding model as the knowledge base asks for one.

use crate::LiveEmbedder;
use anyhow::Result;
use shuyuan_chain::Embedder;
use shuyuan_knowledge::{Embed, Role};
use shuyuan_text::TokenId;
use std::path::Path;

/// An embedding model as the knowledge base asks for one.
pub struct PassageEmbedder {
    name: String,
    embedder: Embedder,
    /// What some models want before a question and before a passage.
    prompts: [String; 2],
}

impl PassageEmbedder {
    /// Loads a model that embeds. Its name has a checksum of its weights.
    ///
    /// # Errors
    /// If there is none.
    pub fn load(path: &Path) -> Result<Self> {
        let LiveEmbedder { name, embedder } = LiveEmbedder::load(path)?;
        let weights = if path.is_dir() { path.join("model.safetensors") } else { path.to_path_buf() };
        let weights = if weights.is_file() { weights } else { path.join("model.safetensors.index.json") };
        let mark = shuyuan_store::checksum_file(&weights)? as u32;
        let prompts = std::fs::read_to_string(path.join("config_sentence_transformers.json")).ok();
        let prompts: serde_json::Value =
            prompts.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let prompt = |names: &[&str]| {
            let found = names.iter().find_map(|name| prompts["prompts"][name].as_str());
            found.unwrap_or_default().to_string()
        };
        let prompts = [prompt(&["query"]), prompt(&["passage", "document"])];
        Ok(Self { name: format!("{name}-{mark:08x}"), embedder, prompts })
    }

    /// Tokens of a passage that leave room for what stands above it.
    pub(crate) fn passage_tokens(&self) -> usize {
        let most = self.embedder.max_tokens();
        (most - most / 8).max(16)
    }

    /// A text's ids in parts that can be read, each with what begins and ends a text.
    fn parts(&self, text: &str, role: Role) -> Vec<Vec<TokenId>> {
        let prompt = &self.prompts[usize::from(role == Role::Passage)];
        let tokenizer = self.embedder.tokenizer();
        let (prefix, suffix) = (tokenizer.prefix(), tokenizer.suffix());
        let ids = tokenizer.encode(&format!("{prompt}{text}"));
        let room = self.embedder.max_tokens().saturating_sub(prefix.len() + suffix.len()).max(1);
        if ids.is_empty() {
            return vec![[prefix, suffix].concat()];
        }
        // Even parts: a short rest would weigh as much as a full one.
        let even = ids.len().div_ceil(ids.len().div_ceil(room));
        ids.chunks(even).map(|part| [prefix, part, suffix].concat()).collect()
    }
}

impl Embed for PassageEmbedder {
    fn name(&self) -> &str {
        &self.name
    }

    fn dimensions(&self) -> usize {
        self.embedder.dimensions()
    }

    fn max_tokens(&self) -> usize {
        self.embedder.max_tokens()
    }

    fn count(&self, text: &str) -> usize {
        self.embedder.tokenizer().encode(text).len()
    }

    fn embed(&self, texts: &[&str], role: Role) -> Result<Vec<Vec<f32>>, String> {
        let parts: Vec<Vec<Vec<TokenId>>> = texts.iter().map(|text| self.parts(text, role)).collect();
        let all: Vec<Vec<TokenId>> = parts.iter().flatten().cloned().collect();
        let mut vectors =
            self.embedder.embed_ids(&all).map_err(|error| error.to_string())?.vectors.into_iter();
        let mean = |n: usize| {
            let mut sum = vec![0.0; self.dimensions()];
            for vector in vectors.by_ref().take(n) {
                sum.iter_mut().zip(vector).for_each(|(sum, x)| *sum += x);
            }
            let length = sum.iter().map(|x| x * x).sum::<f32>().sqrt();
            sum.iter_mut().for_each(|x| *x /= length.max(f32::MIN_POSITIVE));
            sum
        };
        Ok(parts.iter().map(Vec::len).map(mean).collect())
    }
}
