//! Items of any source into the base: read and cut on all threads, written by one, kept in batches.

use crate::base::{Base, Item, Writer};
use crate::chunk::Size;
use crate::parse::{Limits, Parsed, Unread, parse};
use crate::prepare::Prepared;
use crate::{KnowledgeError, Result};
use rayon::prelude::*;
use serde::Serialize;
use std::collections::HashMap;
use std::sync::mpsc::sync_channel;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use xxhash_rust::xxh3::xxh3_64;

/// Items that are prepared together: enough for all threads, few enough to stay small in memory.
const TOGETHER: usize = 64;
const TOGETHER_BYTES: u64 = 16 << 20;
/// Chunks after which what was read is kept.
const KEEP: usize = 8_192;
/// Seconds after which it is kept in any case.
const KEEP_SECONDS: f64 = 5.0;

/// What comes of a sync.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Items that are new.
    pub added: u64,
    /// Items that were there and have changed.
    pub changed: u64,
    /// Items that are as they were.
    pub unchanged: u64,
    /// Items that are no longer there.
    pub removed: u64,
    /// Items of which something could not be read.
    pub failed: u64,
    /// Documents read.
    pub documents: u64,
    /// Chunks made.
    pub chunks: u64,
    /// Bytes read.
    pub bytes: u64,
    /// How long it took.
    pub seconds: f64,
}

/// How far a sync is.
#[derive(Clone, Debug)]
pub struct Progress<'p> {
    /// Items done.
    pub done: u64,
    /// Items to do, where that is known.
    pub total: Option<u64>,
    /// Bytes done.
    pub bytes: u64,
    /// The item that was written last.
    pub item: &'p str,
    /// What could not be read of it.
    pub unread: &'p [Unread],
}

/// Is told how far a sync is, and says whether to go on.
pub type Watch<'w> = dyn FnMut(Progress) -> bool + 'w;

/// An item that may have changed.
pub(crate) struct Task {
    /// What is known of it; `hash` and `bytes` are set once it is read.
    pub item: Item,
    /// Its path or address, whose ending helps to tell its format.
    pub name: String,
    /// How large it may be, for the order of work.
    pub size: u64,
    /// Gets its bytes, or says why that does not work.
    pub load: Box<dyn FnOnce(&Limits) -> std::result::Result<Vec<u8>, String> + Send>,
}

/// Bounds and measures.
pub(crate) struct Means<'m> {
    pub limits: Limits,
    pub size: Size<'m>,
}

/// What became of a task.
enum Outcome {
    /// Its bytes are the same.
    Same(Item),
    New(Item, Prepared),
}

/// Reads `tasks` and writes what comes of them. `known` is what the items were before.
pub(crate) fn ingest(
    base: &Base,
    writer: &mut Writer,
    source: i64,
    tasks: impl Iterator<Item = Task> + Send,
    total: Option<u64>,
    means: &Means,
    report: &mut Report,
    watch: &mut Watch,
) -> Result<()> {
    let known = base.items(source)?;
    let mut done = 0;
    let mut kept = Instant::now();
    std::thread::scope(|scope| {
        let (send, receive) = sync_channel::<Vec<Outcome>>(1);
        let known = &known;
        scope.spawn(move || {
            let mut tasks = tasks.peekable();
            while tasks.peek().is_some() {
                let mut batch = Vec::new();
                let mut bytes = 0;
                while batch.len() < TOGETHER && bytes < TOGETHER_BYTES {
                    let Some(task) = tasks.next() else { break };
                    bytes += task.size;
                    batch.push(task);
                }
                let outcomes = batch.into_par_iter().map(|task| outcome(task, known, means)).collect();
                // The one who writes has stopped.
                if send.send(outcomes).is_err() {
                    return;
                }
            }
        });
        for outcome in receive.into_iter().flatten() {
            done += 1;
            let tell = |item: &Item, unread: &[Unread], report: &Report, watch: &mut Watch| {
                watch(Progress { done, total, bytes: report.bytes, item: &item.key, unread })
            };
            let go_on = match outcome {
                Outcome::Same(item) => {
                    report.unchanged += 1;
                    report.bytes += item.bytes;
                    writer.touch(source, &item.key, &item.stamp)?;
                    tell(&item, &[], report, watch)
                }
                Outcome::New(item, prepared) => {
                    *if known.contains_key(&item.key) { &mut report.changed } else { &mut report.added } += 1;
                    report.failed += u64::from(!prepared.unread.is_empty());
                    report.documents += prepared.documents.len() as u64;
                    report.chunks += prepared.chunks() as u64;
                    report.bytes += item.bytes;
                    writer.put(source, &item, &prepared)?;
                    tell(&item, &prepared.unread, report, watch)
                }
            };
            if writer.pending() >= KEEP || kept.elapsed().as_secs_f64() > KEEP_SECONDS || !go_on {
                writer.commit()?;
                kept = Instant::now();
            }
            if !go_on {
                return Err(KnowledgeError::Stopped);
            }
        }
        writer.commit()
    })
}

fn outcome(task: Task, known: &HashMap<String, (String, u64)>, means: &Means) -> Outcome {
    let Task { mut item, name, load, .. } = task;
    let failed = |reason: String| Parsed {
        unread: vec![Unread { inner: String::new(), reason }],
        ..Parsed::default()
    };
    let parsed = match load(&means.limits) {
        Ok(bytes) => {
            (item.bytes, item.hash) = (bytes.len() as u64, xxh3_64(&bytes));
            if known.get(&item.key).is_some_and(|(stamp, hash)| *hash == item.hash && !stamp.is_empty()) {
                return Outcome::Same(item);
            }
            parse(&name, &bytes, &means.limits)
        }
        // Without a stamp it is tried again the next time.
        Err(reason) => {
            item.stamp.clear();
            failed(reason)
        }
    };
    Outcome::New(item, Prepared::new(parsed, &means.size))
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
