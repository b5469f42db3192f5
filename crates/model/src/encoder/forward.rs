//! The forward pass: whole texts of any lengths, several at once, without padding.

use super::Encoder;
use super::weights::Layer;
use crate::ModelError;
use crate::layers::{add, multiply, normed};
use shuyuan_kernels::{PAGE, Page, PageShape, PagedAttention, Span, for_rows, paged_attention, parallel};
use std::sync::{Arc, Mutex, PoisonError};

/// Tokens that go through the layers together: enough for products of many rows, few enough to stay in memory.
const TOGETHER: usize = 2048;

/// A text on its way.
struct Text {
    /// Keys and values of the layer at work.
    pages: Vec<Arc<Page>>,
    tokens: usize,
}

impl Encoder {
    /// The last layer's states of each text, (T, C).
    ///
    /// A text gets the same states alone or with others, up to the rounding of plain f32 products, whose order of sums
    /// differs between few and many rows.
    ///
    /// # Errors
    /// If a text is empty, longer than the model's positions, or an id is unknown.
    pub fn states(&self, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>, ModelError> {
        self.for_texts(texts, <[f32]>::to_vec)
    }

    /// The vector of each text, (C), by the model's pooling.
    ///
    /// # Errors
    /// As [`Encoder::states`].
    pub fn embed(&self, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>, ModelError> {
        self.for_texts(texts, |states| self.sentence.vector(states, self.config.hidden_size))
    }

    fn for_texts(
        &self,
        texts: &[&[u32]],
        f: impl Fn(&[f32]) -> Vec<f32>,
    ) -> Result<Vec<Vec<f32>>, ModelError> {
        texts.iter().try_for_each(|ids| self.check(ids))?;
        let mut found = Vec::with_capacity(texts.len());
        let mut left = texts;
        while !left.is_empty() {
            let mut tokens = 0;
            let fits = |ids: &&&[u32]| {
                tokens += ids.len();
                tokens <= TOGETHER
            };
            let (these, others) = left.split_at(left.iter().take_while(fits).count().max(1));
            left = others;
            let states = self.forward(these);
            let mut states = states.as_slice();
            for ids in these {
                let (own, rest) = states.split_at(ids.len() * self.config.hidden_size);
                states = rest;
                found.push(f(own));
            }
        }
        Ok(found)
    }

    /// States of all texts' tokens, (N, C).
    fn forward(&self, texts: &[&[u32]]) -> Vec<f32> {
        let config = &self.config;
        let shape = PageShape {
            layers: 1,
            kv_heads: config.num_attention_heads,
            head_dim: config.head_dim(),
            half: false,
        };
        let text = |ids: &&[u32]| Text {
            pages: (0..ids.len().div_ceil(PAGE)).map(|_| Arc::new(Page::new(shape))).collect(),
            tokens: ids.len(),
        };
        let mut batch: Vec<Text> = texts.iter().map(text).collect();
        let mut x = normed(&self.weights.norm, &self.embeddings(texts));
        for layer in &self.weights.layers {
            let heads = self.attention(layer, &x, &mut batch);
            add(&heads, &layer.o, None, &mut x);
            x = normed(&layer.attention_norm, &x);
            let inner = layer.mlp.inner(&x, config.hidden_size, config.hidden_act);
            add(&inner, &layer.mlp.down, None, &mut x);
            x = normed(&layer.mlp_norm, &x);
        }
        x
    }

    /// Words and positions, (N, C).
    fn embeddings(&self, texts: &[&[u32]]) -> Vec<f32> {
        let c = self.config.hidden_size;
        let places: Vec<(u32, usize)> =
            texts.iter().flat_map(|ids| ids.iter().copied().zip(self.config.first_position..)).collect();
        let mut x = vec![0.0; places.len() * c];
        for_rows(&mut x, c, |first, x| {
            for (x, &(id, position)) in x.chunks_exact_mut(c).zip(&places[first..]) {
                self.weights.embedding.row(id as usize, x);
                let position = &self.weights.positions[position * c..][..c];
                x.iter_mut().zip(position).for_each(|(x, position)| *x += position);
            }
        });
        x
    }

    /// What attention finds, (N, C).
    fn attention(&self, layer: &Layer, x: &[f32], batch: &mut [Text]) -> Vec<f32> {
        let c = self.config.hidden_size;
        let mut qkv = vec![0.0; 3 * x.len()];
        multiply(x, c, &[layer.q.part(), layer.k.part(), layer.v.part()], &mut qkv, false);
        fill(batch, &qkv, c);
        let spans: Vec<Span> =
            batch.iter().map(|text| Span { pages: &text.pages, first: 0, tokens: text.tokens }).collect();
        let how = PagedAttention {
            layer: 0,
            heads: self.config.num_attention_heads,
            scale: (self.config.head_dim() as f32).powf(-0.5),
            softcap: None,
            window: None,
            both_ways: true,
        };
        let mut heads = vec![0.0; x.len()];
        paged_attention(how, &spans, &qkv, 3 * c, &mut heads);
        heads
    }
}

/// Writes keys and values into the texts' pages, a page a task. Shape: `qkv` (N, 3C).
fn fill(batch: &mut [Text], qkv: &[f32], c: usize) {
    let mut rest = qkv;
    let mut work = Vec::new();
    for text in batch {
        let (own, others) = rest.split_at(text.tokens * 3 * c);
        rest = others;
        work.extend(text.pages.iter_mut().zip(own.chunks(PAGE * 3 * c)));
    }
    let tasks = work.len();
    let work = Mutex::new(work.into_iter());
    parallel(tasks, |_| {
        let next = work.lock().unwrap_or_else(PoisonError::into_inner).next();
        let Some((page, rows)) = next else { return };
        let page = Arc::make_mut(page);
        for (slot, row) in rows.chunks_exact(3 * c).enumerate() {
            page.write(0, slot, &row[c..2 * c], &row[2 * c..]);
        }
    });
}
