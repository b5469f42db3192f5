//! What the layers remember of the tokens read so far.

use crate::Config;
use shuyuan_tensor::LayerCache;
use std::sync::{Arc, Mutex};

/// Keys and values of one conversation, layer by layer.
#[derive(Debug)]
pub struct KvCache {
    layers: Vec<Arc<Mutex<LayerCache>>>,
    capacity: usize,
}

impl KvCache {
    /// An empty cache for up to `capacity` tokens of a model of this shape.
    pub fn new(config: &Config, capacity: usize) -> Self {
        let capacity = capacity.min(config.max_position_embeddings);
        let layer = || LayerCache::new(config.num_key_value_heads, config.head_dim, capacity);
        let layers = (0..config.num_hidden_layers).map(|_| Arc::new(Mutex::new(layer()))).collect();
        Self { layers, capacity }
    }

    /// Tokens in it.
    pub fn length(&self) -> usize {
        self.layers.first().map_or(0, |layer| layer.lock().unwrap_or_else(|p| p.into_inner()).length())
    }

    /// Tokens that fit.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Forgets all but the first `length` tokens.
    pub fn truncate(&mut self, length: usize) {
        for layer in &self.layers {
            layer.lock().unwrap_or_else(|p| p.into_inner()).truncate(length);
        }
    }

    pub(crate) fn layers(&self) -> &[Arc<Mutex<LayerCache>>] {
        &self.layers
    }
}
