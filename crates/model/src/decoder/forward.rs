//! The forward pass: new tokens of several sequences at once, each after what its cache holds.

use super::experts::{Experts, add_experts};
use super::importance::{Site, Watch};
use super::rope::Angles;
use super::weights::FeedForward;
use super::{Decoder, KvCache};
use crate::ModelError;
use crate::layers::{add, multiply, normed};
use crate::trace::LayerTrace;
use shuyuan_kernels::{PagedAttention, Part, Span, for_rows, norm_row, paged_attention, rotate};
use std::sync::Arc;

/// New tokens of one sequence.
#[derive(Debug)]
pub struct Step<'a> {
    /// At least one.
    pub ids: &'a [u32],
    /// What was read before; afterwards also these.
    pub cache: &'a mut KvCache,
    /// Of how many of them, counted from the last, logits are asked for; at most all.
    pub wanted: usize,
}

/// One token on its way.
struct Place {
    /// Which step.
    step: usize,
    position: usize,
}

/// Rows of the batch, and where each belongs.
struct Batch {
    places: Vec<Place>,
    /// (step, RoPE)
    angles: Vec<Vec<Arc<Angles>>>,
    /// First row and count of each step, and its first position.
    steps: Vec<(usize, usize, usize)>,
}

impl Decoder {
    /// Takes new tokens through all layers and adds them to the caches. Returns each step's logits, (tokens asked for, V).
    ///
    /// A sequence gets the same logits alone or with others, up to the rounding of plain f32 products, whose order of sums
    /// differs between few and many rows.
    ///
    /// # Errors
    /// If an id is unknown, a step is empty, or a text grows past the context. Caches are then as before.
    pub fn step(&self, steps: &mut [Step]) -> Result<Vec<Vec<f32>>, ModelError> {
        let states = self.states(steps, None)?;
        let mut at = 0;
        let logits = self.logits(states);
        if steps.len() == 1 {
            return Ok(vec![logits]);
        }
        let v = self.config.vocab_size;
        let mut next = |step: &Step| {
            let from = at;
            at += step.wanted.min(step.ids.len()) * v;
            logits[from..at].to_vec()
        };
        Ok(steps.iter().map(&mut next).collect())
    }

    /// Logits of states after the last layer: (N, C) to (N, V).
    pub(crate) fn logits(&self, mut states: Vec<f32>) -> Vec<f32> {
        if states.is_empty() {
            return Vec::new();
        }
        let (c, v) = (self.config.hidden_size, self.config.vocab_size);
        states.chunks_exact_mut(c).for_each(|row| norm_row(self.weights.norm.rows(), row));
        let mut logits = vec![0.0; states.len() / c * v];
        multiply(&states, c, &[Part::from(&*self.weights.head)], &mut logits, false);
        if let Some(cap) = self.config.final_logit_softcapping {
            for_rows(&mut logits, v, |_, logits| {
                logits.iter_mut().for_each(|x| *x = cap * (*x / cap).tanh())
            });
        }
        logits
    }

    /// States after the last layer of the tokens asked for, (R, C). With `trace`, all tokens' are kept there, too.
    pub(crate) fn states(
        &self,
        steps: &mut [Step],
        trace: Option<&mut Vec<LayerTrace>>,
    ) -> Result<Vec<f32>, ModelError> {
        self.watched(steps, trace, None)
    }

    /// The same; `watch` sees what goes into the layers' matrices.
    pub(super) fn watched(
        &self,
        steps: &mut [Step],
        mut trace: Option<&mut Vec<LayerTrace>>,
        mut watch: Option<&mut Watch>,
    ) -> Result<Vec<f32>, ModelError> {
        let batch = self.batch(steps)?;
        let c = self.config.hidden_size;
        let mut x = self.embeddings(steps, &batch);
        if let Some(trace) = &mut trace {
            trace.push(LayerTrace { state: x.clone(), ..LayerTrace::default() });
        }
        let kept = kept_rows(steps, &batch);
        let last = self.weights.layers.len() - 1;
        for (index, layer) in self.weights.layers.iter().enumerate() {
            let watch = &mut watch;
            let (mut heads, qkv) = self.attention(index, &x, steps, &batch, watch);
            // From here on the last layer goes on with what is asked for.
            if index == last && trace.is_none() && kept.len() < batch.places.len() {
                heads = gather(&heads, heads.len() / batch.places.len(), &kept);
                x = gather(&x, c, &kept);
            }
            let before = trace.is_some().then(|| x.clone());
            if let Some(watch) = watch {
                watch.see(index, Site::Output, 0, &heads);
            }
            add(&heads, &layer.o, layer.after_attention.as_ref(), &mut x);
            let between = trace.is_some().then(|| x.clone());
            self.feed_forward(index, &mut x, watch);
            if let (Some(trace), Some(before), Some(between)) = (&mut trace, before, between) {
                trace.push(LayerTrace::new(self, index, &qkv, &before, &between, &x));
            }
        }
        for step in steps.iter_mut() {
            step.cache.grow(step.ids.len());
        }
        if trace.is_some() && kept.len() < batch.places.len() {
            return Ok(gather(&x, c, &kept));
        }
        Ok(x)
    }

