//! Items of any source into the base: read and cut on all threads, written by one, kept in batches.

use crate::base::{Item, Writer};
use crate::chunk::Size;
use crate::originals::Originals;
use crate::parse::{Limits, Parsed, Unread, parse};
use crate::prepare::Prepared;
use crate::{Document, KnowledgeError, Result};
use rayon::prelude::*;
use serde::Serialize;
use std::collections::HashMap;
use std::sync::mpsc::sync_channel;
use std::time::Instant;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Items that are prepared together: enough for all threads, few enough to stay small in memory.
const TOGETHER: usize = 64;
const TOGETHER_BYTES: u64 = 16 << 20;
/// Chunks after which what was read is kept.
const KEEP: usize = 32_768;
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
    /// What is known of it; `bytes` is set once it is read, and so is `hash`, whose first value is the seed: what else,
    /// if it changes, makes it another item.
    pub item: Item,
    /// Its path or address, whose ending helps to tell its format.
    pub name: String,
    /// How large it may be, for the order of work.
    pub size: u64,
    /// Gets what is in it.
    pub load: Box<dyn FnOnce(&Limits) -> Loaded + Send>,
}

/// What is in an item.
pub(crate) enum Loaded {
    /// A file, still to be parsed; its stamp, where it is known only now.
    Bytes(Vec<u8>, Option<String>),
    /// Text as it is.
    Ready(Document),
    /// The source says that it is as it was.
    Same,
    /// It cannot be read, and why; what it was before is no longer there.
    Unread(String),
    /// It could not be had just now, and why; what it was before is kept.
    Later(String),
}

/// Items that could not be had.
#[derive(Debug, Default)]
pub(crate) struct Late {
    pub items: u64,
    /// Why the first of them could not.
    pub reason: String,
}

/// Of what, and with which bounds and measures.
pub(crate) struct Means<'m> {
    /// The source's number.
    pub source: i64,
    /// Its items as they were before: stamp and hash by key.
    pub known: &'m HashMap<String, (String, u64)>,
    /// Tasks, where it is known how many.
    pub total: Option<u64>,
    pub limits: Limits,
    pub size: Size<'m>,
}

/// What became of a task.
enum Outcome {
    /// It is as it was.
    Same(Item),
    New(Item, Prepared),
    Later(Item, String),
}

/// Reads `tasks` and writes what comes of them; returns what could not be had.
pub(crate) fn ingest(
    writer: &mut Writer,
    tasks: impl Iterator<Item = Task> + Send,
    means: &Means,
    report: &mut Report,
    watch: &mut Watch,
) -> Result<Late> {
    let (source, total) = (means.source, means.total);
    let originals = writer.originals();
    let originals = originals.as_deref();
    let mut late = Late::default();
    let known = means.known;
    let mut done = 0;
    let mut kept = Instant::now();
    std::thread::scope(|scope| {
        let (send, receive) = sync_channel::<Vec<Outcome>>(1);
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
                let outcomes = batch.into_par_iter().map(|task| outcome(task, means, originals)).collect();
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
                    writer.regroup(source, &item.key, &item.groups)?;
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
                Outcome::Later(item, reason) => {
                    report.failed += 1;
                    let unread = Unread { inner: String::new(), reason: reason.clone() };
                    if late.items == 0 {
                        late.reason = format!("{}: {reason}", item.key);
                    }
                    late.items += 1;
                    if known.contains_key(&item.key) {
                        writer.regroup(source, &item.key, &item.groups)?;
                    } else {
                        let prepared = Prepared { unread: vec![unread.clone()], ..Prepared::default() };
                        writer.put(source, &item, &prepared)?;
                    }
                    tell(&item, &[unread], report, watch)
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
        writer.commit()?;
        Ok(late)
    })
}

fn outcome(task: Task, means: &Means, originals: Option<&Originals>) -> Outcome {
    let Task { mut item, name, load, .. } = task;
    let seed = item.hash;
    let known = means.known.get(&item.key);
    let same = |hash| known.is_some_and(|(stamp, old)| *old == hash && !stamp.is_empty());
    let parsed = match load(&means.limits) {
        Loaded::Bytes(bytes, stamp) => {
            (item.bytes, item.hash) = (bytes.len() as u64, xxh3_64_with_seed(&bytes, seed));
            item.stamp = stamp.unwrap_or(item.stamp);
            if same(item.hash) {
                return Outcome::Same(item);
            }
            let parsed = parse(&name, &bytes, &means.limits);
            // Before what was read of it is kept: a document that is there has its original.
            if let Some(originals) = originals
                && let Err(error) = originals.put(means.source, &item.key, item.hash, bytes)
            {
                item.stamp.clear();
                return Outcome::Later(item, format!("its original could not be kept: {error}"));
            }
            parsed
        }
        Loaded::Ready(document) => {
            item.bytes = document.text.len() as u64;
            let seed = xxh3_64_with_seed(document.title.as_deref().unwrap_or_default().as_bytes(), seed);
            item.hash = xxh3_64_with_seed(document.text.as_bytes(), seed);
            if same(item.hash) {
                return Outcome::Same(item);
            }
            Parsed { documents: vec![document], ..Parsed::default() }
        }
        Loaded::Same => return Outcome::Same(item),
        // Without a stamp it is tried again the next time.
        Loaded::Unread(reason) => {
            item.stamp.clear();
            let unread = vec![Unread { inner: String::new(), reason }];
            Parsed { unread, ..Parsed::default() }
        }
        Loaded::Later(reason) => {
            item.stamp.clear();
            return Outcome::Later(item, reason);
        }
    };
    Outcome::New(item, Prepared::new(parsed, &means.size))
}
