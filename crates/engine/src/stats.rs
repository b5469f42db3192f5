//! Counters of an engine, for tests and metrics.

use serde::Serialize;

/// What an engine does and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Requests being read or written.
    pub running: usize,
    /// Requests that wait to begin, those set back for want of memory included.
    pub waiting: usize,
    /// Pages of keys and values that may be held.
    pub pages: usize,
    /// Pages held, those kept for later requests included.
    pub pages_used: usize,
    /// Pages kept for later requests, whether or not somebody uses them now.
    pub pages_kept: usize,
    /// The most pages that were held at once.
    pub pages_peak: usize,
    /// Bytes of a page.
    pub page_bytes: usize,
    /// Steps: forward passes of the model.
    pub steps: u64,
    /// Requests that began.
    pub requests: u64,
    /// Those that went on from what an earlier one had read.
    pub prefix_hits: u64,
    /// Tokens of prompts that were not read for that reason.
    pub prefix_tokens: u64,
    /// Tokens read: of prompts, and written ones.
    pub tokens_read: u64,
    /// Tokens told.
    pub tokens_written: u64,
    /// Tokens guessed from the texts themselves.
    pub proposed: u64,
    /// Those that were right.
    pub accepted: u64,
    /// How often a request lost its pages for want of memory, to be read again later.
    pub preempted: u64,
}

impl Stats {
    pub(crate) fn note_peak(&mut self, pages: usize) {
        self.pages_peak = self.pages_peak.max(pages);
    }
}
