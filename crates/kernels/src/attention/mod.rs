//! Causal attention with grouped key and value heads, within documents packed into one row.

mod backward;
#[cfg(target_arch = "x86_64")]
mod backward_bf16;
mod forward;
#[cfg(target_arch = "x86_64")]
mod in_registers;
mod keys;
mod product;
mod qk_norm_rope;
mod tiles;

pub use backward::attention_backward;
pub use forward::attention;
pub use qk_norm_rope::{qk_norm_rope, qk_norm_rope_backward};

/// The sizes of one attention: B, T, H, K, D.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttentionShape {
    /// B: rows of tokens.
    pub batch: usize,
    /// T: tokens in a row.
    pub tokens: usize,
    /// H: query heads, a multiple of `kv_heads`.
    pub heads: usize,
    /// K: key and value heads. Query head h reads key head h / (H / K).
    pub kv_heads: usize,
    /// D: numbers in a head.
    pub head_dim: usize,
}

impl AttentionShape {
    /// H / K: the query heads that share one key head.
    pub fn group(&self) -> usize {
        assert!(
            self.kv_heads > 0 && self.heads.is_multiple_of(self.kv_heads),
            "attention: {} heads are not a multiple of {} key heads",
            self.heads,
            self.kv_heads
        );
        self.heads / self.kv_heads
    }

    /// Elements of a query-shaped tensor: B·H·T·D.
    pub fn q_len(&self) -> usize {
        self.batch * self.heads * self.tokens * self.head_dim
    }

    /// Elements of a key-shaped tensor: B·K·T·D.
    pub fn kv_len(&self) -> usize {
        self.batch * self.kv_heads * self.tokens * self.head_dim
    }

    /// Elements of one token's queries, keys and values: (H + 2K)·D.
    pub fn qkv_width(&self) -> usize {
        (self.heads + 2 * self.kv_heads) * self.head_dim
    }

    /// `starts` belong to this shape, and no position starts after itself.
    fn check_starts(&self, starts: &[u32]) {
        assert!(starts.len() == self.batch * self.tokens, "attention: starts are not (B, T)");
        for row in starts.chunks_exact(self.tokens.max(1)) {
            assert!(
                row.iter().enumerate().all(|(t, &s)| s as usize <= t),
                "attention: a position starts after itself"
            );
        }
    }
}
