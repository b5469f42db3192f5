//! What is counted, and `/metrics`, which tells it in Prometheus' text format.
//!
//! It is behind the key like every route; Prometheus sends one as
//! `authorization: { credentials: KEY }` in its scrape configuration.

use crate::app::Shared;
use crate::key::Owner;
use crate::models::Size;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use shuyuan_engine::Stats;
use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Since the server began.
#[derive(Default)]
pub(crate) struct Metrics {
    requests: Mutex<BTreeMap<(String, u16), u64>>,
    tokens_read: AtomicU64,
    tokens_written: AtomicU64,
    first_token: Histogram<13>,
    per_token: Histogram<13>,
}

/// The tokens of one request, for the log.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub read: AtomicU64,
    pub written: AtomicU64,
}

/// How often something took at most so many seconds.
struct Histogram<const N: usize> {
    counts: [AtomicU64; N],
    count: AtomicU64,
    microseconds: AtomicU64,
}

const FIRST_TOKEN: [f64; 13] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];
const PER_TOKEN: [f64; 13] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

impl<const N: usize> Default for Histogram<N> {
    fn default() -> Self {
        Self {
            counts: std::array::from_fn(|_| AtomicU64::default()),
            count: AtomicU64::default(),
            microseconds: AtomicU64::default(),
        }
    }
}

impl<const N: usize> Histogram<N> {
    fn add(&self, took: Duration, bounds: &[f64; N]) {
        if let Some(at) = bounds.iter().position(|bound| took.as_secs_f64() <= *bound) {
            self.counts[at].fetch_add(1, Ordering::Relaxed);
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        self.microseconds.fetch_add(took.as_micros() as u64, Ordering::Relaxed);
    }

    fn write(&self, out: &mut String, name: &str, help: &str, bounds: &[f64; N]) {
        head(out, name, "histogram", help);
        let mut sum = 0;
        for (count, bound) in self.counts.iter().zip(bounds) {
            sum += count.load(Ordering::Relaxed);
            line(out, format_args!("{name}_bucket{{le=\"{bound}\"}}"), sum);
        }
        let count = self.count.load(Ordering::Relaxed);
        line(out, format_args!("{name}_bucket{{le=\"+Inf\"}}"), count.max(sum));
        let seconds = Duration::from_micros(self.microseconds.load(Ordering::Relaxed)).as_secs_f64();
        line(out, format_args!("{name}_sum"), seconds);
        line(out, format_args!("{name}_count"), count.max(sum));
    }
}

impl Metrics {
    /// A request was answered. `route` is a pattern of ours, never what a client wrote.
    pub fn request(&self, route: &str, status: u16) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry((route.into(), status)).or_default() += 1;
    }

    fn write(&self, out: &mut String) {
        head(out, "shuyuan_requests_total", "counter", "Requests answered, by route and status.");
        for ((route, status), count) in self.requests.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            line(out, format_args!("shuyuan_requests_total{{route=\"{route}\",status=\"{status}\"}}"), count);
        }
        for (name, count, help) in [
            ("shuyuan_prompt_tokens_total", &self.tokens_read, "Tokens read in prompts."),
            ("shuyuan_generated_tokens_total", &self.tokens_written, "Tokens written."),
        ] {
            head(out, name, "counter", help);
            line(out, name, count.load(Ordering::Relaxed));
        }
        let help = "Seconds from a generation's turn to its first token.";
        self.first_token.write(out, "shuyuan_time_to_first_token_seconds", help, &FIRST_TOKEN);
        let help = "Seconds from one token to the next.";
        self.per_token.write(out, "shuyuan_time_per_token_seconds", help, &PER_TOKEN);
    }
}

/// Times the tokens of one generation.
pub(crate) struct Clock<'a> {
    metrics: &'a Metrics,
    tally: &'a Tally,
    last: Instant,
    first: bool,
}

impl<'a> Clock<'a> {
    /// Begins to read a prompt of so many tokens.
    pub fn start(metrics: &'a Metrics, tally: &'a Tally, prompt: usize) -> Self {
        metrics.tokens_read.fetch_add(prompt as u64, Ordering::Relaxed);
        tally.read.fetch_add(prompt as u64, Ordering::Relaxed);
        Self { metrics, tally, last: Instant::now(), first: true }
    }

