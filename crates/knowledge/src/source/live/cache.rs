//! Answers that are still good, in memory.

use super::Table;
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

/// Answers that are kept.
const MOST: usize = 256;

static ANSWERS: LazyLock<Mutex<HashMap<String, Table>>> = LazyLock::new(Mutex::default);

/// The answer to what `place` tells, if it is younger than `good` seconds.
pub(super) fn get(place: &str, now: u64, good: u64) -> Option<Table> {
    let answers = ANSWERS.lock().unwrap_or_else(PoisonError::into_inner);
    let table = answers.get(place).filter(|table| now < table.fetched + good)?;
    Some(Table { cached: true, ..table.clone() })
}

pub(super) fn put(place: String, table: &Table) {
    let mut answers = ANSWERS.lock().unwrap_or_else(PoisonError::into_inner);
    if answers.len() >= MOST
        && let Some(oldest) =
            answers.iter().min_by_key(|(_, table)| table.fetched).map(|(place, _)| place.clone())
    {
        answers.remove(&oldest);
    }
    answers.insert(place, table.clone());
}
