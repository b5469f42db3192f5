//! As many generations at a time as the engine is to take together, in the order asked, and not too many waiting.

use crate::error::{ApiError, Result};
use axum::http::StatusCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Who waits beyond this many is sent away.
const WAITING: usize = 32;
/// When they may come again.
const RETRY_SECONDS: u64 = 5;

/// The queue.
pub(crate) struct Turns {
    turn: Arc<Semaphore>,
    at_once: usize,
    waiting: AtomicUsize,
}

/// Counts one who waits, also one who goes away meanwhile.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Turns {
    /// So many at a time.
    pub fn new(at_once: usize) -> Self {
        Self { turn: Arc::new(Semaphore::new(at_once)), at_once, waiting: AtomicUsize::new(0) }
    }

    /// Waits until it is one's turn, which lasts as long as what is returned lives.
    pub async fn take(&self) -> Result<OwnedSemaphorePermit> {
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        if before >= WAITING {
            let message = format!("{before} requests are waiting already: try again in a while");
            return Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, message)
                .code("queue_full")
                .retry_after(RETRY_SECONDS));
        }
        let turn = self.turn.clone().acquire_owned().await;
        turn.map_err(|_| {
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "the server is ending").code("ending")
        })
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Whether anything is generated now.
    pub fn is_busy(&self) -> bool {
        self.turn.available_permits() < self.at_once
    }

    /// Sends all away who wait or come; whoever has a turn keeps it.
    pub fn close(&self) {
        self.turn.close();
    }

    pub fn is_closed(&self) -> bool {
        self.turn.is_closed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_queue_sends_away_and_recovers() {
        let turns = Arc::new(Turns::new(1));
        let first = turns.take().await.ok();
        assert!(first.is_some());
        let waiting: Vec<_> = (0..WAITING)
            .map(|_| {
                let turns = turns.clone();
                tokio::spawn(async move { turns.take().await.is_ok() })
            })
            .collect();
        while turns.waiting.load(Ordering::Relaxed) < WAITING {
            tokio::task::yield_now().await;
        }
        let refused = turns.take().await.err().map(|error| error.status);
        assert_eq!(refused, Some(StatusCode::TOO_MANY_REQUESTS));
        waiting[0].abort();
        drop(first);
        for one in waiting.into_iter().skip(1) {
            assert!(one.await.unwrap_or(false));
        }
        assert!(turns.take().await.is_ok());
    }
}
