//! Where the time of a step goes: wall time by operation, while somebody asks for it.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

static ON: AtomicBool = AtomicBool::new(false);
static TIMES: Mutex<BTreeMap<&'static str, Duration>> = Mutex::new(BTreeMap::new());

/// Times one operation until it is dropped. Costs nothing to speak of while nobody asks.
pub(crate) struct Span {
    name: &'static str,
    started: Option<Instant>,
}

/// Begins to time an operation.
pub(crate) fn span(name: &'static str) -> Span {
    Span { name, started: ON.load(Ordering::Relaxed).then(Instant::now) }
}

impl Drop for Span {
    fn drop(&mut self) {
        if let Some(started) = self.started {
            let mut times = TIMES.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            *times.entry(self.name).or_default() += started.elapsed();
        }
    }
}

/// Runs `f` and returns beside its result the wall time of each fused operation in it, forward and backward apart.
/// Operations of other threads in the meantime count too: for benchmarks.
pub fn profile<R>(f: impl FnOnce() -> R) -> (R, BTreeMap<&'static str, Duration>) {
    let take = || std::mem::take(&mut *TIMES.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
    take();
    ON.store(true, Ordering::Relaxed);
    let result = f();
    ON.store(false, Ordering::Relaxed);
    (result, take())
}
