//! Counts what the reading of one file has used of its [`Limits`].

use super::Limits;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// What is left to spend; clones share the counts.
#[derive(Clone)]
pub(crate) struct Budget {
    pub(crate) limits: Limits,
    deadline: Instant,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    unpacked: AtomicU64,
    files: AtomicUsize,
}

impl Budget {
    pub(crate) fn new(limits: &Limits) -> Self {
        let seconds = Duration::try_from_secs_f64(limits.seconds).unwrap_or(Duration::from_secs(86_400));
        let deadline = Instant::now() + seconds.min(Duration::from_secs(86_400));
        Self { limits: *limits, deadline, counts: Arc::default() }
    }

    /// The same budget with half of the time that is left, for a part that must not use up all.
    pub(crate) fn half(&self) -> Self {
        Self { deadline: Instant::now() + self.left() / 2, ..self.clone() }
    }

    /// The time that is left.
    pub(crate) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Fails once the time is up.
    pub(crate) fn check(&self) -> Result<(), String> {
        if Instant::now() < self.deadline {
            return Ok(());
        }
        let seconds = self.limits.seconds;
        Err(format!(
            "not read within the {seconds} seconds that a file may take; split it, or raise the limit"
        ))
    }

    /// Fails once more than the limit has been unpacked, through all levels.
    pub(crate) fn unpack(&self, bytes: u64) -> Result<(), String> {
        let limit = self.limits.unpacked;
        if self.counts.unpacked.fetch_add(bytes, Relaxed).saturating_add(bytes) <= limit {
            return Ok(());
        }
        Err(format!(
            "more than {limit} bytes when unpacked, the most that a file may hold; unpack it and add its parts, or raise \
             the limit"
        ))
    }

    /// Bytes that may still be unpacked.
    pub(crate) fn room(&self) -> u64 {
        self.limits.unpacked.saturating_sub(self.counts.unpacked.load(Relaxed))
    }

    /// Fails once more than the limit of files has been met, through all levels.
    pub(crate) fn file(&self) -> Result<(), String> {
        let limit = self.limits.files;
        if self.counts.files.fetch_add(1, Relaxed) < limit {
            return Ok(());
        }
        Err(format!(
            "more than {limit} files within, the most that an archive may hold; split it, or raise the limit"
        ))
    }
}