    /// A token was written.
    pub fn token(&mut self) {
        self.metrics.tokens_written.fetch_add(1, Ordering::Relaxed);
        self.tally.written.fetch_add(1, Ordering::Relaxed);
        let now = Instant::now();
        let took = now - self.last;
        match std::mem::replace(&mut self.first, false) {
            true => self.metrics.first_token.add(took, &FIRST_TOKEN),
            false => self.metrics.per_token.add(took, &PER_TOKEN),
        }
        self.last = now;
    }
}

pub(crate) async fn metrics(_: Owner, State(app): Shared) -> Response {
    let mut out = String::new();
    app.metrics.write(&mut out);
    head(&mut out, "shuyuan_queue_length", "gauge", "Generations that wait for their turn.");
    line(&mut out, "shuyuan_queue_length", app.turns.waiting());
    let models = app.models.loaded(&app.academy);
    head(&mut out, "shuyuan_models_loaded", "gauge", "Models in memory.");
    line(&mut out, "shuyuan_models_loaded", models.len());
    head(&mut out, "shuyuan_model_bytes", "gauge", "Bytes of the weights of each model in memory.");
    for (name, size) in &models {
        line(&mut out, format_args!("shuyuan_model_bytes{{model=\"{}\"}}", label(name)), size.bytes);
    }
    engines(&mut out, &models);
    if let Some(bytes) = shuyuan_tensor::held_memory() {
        head(&mut out, "process_resident_memory_bytes", "gauge", "Memory of this process.");
        line(&mut out, "process_resident_memory_bytes", bytes);
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], out).into_response()
}

/// What the engine of each model in memory does and did.
fn engines(out: &mut String, models: &[(String, Size)]) {
    type Of = fn(&Stats) -> u64;
    let all: [(&str, &str, &str, Of); 12] = [
        ("running", "gauge", "Requests being read or written.", |s| s.running as u64),
        ("waiting", "gauge", "Requests that wait for a place in the batch.", |s| s.waiting as u64),
        ("cache_bytes", "gauge", "Bytes that keys and values may take.", |s| (s.pages * s.page_bytes) as u64),
        ("cache_used_bytes", "gauge", "Bytes that they take.", |s| (s.pages_used * s.page_bytes) as u64),
        ("steps_total", "counter", "Forward passes.", |s| s.steps),
        ("requests_total", "counter", "Requests that began.", |s| s.requests),
        ("prefix_hits_total", "counter", "Those that went on from what others had read.", |s| s.prefix_hits),
        ("prefix_tokens_total", "counter", "Tokens that were not read again.", |s| s.prefix_tokens),
        ("tokens_total", "counter", "Tokens written.", |s| s.tokens_written),
        ("guessed_tokens_total", "counter", "Tokens guessed from the texts themselves.", |s| s.proposed),
        ("guessed_right_tokens_total", "counter", "Those that were right.", |s| s.accepted),
        ("preempted_total", "counter", "Requests set back for want of memory.", |s| s.preempted),
    ];
    for (name, kind, help, of) in all {
        let name = format!("shuyuan_engine_{name}");
        head(out, &name, kind, help);
        for (model, size) in models {
            line(out, format_args!("{name}{{model=\"{}\"}}", label(model)), of(&size.engine));
        }
    }
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a String cannot fail.
    let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
}

fn line(out: &mut String, name: impl Display, value: impl Display) {
    let _ = writeln!(out, "{name} {value}");
}

/// A label's value as the format wants it.
fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_up_to_each_bound() {
        let histogram = Histogram::<13>::default();
        for seconds in [0.005, 0.02, 0.3, 1000.0] {
            histogram.add(Duration::from_secs_f64(seconds), &FIRST_TOKEN);
        }
        let mut out = String::new();
        histogram.write(&mut out, "x", "Help.", &FIRST_TOKEN);
        for expected in [
            "x_bucket{le=\"0.01\"} 1\n",
            "x_bucket{le=\"0.025\"} 2\n",
            "x_bucket{le=\"0.25\"} 2\n",
            "x_bucket{le=\"300\"} 3\n",
            "x_bucket{le=\"+Inf\"} 4\n",
            "x_count 4\n",
        ] {
            assert!(out.contains(expected), "{expected} {out}");
        }
        assert_eq!(label("a\"b\\\n"), "a\\\"b\\\\\\n");
    }
}
