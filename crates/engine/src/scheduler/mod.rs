//! The thread that takes all requests of a model through it together.
//!
//! A step: who left is let go, who fits is let in, then one forward pass of the next token of everyone who writes, with
//! guesses, and of pieces of prompts under a budget ([`plan`]), all within a budget of pages ([`memory`]).

mod memory;
mod plan;
mod sequence;
#[cfg(test)]
mod tests;

use crate::prefix::PrefixCache;
use crate::queue::{Job, Shared};
use crate::request::Reason;
use crate::{EngineError, EngineOptions};
use plan::Work;
use sequence::{Outcome, Sequence};
use shuyuan_model::{Decoder, ModelError, PAGE_TOKENS, Step};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// All requests of a model that began.
pub(crate) struct Scheduler {
    model: Arc<Decoder>,
    options: EngineOptions,
    shared: Arc<Shared>,
    /// Those with pages, in the order in which they began.
    running: Vec<Sequence>,
    /// Those that lost their pages, the first to begin again in front.
    preempted: VecDeque<Sequence>,
    /// Those whose work ended in this step, and how.
    ended: Vec<(Sequence, Result<Reason, EngineError>)>,
    prefixes: PrefixCache,
    /// Pages that may be held.
    pages: usize,
    steps: u64,
    /// By owner the step in which a prompt of theirs was read last.
    served: HashMap<u64, u64>,
}