    fn batch(&self, steps: &mut [Step]) -> Result<Batch, ModelError> {
        for step in steps.iter() {
            self.check(step.ids, step.cache.length() + step.ids.len())?;
            if step.ids.is_empty() {
                return Err(ModelError::Config("nothing to read: give at least one token".into()));
            }
            if step.cache.length() > 0 && !step.cache.long && self.is_long(step) {
                return Err(ModelError::Reread);
            }
        }
        let mut batch = Batch { places: Vec::new(), angles: Vec::new(), steps: Vec::new() };
        for (index, step) in steps.iter_mut().enumerate() {
            let (first, tokens) = (step.cache.length(), step.ids.len());
            step.cache.reserve(tokens);
            let long = step.cache.long || self.is_long(step);
            step.cache.long = long;
            batch.angles.push(self.ropes.iter().map(|rope| rope.angles(first + tokens, long)).collect());
            batch.steps.push((batch.places.len(), tokens, first));
            batch.places.extend((first..first + tokens).map(|position| Place { step: index, position }));
        }
        Ok(batch)
    }

    fn is_long(&self, step: &Step) -> bool {
        self.ropes.iter().any(|rope| rope.is_long(step.cache.length() + step.ids.len()))
    }

    fn embeddings(&self, steps: &[Step], batch: &Batch) -> Vec<f32> {
        let c = self.config.hidden_size;
        let ids: Vec<u32> = steps.iter().flat_map(|step| step.ids).copied().collect();
        let mut x = vec![0.0; ids.len() * c];
        for_rows(&mut x, c, |first, x| {
            let mut position = vec![0.0; c];
            for (row, x) in x.chunks_exact_mut(c).enumerate() {
                self.weights.embedding.row(ids[first + row] as usize, x);
                if self.config.embedding_scale != 1.0 {
                    x.iter_mut().for_each(|x| *x *= self.config.embedding_scale);
                }
                if let Some(positions) = &self.weights.positions {
                    positions.row(batch.places[first + row].position, &mut position);
                    x.iter_mut().zip(&position).for_each(|(x, position)| *x += position);
                }
            }
        });
        x
    }

    /// What attention finds: (N, H·D), and the queries, keys and values that it came from, (N, (H + 2K)·D).
    fn attention(
        &self,
        index: usize,
        x: &[f32],
        steps: &mut [Step],
        batch: &Batch,
        watch: &mut Option<&mut Watch>,
    ) -> (Vec<f32>, Vec<f32>) {
        let (config, layer) = (&self.config, &self.weights.layers[index]);
        let (c, d, n) = (config.hidden_size, config.head_dim, batch.places.len());
        let (h, k) = (config.num_attention_heads * d, config.num_key_value_heads * d);
        let width = h + 2 * k;
        let normed = normed(&layer.attention_norm, x);
        if let Some(watch) = watch {
            watch.see(index, Site::Attention, 0, &normed);
        }
        let mut qkv = vec![0.0; n * width];
        multiply(&normed, c, &[layer.q.part(), layer.k.part(), layer.v.part()], &mut qkv, false);
        let rope = config.layers[index].rope;
        for_rows(&mut qkv, width, |first, rows| {
            for (row, qkv) in rows.chunks_exact_mut(width).enumerate() {
                let place = &batch.places[first + row];
                if let Some((q_norm, k_norm)) = &layer.qk_norm {
                    qkv[..h].chunks_exact_mut(d).for_each(|head| norm_row(q_norm.rows(), head));
                    qkv[h..h + k].chunks_exact_mut(d).for_each(|head| norm_row(k_norm.rows(), head));
                }
                if let Some(angles) = batch.angles[place.step].get(rope) {
                    let (cos, sin) = angles.at(place.position);
                    rotate(&mut qkv[..h + k], d, cos, sin);
                }
            }
        });
        for (place, qkv) in batch.places.iter().zip(qkv.chunks_exact(width)) {
            steps[place.step].cache.write(index, place.position, &qkv[h..h + k], &qkv[h + k..]);
        }
        let spans: Vec<Span> = steps
            .iter()
            .zip(&batch.steps)
            .map(|(step, &(_, tokens, first))| Span { pages: &step.cache.pages, first, tokens })
            .collect();
        let how = PagedAttention {
            layer: index,
            heads: config.num_attention_heads,
            scale: config.attention_scale,
            softcap: config.attn_logit_softcapping,
            window: config.layers[index].sliding_window,
            both_ways: false,
        };
        let mut heads = vec![0.0; n * h];
        paged_attention(how, &spans, &qkv, width, &mut heads);
        (heads, qkv)
    }

    fn feed_forward(&self, index: usize, x: &mut [f32], watch: &mut Option<&mut Watch>) {
        let (layer, c) = (&self.weights.layers[index], self.config.hidden_size);
        let normed = normed(&layer.mlp_norm, x);
        let mut see = |expert: usize, x: &[f32], h: &[f32]| {
            if let Some(watch) = watch {
                watch.see(index, Site::Mlp, expert, x);
                watch.see(index, Site::Down, expert, h);
            }
        };
        let act = self.config.hidden_act;
        match &layer.mlp {
            FeedForward::Dense(mlp) => {
                let h = mlp.inner(&normed, c, act);
                see(0, &normed, &h);
                add(&h, &mlp.down, layer.after_mlp.as_ref(), x);
            }
            FeedForward::Experts { router, experts, per_token, norm_topk_prob } => {
                let chosen = (*per_token, *norm_topk_prob);
                add_experts(&Experts { router, experts, chosen, act }, &normed, c, x, see);
            }
        }
    }
}

/// Rows of the tokens that logits are asked for of.
fn kept_rows(steps: &[Step], batch: &Batch) -> Vec<usize> {
    let rows = |(step, &(first, tokens, _)): (&Step, &(usize, usize, usize))| {
        first + tokens - step.wanted.min(tokens)..first + tokens
    };
    steps.iter().zip(&batch.steps).flat_map(rows).collect()
}

fn gather(x: &[f32], width: usize, rows: &[usize]) -> Vec<f32> {
    rows.iter().flat_map(|row| &x[row * width..][..width]).copied().collect()
}
