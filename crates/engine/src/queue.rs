//! Between callers and the scheduler's thread: who waits, and what callers are told.

use crate::request::{Finish, Request, Token};
use crate::{EngineError, Stats};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Instant;

/// What a caller hears.
pub(crate) enum Event {
    Token(Token),
    /// The last.
    End(Result<Finish, EngineError>),
}

/// A request on its way into the batch.
pub(crate) struct Job {
    pub request: Request,
    pub events: Sender<Event>,
    /// Set when the caller listens no more.
    pub gone: Arc<AtomicBool>,
    pub since: Instant,
}

impl Job {
    pub(crate) fn is_cancelled(&self) -> bool {
        self.gone.load(Ordering::Relaxed) || self.request.cancel.is_cancelled()
    }
}

/// What callers and the scheduler share.
#[derive(Default)]
pub(crate) struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    stats: Mutex<Stats>,
    /// Makes the next step panic.
    #[cfg(test)]
    pub(crate) fail: AtomicBool,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Job>,
    closed: bool,
    /// Seconds that a request takes, lately.
    seconds: f64,
    /// What the scheduler said when it failed last.
    failure: String,
}

impl Shared {
    /// Lets a request wait for its turn.
    pub(crate) fn submit(&self, job: Job, max_waiting: usize, max_batch: usize) -> Result<(), EngineError> {
        let mut queue = lock(&self.queue);
        let waiting = queue.waiting.len();
        if waiting >= max_waiting {
            let rounds = (waiting / max_batch + 1) as f64;
            let retry_after_s = (queue.seconds * rounds).ceil().clamp(1.0, 60.0) as u64;
            return Err(EngineError::Busy { waiting, retry_after_s });
        }
        queue.waiting.push_back(job);
        self.wake.notify_one();
        Ok(())
    }

    /// Ends the scheduler's work.
    pub(crate) fn close(&self) {
        lock(&self.queue).closed = true;
        self.wake.notify_one();
    }

    /// Waits until there is work, if `idle`. False when there will be none.
    pub(crate) fn wait(&self, idle: bool) -> bool {
        let mut queue = lock(&self.queue);
        while idle && queue.waiting.is_empty() && !queue.closed {
            queue = self.wake.wait(queue).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
        !queue.closed
    }

    /// The requests that nobody waits for any more.
    pub(crate) fn cancelled(&self) -> Vec<Job> {
        let mut queue = lock(&self.queue);
        let (gone, waiting) = std::mem::take(&mut queue.waiting).into_iter().partition(Job::is_cancelled);
        queue.waiting = waiting;
        Vec::from_iter::<VecDeque<Job>>(gone)
    }

    /// The one whose turn it is, if it `fits`: of the owner with the fewest `running`, the first that came.
    pub(crate) fn next(
        &self,
        running: impl Fn(u64) -> usize,
        fits: impl FnOnce(&Request) -> bool,
    ) -> Option<Job> {
        let mut queue = lock(&self.queue);
        let turn = queue.waiting.iter().enumerate().min_by_key(|(_, job)| running(job.request.owner));
        let (index, job) = turn?;
        if fits(&job.request) { queue.waiting.remove(index) } else { None }
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        lock(&self.queue).waiting.len()
    }

    /// A request took so long from its turn to its end.
    pub(crate) fn took(&self, seconds: f64) {
        let mut queue = lock(&self.queue);
        queue.seconds = if queue.seconds == 0.0 { seconds } else { 0.9 * queue.seconds + 0.1 * seconds };
    }

    /// Whoever waits hears that the scheduler failed: its end of their channels is dropped.
    pub(crate) fn fail(&self, what: String) {
        let mut queue = lock(&self.queue);
        queue.failure = what;
        queue.waiting.clear();
    }

    /// What callers are told whose channel ended without a last event.
    pub(crate) fn failure(&self) -> EngineError {
        EngineError::Failed { what: lock(&self.queue).failure.clone() }
    }

    pub(crate) fn stats(&self) -> MutexGuard<'_, Stats> {
        lock(&self.stats)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