impl Scheduler {
    pub(crate) fn new(
        model: Arc<Decoder>,
        options: EngineOptions,
        pages: usize,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            model,
            options,
            shared,
            running: Vec::new(),
            preempted: VecDeque::new(),
            ended: Vec::new(),
            prefixes: PrefixCache::default(),
            pages,
            steps: 0,
            served: HashMap::new(),
        }
    }

    /// Works until the queue is closed.
    pub(crate) fn run(&mut self) {
        while self.shared.wait(self.running.is_empty() && self.preempted.is_empty()) {
            self.step();
        }
    }

    /// One step of everyone.
    fn step(&mut self) {
        #[cfg(test)]
        assert!(
            !self.shared.fail.swap(false, std::sync::atomic::Ordering::Relaxed),
            "a test made this step fail"
        );
        self.let_go();
        self.admit();
        let works = self.plan();
        if !works.is_empty() {
            self.forward(works);
        }
        self.report();
    }

    /// Ends what nobody wants any more.
    fn let_go(&mut self) {
        for job in self.shared.cancelled() {
            let sequence = self.sequence(job);
            self.ended.push((sequence, Ok(Reason::Cancelled)));
        }
        for sequence in std::mem::take(&mut self.preempted) {
            if sequence.is_cancelled() {
                self.ended.push((sequence, Ok(Reason::Cancelled)));
            } else {
                self.preempted.push_back(sequence);
            }
        }
        for index in (0..self.running.len()).rev() {
            if self.running[index].is_cancelled() {
                self.end(index, Ok(Reason::Cancelled));
            }
        }
    }

    fn sequence(&self, job: Job) -> Sequence {
        Sequence::new(job, &self.model, self.options.speculate)
    }

    /// Lets in those that fit: first those that lost their pages, then one owner after another.
    fn admit(&mut self) {
        while self.running.len() < self.options.max_batch {
            if let Some(first) = self.preempted.pop_front() {
                if !self.fits(first.scope(), &first.ids) {
                    return self.preempted.push_front(first);
                }
                self.running.push(first);
                continue;
            }
            let shared = self.shared.clone();
            let mut of = HashMap::<u64, usize>::new();
            self.running.iter().for_each(|sequence| *of.entry(sequence.owner()).or_default() += 1);
            let running = |owner| of.get(&owner).copied().unwrap_or_default();
            let Some(job) = shared.next(running, |request| self.fits(request.scope(), &request.ids)) else {
                return;
            };
            let mut sequence = self.sequence(job);
            sequence.slide(&self.model);
            self.running.push(sequence);
            self.adopt(self.running.len() - 1);
            self.shared.stats().requests += 1;
        }
    }

    /// A sequence goes on from the longest beginning that was read before, if that is more than it has read itself.
    fn adopt(&mut self, index: usize) {
        let sequence = &mut self.running[index];
        let Some(scope) = sequence.scope() else { return };
        let pages = self.prefixes.longest(scope, &sequence.ids);
        let length = pages.len() * PAGE_TOKENS;
        if length <= sequence.cache.length() {
            return;
        }
        let saved = length - sequence.cache.length();
        sequence.shared = pages.len();
        sequence.cache.adopt(pages, length);
        // Once it writes, what it reads again is no prompt.
        if sequence.is_new() {
            let mut stats = self.shared.stats();
            stats.prefix_hits += u64::from(sequence.cached == 0);
            stats.prefix_tokens += saved as u64;
            sequence.cached += saved;
        }
    }

    /// Keeps the full pages of what a sequence has read.
    fn publish(&mut self, index: usize) {
        let sequence = &mut self.running[index];
        if let Some(scope) = sequence.scope() {
            let read = &sequence.ids[..sequence.cache.length()];
            sequence.shared = self.prefixes.insert(scope, read, sequence.cache.pages());
        }
    }

    /// Reads what was planned, and lets those write who have read all.
    fn forward(&mut self, works: Vec<Work>) {
        match self.logits(&works) {
            Ok(all) => {
                let held = self.held();
                self.shared.stats().note_peak(held);
                let mut ends = Vec::new();
                for (work, logits) in works.iter().zip(all) {
                    let sequence = &mut self.running[work.index];
                    if work.is_last {
                        let (outcome, tokens, right) = sequence.write(&self.model, &logits, &work.guesses);
                        let mut stats = self.shared.stats();
                        stats.tokens_written += tokens as u64;
                        stats.proposed += work.guesses.len() as u64;
                        stats.accepted += right as u64;
                        if let Outcome::Ends(end) = outcome {
                            ends.push((work.index, end));
                        }
                    }
                    if work.is_prompt() {
                        self.publish(work.index);
                    }
                }
                // From the back, so that the others stay where they are.
                ends.sort_by_key(|(index, _)| std::cmp::Reverse(*index));
                ends.into_iter().for_each(|(index, end)| self.end(index, end));
            }
            // Requests are checked before, so this is a defect: nobody in the batch can go on.
            Err(error) => {
                let mut indices: Vec<usize> = works.iter().map(|work| work.index).collect();
                indices.sort_unstable();
                for index in indices.into_iter().rev() {
                    self.end(index, Err(EngineError::Failed { what: error.to_string() }));
                }
            }
        }
        self.running.iter_mut().for_each(|sequence| sequence.slide(&self.model));
    }

    /// The forward pass.
    fn logits(&mut self, works: &[Work]) -> Result<Vec<Vec<f32>>, ModelError> {
        let mut parts: Vec<Option<&mut Sequence>> = self.running.iter_mut().map(Some).collect();
        let mut steps = Vec::with_capacity(works.len());
        // The head is cheap for one row, and its kernels are not asked about none.
        let nobody = works.iter().all(|work| !work.is_last);
        for (at, work) in works.iter().enumerate() {
            let Some(sequence) = parts[work.index].take() else { unreachable!("one work of each sequence") };
            let wanted = if work.is_last { 1 + work.guesses.len() } else { usize::from(nobody && at == 0) };
            steps.push(Step { ids: &work.ids, cache: &mut sequence.cache, wanted });
        }
        self.model.step(&mut steps)
    }

    /// Ends a sequence and keeps what it has read.
    fn end(&mut self, index: usize, end: Result<Reason, EngineError>) {
        self.publish(index);
        let mut sequence = self.running.remove(index);
        sequence.forget(&self.model);
        self.ended.push((sequence, end));
    }

    /// Brings the counters up to date, and then tells those whose work ended: what they held is free when they hear it.
    fn report(&mut self) {
        let used = self.held();
        let mut stats = self.shared.stats();
        stats.running = self.running.len();
        stats.waiting = self.preempted.len();
        stats.pages_used = used;
        stats.pages_kept = self.prefixes.len();
        stats.steps = self.steps;
        drop(stats);
        for (sequence, end) in self.ended.drain(..) {
            let cancelled = matches!(end, Ok(Reason::Cancelled));
            let seconds = sequence.end(end);
            if !cancelled {
                self.shared.took(seconds);
            }
        }
    }
}
