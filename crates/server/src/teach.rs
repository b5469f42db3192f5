//! Teaches the model a few lines, while everything else goes on.

use crate::app::{Shared, aside};
use crate::error::{ApiError, Result};
use crate::fields::{Fields, wrong};
use crate::key::Owner;
use crate::status::running;
use axum::extract::State;
use axum::http::StatusCode;
use shuyuan_academy::{Level, LiveModel, stages};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a lesson is under way.
#[derive(Clone, Default)]
pub(crate) struct Teaching(Arc<AtomicBool>);

struct Lesson(Teaching);

impl Teaching {
    fn begin(&self) -> Option<Lesson> {
        let free = self.0.compare_exchange(false, true, Ordering::AcqRel, Ordering::Acquire).is_ok();
        free.then(|| Lesson(self.clone()))
    }
}

impl Drop for Lesson {
    fn drop(&mut self) {
        self.0.0.store(false, Ordering::Release);
    }
}

const LINES: usize = 100;
const LINE_BYTES: usize = 1000;
const SECONDS: std::ops::RangeInclusive<f64> = 1.0..=600.0;

pub(crate) async fn teach(_: Owner, State(app): Shared, fields: Fields) -> Result<StatusCode> {
    let mut lines = fields.texts("lines")?;
    lines.retain(|line| !line.trim().is_empty());
    if lines.is_empty() || lines.len() > LINES {
        let found = lines.len();
        return Err(ApiError::field(
            "lines",
            format_args!("expected 1 to {LINES} lines with text, found {found}"),
        ));
    }
    if let Some(line) = lines.iter().find(|line| line.len() > LINE_BYTES) {
        return Err(wrong("lines", format_args!("at most {LINE_BYTES} bytes a line"), &line.as_str().into()));
    }
    let seconds = fields.number("seconds", SECONDS)?.unwrap_or(20.0);
    let (history, _) = app.academy.events.subscribe();
    if let Some(stage) = running(&history) {
        return Err(busy(format!("{stage} is running: wait until it is done")));
    }
    let lesson =
        app.teaching.begin().ok_or_else(|| busy("a lesson is under way: wait until it is done".into()))?;
    if app.academy.live().is_none() {
        let loading = app.clone();
        let model = aside(move || loading.models.current(&loading.academy)).await?;
        app.academy.set_live(LiveModel::clone(&model));
    }
    let academy = app.academy.clone();
    let work = move || {
        let _lesson = lesson;
        let options = stages::teach::Options { lines, seconds };
        if let Err(error) = stages::teach::run(&academy, &options, &AtomicBool::new(false)) {
            academy.events.message(Level::Error, format!("{error:#}"));
        }
    };
    let started = std::thread::Builder::new().name("teach".into()).spawn(work);
    started.map_err(|error| anyhow::anyhow!("cannot start a thread: {error}"))?;
    Ok(StatusCode::ACCEPTED)
}

fn busy(message: String) -> ApiError {
    ApiError::new(StatusCode::CONFLICT, message).code("busy")
}
