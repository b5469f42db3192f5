//! What an engine may use.

use crate::{EngineError, PIECE};

/// Bounds of an engine's work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineOptions {
    /// Bytes of keys and values, those kept for later requests included. `None`: a quarter of the memory that is free when
    /// the engine is made. Raised to what one text of the context's length needs.
    pub kv_bytes: Option<usize>,
    /// The most requests that wait to begin; more are refused as [`EngineError::Busy`].
    pub max_waiting: usize,
    /// The most requests that are read and written together.
    pub max_batch: usize,
    /// Tokens of prompts that a step reads while nobody writes.
    pub piece: usize,
    /// Tokens of prompts that a step reads while others write, who wait for it with each token.
    pub piece_beside: usize,
    /// The most tokens that are guessed at once where a text repeats itself; 0 never guesses. The output is the same.
    pub speculate: usize,
    /// Guess only while at most this many write: their rows are then nearly free.
    pub speculate_up_to: usize,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            kv_bytes: None,
            max_waiting: 256,
            max_batch: 32,
            piece: PIECE,
            piece_beside: 128,
            speculate: 8,
            speculate_up_to: 4,
        }
    }
}

impl EngineOptions {
    /// Checks every number.
    ///
    /// # Errors
    /// Names the field, its bounds and what was found.
    pub fn validate(&self) -> Result<(), EngineError> {
        let least = [
            ("max_waiting", self.max_waiting),
            ("max_batch", self.max_batch),
            ("piece", self.piece),
            ("piece_beside", self.piece_beside),
        ];
        match least.into_iter().find(|(_, value)| *value == 0) {
            Some((field, _)) => Err(EngineError::Field { field, expected: "at least 1", found: "0".into() }),
            None => Ok(()),
        }
    }

    /// Pages of `page_bytes` that may be held, at least `least`.
    pub(crate) fn pages(&self, page_bytes: usize, least: usize) -> usize {
        // Where the system does not say, a GiB.
        let quarter = || shuyuan_tensor::free_memory().unwrap_or(4 << 30) as usize / 4;
        let bytes = self.kv_bytes.unwrap_or_else(quarter);
        (bytes / page_bytes.max(1)).max(least)
    }
}
