//! How much each column of each matrix matters: the mean square of what it is multiplied with, over some texts.
//!
//! What llama.cpp calls an importance matrix.

use super::layout::{Is, Layout};
use super::{Decoder, MlpConfig, Naming, Step};
use crate::ModelError;
use std::collections::BTreeMap;

/// Where numbers go into matrices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Site {
    /// Queries, keys and values.
    Attention,
    /// From heads back to the state.
    Output,
    /// Gate and up.
    Mlp,
    /// Down.
    Down,
}

/// Sums of squares by layer, site and expert, and of how many rows.
#[derive(Debug, Default)]
pub(super) struct Watch {
    width: BTreeMap<(usize, Site), usize>,
    sums: BTreeMap<(usize, Site, usize), (Vec<f64>, usize)>,
}

impl Watch {
    /// Rows that go into a site of an expert; 0 where there are none.
    pub(super) fn see(&mut self, layer: usize, site: Site, expert: usize, rows: &[f32]) {
        let Some(&width) = self.width.get(&(layer, site)) else { return };
        let (sums, count) = self.sums.entry((layer, site, expert)).or_insert_with(|| (vec![0.0; width], 0));
        for row in rows.chunks_exact(width) {
            sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(*x) * f64::from(*x));
            *count += 1;
        }
    }

    /// Mean squares of a site, of all its experts in turn; zeros of one that no token chose.
    fn means(&self, layer: usize, site: Site, experts: usize) -> Vec<f32> {
        let width = self.width.get(&(layer, site)).copied().unwrap_or(0);
        let of = |expert: usize| match self.sums.get(&(layer, site, expert)) {
            Some((sums, count)) => sums.iter().map(|sum| (sum / *count as f64) as f32).collect(),
            None => vec![0.0; width],
        };
        (0..experts).flat_map(of).collect()
    }
}

impl Decoder {
    /// For [`crate::gguf::ExportOptions::importance`]: by the name that a matrix has in a GGUF file, the mean square of each
    /// number that its rows are multiplied with while the model reads `texts`.
    ///
    /// Some ten thousand tokens of the kind that the model will read are enough. The output layer is not measured.
    ///
    /// # Errors
    /// If there is no text, one is empty or longer than the context, or an id is unknown.
    pub fn importance(&self, texts: &[&[u32]]) -> Result<BTreeMap<String, Vec<f32>>, ModelError> {
        if texts.is_empty() {
            return Err(ModelError::Config("importance needs at least one text: found none".into()));
        }
        let config = &self.config;
        let mut watch = Watch::default();
        for (index, layer) in config.layers.iter().enumerate() {
            let (MlpConfig::Dense { intermediate_size } | MlpConfig::Experts { intermediate_size, .. }) =
                layer.mlp;
            let heads = config.num_attention_heads * config.head_dim;
            watch.width.insert((index, Site::Attention), config.hidden_size);
            watch.width.insert((index, Site::Output), heads);
            watch.width.insert((index, Site::Mlp), config.hidden_size);
            watch.width.insert((index, Site::Down), intermediate_size);
        }
        for ids in texts {
            let mut cache = self.cache();
            let mut steps = [Step { ids, cache: &mut cache, wanted: usize::MAX }];
            self.watched(&mut steps, None, Some(&mut watch))?;
        }
        let layout = Layout::new(Naming::Gguf, config.family);
        let mut all = BTreeMap::new();
        for (index, layer) in config.layers.iter().enumerate() {
            let mut add = |name: &str, means: Vec<f32>| {
                all.insert(format!("{}{name}.weight", layout.layer(index)), means);
            };
            let attention: &[Is] = if layout.fuses_qkv() { &[Is::Qkv] } else { &[Is::Q, Is::K, Is::V] };
            for part in attention {
                add(layout.part(*part), watch.means(index, Site::Attention, 1));
            }
            add(layout.part(Is::O), watch.means(index, Site::Output, 1));
            if let MlpConfig::Experts { experts, .. } = layer.mlp {
                for (part, site) in [(Is::Gate, Site::Mlp), (Is::Up, Site::Mlp), (Is::Down, Site::Down)] {
                    add(&layout.expert(part, 0), watch.means(index, site, experts));
                }
                continue;
            }
            let inner: &[Is] = if layout.fuses_gate_up() {
                &[Is::GateUp]
            } else if layout.gateless() {
                &[Is::Up]
            } else {
                &[Is::Gate, Is::Up]
            };
            for part in inner {
                add(layout.part(*part), watch.means(index, Site::Mlp, 1));
            }
            add(layout.part(Is::Down), watch.means(index, Site::Down, 1));
        }
        Ok(all)
    }
}
