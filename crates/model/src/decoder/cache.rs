//! What the layers remember of the tokens read so far: pages of keys and values.

use super::DecoderConfig;
use shuyuan_kernels::{PAGE, Page, PageShape};
use std::sync::Arc;

/// Keys and values of one sequence, in pages that several sequences may share. Cheap to clone: a page is copied when one of
/// its owners writes to it.
#[derive(Clone, Debug)]
pub struct KvCache {
    shape: PageShape,
    pub(super) pages: Vec<Arc<Page>>,
    length: usize,
    /// Whether its keys are turned as in a text beyond the model's original context.
    pub(super) long: bool,
}

/// Positions of a page.
pub const PAGE_TOKENS: usize = PAGE;

impl KvCache {
    /// An empty cache for a model of this shape; `half` keeps numbers as f16.
    pub fn new(config: &DecoderConfig, half: bool) -> Self {
        let shape = PageShape {
            layers: config.layers.len(),
            kv_heads: config.num_key_value_heads,
            head_dim: config.head_dim,
            half,
        };
        Self { shape, pages: Vec::new(), length: 0, long: false }
    }

    /// Tokens in it.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Bytes of a page.
    pub fn page_bytes(&self) -> usize {
        self.shape.bytes()
    }

    /// Its pages, the first positions first.
    pub fn pages(&self) -> &[Arc<Page>] {
        &self.pages
    }

    /// Goes on from pages that hold the first `length` tokens of the same text. Panics if they do not reach so far, or are of
    /// another shape.
    pub fn adopt(&mut self, pages: Vec<Arc<Page>>, length: usize) {
        assert!(
            length <= pages.len() * PAGE && pages.iter().all(|page| page.shape() == self.shape),
            "{} pages for {length} tokens",
            pages.len()
        );
        self.pages = pages;
        self.length = length;
        self.pages.truncate(length.div_ceil(PAGE));
    }

    /// Forgets everything, and turns keys as in a text beyond the original context from now on: what
    /// [`ModelError::Reread`](crate::ModelError::Reread) asks for.
    pub fn restart_long(&mut self) {
        self.truncate(0);
        self.long = true;
    }

    /// Whether its keys are turned as in a text beyond the original context.
    pub fn is_long(&self) -> bool {
        self.long
    }

    /// Forgets all but the first `length` tokens.
    pub fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
        self.pages.truncate(self.length.div_ceil(PAGE));
    }

    /// Makes room for `tokens` more, in pages of its own.
    pub(super) fn reserve(&mut self, tokens: usize) {
        while self.pages.len() * PAGE < self.length + tokens {
            self.pages.push(Arc::new(Page::new(self.shape)));
        }
    }

    /// Sets keys and values of a position.
    pub(super) fn write(&mut self, layer: usize, position: usize, k: &[f32], v: &[f32]) {
        Arc::make_mut(&mut self.pages[position / PAGE]).write(layer, position % PAGE, k, v);
    }

    pub(super) fn grow(&mut self, tokens: usize) {
        self.length += tokens;
    }
}
