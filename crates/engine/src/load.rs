//! What many users of one model feel, on the clock.

use crate::{Engine, EngineError, Request};
use serde::Serialize;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// What is asked of an engine.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Requests in flight.
    pub users: usize,
    /// Requests in all.
    pub requests: usize,
    /// Tokens of each prompt; every prompt is another.
    pub prompt: usize,
    /// Tokens of each answer on average: from half as many to half as many more, lest all march in step.
    pub written: usize,
}

/// Milliseconds that half of the cases stay below, and all but one in a hundred.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Millis {
    /// The median.
    pub p50: f64,
    /// The slowest hundredth begins here.
    pub p99: f64,
}

/// How it went.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Felt {
    /// From a request to its first token.
    pub ttft_ms: Millis,
    /// From one token to the next.
    pub inter_token_ms: Millis,
    /// Tokens of all answers, by the time that all took.
    pub output_tokens_per_s: f64,
    /// With those of the prompts.
    pub total_tokens_per_s: f64,
    /// That time.
    pub seconds: f64,
}

impl Load {
    /// Lets the users ask, one request after another each, until all are answered.
    ///
    /// # Errors
    /// If a prompt and its answer are longer than the context; the first that a request meets.
    pub fn run(&self, engine: &Engine) -> Result<Felt, EngineError> {
        let (next, told) = (&AtomicUsize::new(0), &Mutex::new((Vec::new(), Vec::new(), 0)));
        let start = Instant::now();
        std::thread::scope(|scope| {
            let users: Vec<_> =
                (0..self.users).map(|user| scope.spawn(move || self.ask(engine, user, next, told))).collect();
            users
                .into_iter()
                .try_for_each(|user| user.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })?;
        let seconds = start.elapsed().as_secs_f64();
        let (first, between, written) =
            std::mem::take(&mut *told.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
        Ok(Felt {
            ttft_ms: millis(first),
            inter_token_ms: millis(between),
            output_tokens_per_s: written as f64 / seconds,
            total_tokens_per_s: (written + self.prompt * self.requests) as f64 / seconds,
            seconds,
        })
    }

    fn ask(
        &self,
        engine: &Engine,
        user: usize,
        next: &AtomicUsize,
        told: &Mutex<(Vec<f64>, Vec<f64>, usize)>,
    ) -> Result<(), EngineError> {
        let vocab = engine.model().config().vocab_size;
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= self.requests {
                return Ok(());
            }
            // A stride coprime to most vocabularies: no two prompts begin alike, and no text repeats itself.
            let id = |at: usize| ((number * 7919 + at * 104_729 + at * at * 31) % vocab) as u32;
            let request = Request {
                ids: (0..self.prompt).map(id).collect(),
                max_tokens: (self.written / 2 + number * 37 % (self.written + 1)).max(1),
                owner: user as u64,
                ..Request::default()
            };
            let (mut last, mut first, mut between) = (Instant::now(), None, Vec::new());
            let finish = engine.generate(&request, &mut |_| {
                let took = last.elapsed().as_secs_f64();
                last = Instant::now();
                match first {
                    None => first = Some(took),
                    Some(_) => between.push(took),
                }
                ControlFlow::Continue(())
            })?;
            let mut told = told.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            told.0.extend(first);
            told.1.extend(between);
            told.2 += finish.tokens;
        }
    }
}

fn millis(mut seconds: Vec<f64>) -> Millis {
    seconds.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let index = (share * seconds.len() as f64).ceil() as usize;
        seconds.get(index.saturating_sub(1)).map_or(0.0, |s| (s * 1e5).round() / 1e2)
    };
    Millis { p50: at(0.5), p99: at(0.99) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::plain;

    #[test]
    fn all_requests_are_answered_and_counted() {
        let load = Load { users: 3, requests: 10, prompt: 20, written: 8 };
        let felt = load.run(&Engine::new(plain(256))).unwrap();
        let tokens: usize = (0..10).map(|number| 4 + number * 37 % 9).sum();
        assert_eq!((felt.output_tokens_per_s * felt.seconds).round() as usize, tokens);
        assert_eq!((felt.total_tokens_per_s * felt.seconds).round() as usize, tokens + 200);
        assert!(felt.ttft_ms.p50 <= felt.ttft_ms.p99);
        let long = Load { prompt: 300, ..load };
        assert!(long.run(&Engine::new(plain(256))).is_err());
        let few = millis(vec![0.004, 0.001, 0.002, 0.003]);
        assert_eq!((few.p50, few.p99), (2.0, 4.0));
    }
}
