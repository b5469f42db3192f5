//! A model that writes: what callers hold.

use crate::queue::{Event, Job, Shared};
use crate::scheduler::Scheduler;
use crate::{EngineError, EngineOptions, Finish, Reason, Request, Stats, Token};
use shuyuan_model::{Decoder, logprob};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::Instant;

/// A model that writes, for many callers at once. Cheap to clone: clones share one thread, which starts with the first
/// request and ends with the last clone.
#[derive(Clone)]
pub struct Engine {
    model: Arc<Decoder>,
    worker: Arc<Worker>,
}

struct Worker {
    options: EngineOptions,
    /// Pages of keys and values that may be held.
    pages: usize,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("options", &self.worker.options).finish_non_exhaustive()
    }
}

impl Engine {
    /// Of a model, with the usual options.
    pub fn new(model: Arc<Decoder>) -> Self {
        Self::of(model, EngineOptions::default())
    }

    /// Of a model.
    ///
    /// # Errors
    /// An option out of its bounds.
    pub fn with_options(model: Arc<Decoder>, options: EngineOptions) -> Result<Self, EngineError> {
        options.validate()?;
        Ok(Self::of(model, options))
    }

    fn of(model: Arc<Decoder>, options: EngineOptions) -> Self {
        let page_bytes = model.cache().page_bytes();
        let whole = model.config().max_position_embeddings.div_ceil(shuyuan_model::PAGE_TOKENS);
        let pages = options.pages(page_bytes, whole);
        let shared = Arc::<Shared>::default();
        let stats = Stats { pages, page_bytes, ..Stats::default() };
        *shared.stats() = stats;
        Self { model, worker: Arc::new(Worker { options, pages, shared, thread: Mutex::default() }) }
    }

    /// The model.
    pub fn model(&self) -> &Arc<Decoder> {
        &self.model
    }

    /// What it may use.
    pub fn options(&self) -> &EngineOptions {
        &self.worker.options
    }

    /// What it does and did.
    pub fn stats(&self) -> Stats {
        let shared = &self.worker.shared;
        let waiting = shared.waiting();
        let stats = *shared.stats();
        Stats { waiting: stats.waiting + waiting, ..stats }
    }

    /// Writes token after token, told one by one to `on_token` in the caller's thread. A break ends the work within a step;
    /// its memory is free when this returns.
    ///
    /// # Errors
    /// A number out of bounds, an empty prompt, an unknown id, a prompt longer than the context (both lengths are named),
    /// too many requests at once, a constraint that is too costly.
    pub fn generate(
        &self,
        request: &Request,
        on_token: &mut dyn FnMut(&Token) -> ControlFlow<()>,
    ) -> Result<Finish, EngineError> {
        request.validate(&self.model)?;
        let (events, heard) = mpsc::channel();
        let gone = Gone::default();
        let constraint = request.constraint.as_ref().map(crate::Constraint::separate);
        let request = Request { constraint, ..request.clone() };
        let EngineOptions { max_waiting, max_batch, .. } = self.worker.options;
        let job = Job { request, events, gone: gone.0.clone(), since: Instant::now() };
        self.worker.shared.submit(job, max_waiting, max_batch)?;
        self.worker.start(&self.model);
        let mut told = 0;
        let mut stopped = false;
        for event in heard {
            match event {
                Event::Token(_) if stopped => {}
                Event::Token(token) => {
                    told += 1;
                    if on_token(&token).is_break() {
                        stopped = true;
                        gone.0.store(true, Ordering::Relaxed);
                    }
                }
                Event::End(end) if stopped => {
                    return end.map(|finish| Finish { reason: Reason::Cancelled, tokens: told, ..finish });
                }
                Event::End(end) => return end,
            }
        }
        Err(self.worker.shared.failure())
    }

    /// ln of the probability of `continuation` after `context`, and whether each of its tokens is the likeliest.
    ///
    /// # Errors
    /// As [`Engine::generate`].
    pub fn score(&self, context: &[u32], continuation: &[u32]) -> Result<(f64, bool), EngineError> {
        let all = [context, continuation].concat();
        self.model.check(&all, all.len().saturating_sub(1))?;
        if context.is_empty() {
            let found = "none".to_string();
            return Err(EngineError::Field { field: "context", expected: "at least one token", found });
        }
        let vocab = self.model.config().vocab_size;
        let logits = self.model.forward(&all[..all.len() - 1])?;
        let (mut sum, mut greedy) = (0.0, true);
        for (index, &id) in continuation.iter().enumerate() {
            let row = &logits[(context.len() + index - 1) * vocab..][..vocab];
            sum += f64::from(logprob(row, id));
            greedy &= row.iter().all(|&logit| logit <= row[id as usize]);
        }
        Ok((sum, greedy))
    }
}

/// Tells the scheduler that the caller left, also where `on_token` panics.
#[derive(Default)]
struct Gone(Arc<AtomicBool>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Worker {
    fn start(&self, model: &Arc<Decoder>) {
        let mut thread = self.thread.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if thread.is_some() {
            return;
        }
        let (model, options, pages) = (model.clone(), self.options.clone(), self.pages);
        let shared = self.shared.clone();
        *thread = Some(std::thread::spawn(move || {
            loop {
                let mut scheduler = Scheduler::new(model.clone(), options.clone(), pages, shared.clone());
                let Err(panic) = catch_unwind(AssertUnwindSafe(|| scheduler.run())) else { return };
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or(panic.downcast_ref::<&str>().copied());
                // Before the callers' channels end with the scheduler.
                shared.fail(text.unwrap_or("a panic without a message").to_string());
            }
        }));
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.shared.close();
        let thread = self.thread.get_mut().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        if let Some(thread) = thread {
            // Its panics are caught; there is nothing to hear.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::{plain, text};

    #[test]
    fn a_failure_is_told_to_all_and_the_next_request_is_answered() {
        let engine = Engine::new(plain(4096));
        let endless = Request {
            ids: text(1, 5, 50),
            max_tokens: usize::MAX,
            overflow: crate::Overflow::Slide { keep: 0 },
            ..Request::default()
        };
        let shared = &engine.worker.shared;
        std::thread::scope(|scope| {
            let ask = || engine.generate(&endless, &mut |_| ControlFlow::Continue(()));
            let asked: Vec<_> = (0..3).map(|_| scope.spawn(ask)).collect();
            while engine.stats().running < 3 {
                std::thread::yield_now();
            }
            shared.fail.store(true, Ordering::Relaxed);
            for asked in asked {
                let error = asked.join().unwrap().unwrap_err();
                assert!(matches!(error, EngineError::Failed { .. }), "{error}");
                assert!(error.to_string().contains("a test made this step fail"), "{error}");
            }
        });
        let short = Request { max_tokens: 3, ..endless.clone() };
        assert_eq!(engine.generate(&short, &mut |_| ControlFlow::Continue(())).unwrap().tokens, 3);
    }
}
