//! Sources that give records: what is new goes in, what is gone goes out, and what went wrong changes nothing.

use super::definition::{Common, Definition, Plan, Records};
use super::ingest::{Loaded, Means, Report, Task, Watch, ingest};
use super::record::{Map, Record, get};
use super::shape::{Shape, kept};
use super::web::Version;
use super::when;
use crate::base::{Base, Item, Source, SourceState, Writer};
use crate::chunk::Size;
use crate::parse::Limits;
use crate::{KnowledgeError, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shuyuan_text::now;
use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Gets records as they come, and says whether to go on.
pub(crate) type Sink<'s> = dyn FnMut(Vec<Record>) -> bool + 's;

/// Where to go on.
#[derive(Clone, Debug)]
pub(crate) struct Since {
    pub value: Value,
}

/// How a fetch came to its end.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    /// Of the answer, where it was one alone.
    pub version: Option<Version>,
    /// The source says that nothing has changed.
    pub same: bool,
}

/// How often a source with a cursor is read from its beginning, if the definition does not say.
const FULL: Duration = Duration::from_secs(86_400);

/// What is kept between syncs, in [`SourceState::cursor`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Mark {
    since: Option<Value>,
    /// When everything was read last.
    full: u64,
    shape: Shape,
    version: Option<String>,
    /// Of the definition.
    print: u64,
}

/// What was seen while reading.
#[derive(Default)]
struct Seen {
    keys: HashSet<String>,
    /// Records so far.
    records: u64,
    without_key: u64,
    twice: u64,
    shape: Shape,
    highest: Option<Value>,
    wrong: Option<KnowledgeError>,
}

impl Plan {
    /// Hands records to `sink`: all, or those from `since` on.
    pub(crate) fn fetch(
        &self,
        records: &Records,
        since: Option<&Since>,
        version: Option<&Version>,
        sink: &mut Sink,
        stop: &AtomicBool,
    ) -> Result<Ended> {
        let cursor = records.cursor.as_deref();
        match self {
            Self::Sqlite(plan) => plan.fetch(since, cursor, sink, stop),
            Self::Server(plan) => plan.fetch(since, cursor, sink, stop),
            Self::Http(plan) => plan.fetch(since, version, sink, stop),
            Self::Feed(plan) => plan.fetch(version, sink, stop),
            _ => Ok(Ended::default()),
        }
    }

    /// Whether every record has every field.
    fn is_table(&self) -> bool {
        matches!(self, Self::Sqlite(_) | Self::Server(_))
    }

    /// Whether what a full read does not give is gone.
    fn is_complete(&self) -> bool {
        match self {
            Self::Feed(feed) => feed.remove,
            _ => true,
        }
    }
}

pub(crate) fn sync(
    base: &Base,
    writer: &mut Writer,
    source: &Source,
    size: Size,
    watch: &mut Watch,
) -> Result<Report> {
    let began = Instant::now();
    let definition = Definition::of(source);
    let (common, plan) = (definition.common()?, definition.plan()?);
    let records = definition.records()?.unwrap_or_default();
    let mark: Mark = serde_json::from_value(source.state.cursor.clone()).unwrap_or_default();
    let print = definition.print();
    let known_definition = mark.print == print;
    let every = records.full.as_deref().map_or(Ok(FULL), when::duration)?.as_secs();
    let since = mark
        .since
        .clone()
        .filter(|_| records.cursor.is_some() && known_definition && now() < mark.full.saturating_add(every));
    let (since, full) = (since.clone().map(|value| Since { value }), since.is_none());
    let version = mark.version.as_deref().and_then(Version::of_stamp).filter(|_| known_definition);
    let known = base.items(source.id)?;

    let mut report = Report::default();
    let seen = Mutex::new(Seen::default());
    let stop = AtomicBool::new(false);
    let started = now();
    let ended = std::thread::scope(|scope| {
        let (send, receive) = sync_channel::<Vec<Record>>(2);
        let fetch = scope.spawn(|| {
            let mut sink = move |records| send.send(records).is_ok();
            plan.fetch(&records, since.as_ref(), version.as_ref(), &mut sink, &stop)
        });
        // What of the shape must be there: an API leaves out what is empty, so a few changes prove nothing.
        let strict = full || plan.is_table();
        let reading = Reading { common: &common, records: &records, seen: &seen, strict, print };
        let mut queue = VecDeque::new();
        let tasks = std::iter::from_fn(move || {
            loop {
                if let Some(task) = queue.pop_front() {
                    return Some(task);
                }
                queue.extend(reading.tasks(receive.recv().ok()?)?);
            }
        });
        let means = Means { source: source.id, known: &known, total: None, limits: Limits::default(), size };
        let done = ingest(writer, tasks, &means, &mut report, watch);
        // Whoever waits for a slow source is not waited for.
        stop.store(true, Ordering::Relaxed);
        let ended =
            fetch.join().unwrap_or_else(|_| Err(KnowledgeError::Asked("reading the source failed".into())));
        done.and(ended)
    });
    let seen = seen.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(wrong) = seen.wrong {
        return Err(wrong);
    }
    let ended = ended?;

    let mut drift = mark.shape.drift(&seen.shape, full || plan.is_table());
    if seen.without_key > 0 {
        drift.push(format!("{} records without {:?} were left out", seen.without_key, records.map.key));
    }
    if seen.twice > 0 {
        drift.push(format!(
            "{} records have a {:?} that another one has, and were left out",
            seen.twice, records.map.key
        ));
    }
    if ended.same {
        report.unchanged = known.len() as u64;
    } else if full && plan.is_complete() {
        if seen.keys.is_empty() && !known.is_empty() && !common.may_be_empty {
            return Err(KnowledgeError::Asked(format!(
                "nothing came where there were {} records, which are kept; if that is right, say may_be_empty = true",
                known.len()
            )));
        }
        for key in known.keys().filter(|key| !seen.keys.contains(*key)) {
            writer.remove(source.id, key)?;
            report.removed += 1;
        }
    }
    let mark = Mark {
        since: seen.highest.or(mark.since.filter(|_| known_definition)),
        full: if full && !ended.same { started } else { mark.full },
        shape: match (full && !ended.same && seen.records > 0, known_definition) {
            (true, _) => seen.shape,
            (false, true) => mark.shape.with(seen.shape),
            (false, false) => mark.shape,
        },
        version: if ended.same { mark.version } else { ended.version.map(|version| version.stamp()) },
        print,
    };
    let now = now();
    let state = SourceState {
        tried: Some(now),
        synced: Some(now),
        error: None,
        cursor: serde_json::to_value(&mark).unwrap_or_default(),
        drift: kept(&source.state.drift, drift, now),
    };
    writer.set_state(source.id, &state)?;
    writer.commit()?;
    report.seconds = began.elapsed().as_secs_f64();
    Ok(report)
}

/// Records to tasks.
struct Reading<'r> {
    common: &'r Common,
    records: &'r Records,
    seen: &'r Mutex<Seen>,
    strict: bool,
    print: u64,
}

impl Reading<'_> {
    /// `None` if what came cannot be what was meant.
    fn tasks(&self, records: Vec<Record>) -> Option<Vec<Task>> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.records == 0
            && !records.is_empty()
            && let Err(wrong) =
                check(&self.records.map, self.records.cursor.as_deref(), &records, self.strict)
        {
            seen.wrong = Some(wrong);
            return None;
        }
        let mut tasks = Vec::new();
        for record in records {
            seen.records += 1;
            seen.shape.see(&record);
            if let Some(value) = self.records.cursor.as_deref().and_then(|cursor| get(&record, cursor)) {
                raise(&mut seen.highest, value);
            }
            match self.task(record) {
                None => seen.without_key += 1,
                Some(task) if seen.keys.insert(task.item.key.clone()) => tasks.push(task),
                Some(_) => seen.twice += 1,
            }
        }
        Some(tasks)
    }

    fn task(&self, record: Record) -> Option<Task> {
        let map = self.records.map.clone();
        let told = map.told(&record)?;
        let groups = if told.groups.is_empty() { self.common.groups.clone() } else { told.groups.clone() };
        let mut tags = self.common.tags.clone();
        tags.extend(told.tags.iter().filter(|tag| !self.common.tags.contains(tag)).cloned());
        let about = serde_json::to_string(&(&told, &groups, &tags)).unwrap_or_default();
        let size = record.iter().map(|(_, value)| value.as_str().map_or(16, str::len)).sum::<usize>() as u64;
        Some(Task {
            item: Item {
                key: told.key.clone(),
                // There is none: the text tells whether it has changed.
                stamp: "-".into(),
                hash: xxh3_64_with_seed(about.as_bytes(), self.print),
                groups,
                tags,
                date: told.date.clone(),
                url: told.url.clone(),
                ..Item::default()
            },
            name: format!("record.{}", map.format.as_deref().unwrap_or("txt")),
            size,
            load: Box::new(move |limits| {
                let loaded = match map.format.as_deref() {
                    Some("html" | "md") => Loaded::Bytes(map.page(&told, &record).into_bytes(), None),
                    _ => Loaded::Ready(map.document(&told, &record)),
                };
                match &loaded {
                    Loaded::Bytes(bytes, _) if bytes.len() as u64 > limits.file => too_large(limits),
                    Loaded::Ready(document) if document.text.len() as u64 > limits.file => too_large(limits),
                    _ => loaded,
                }
            }),
        })
    }
}

fn too_large(limits: &Limits) -> Loaded {
    Loaded::Unread(format!("is larger than {} MiB; leave it out, or choose fewer fields", limits.file >> 20))
}

/// Whether the fields that are asked for are in the first records that came.
pub(crate) fn check(map: &Map, cursor: Option<&str>, records: &[Record], strict: bool) -> Result<()> {
    let asked = map.fields_asked().into_iter().chain(cursor.map(|cursor| ("cursor", cursor)));
    for (name, field) in asked {
        let needed = strict || name == "key";
        if needed && !records.iter().any(|record| get(record, field).is_some()) {
            let mut there: Vec<&str> = records.iter().flatten().map(|(name, _)| name.as_str()).collect();
            there.sort_unstable();
            there.dedup();
            return Err(KnowledgeError::Asked(format!(
                "the field {field:?}, asked for as {name}, is in none of the records; there are: {}. Correct the \
                 definition, or the source; what was known is kept",
                there.join(", ")
            )));
        }
    }
    Ok(())
}

/// The highest value of a cursor: numbers as numbers, text by its letters, as ISO times go.
fn raise(highest: &mut Option<Value>, value: &Value) {
    let higher = match (&*highest, value) {
        (_, Value::Number(_) | Value::String(_)) if highest.is_none() => true,
        (Some(Value::Number(old)), Value::Number(new)) => match (old.as_i64(), new.as_i64()) {
            (Some(old), Some(new)) => new > old,
            _ => new.as_f64() > old.as_f64(),
        },
        (Some(Value::String(old)), Value::String(new)) => new > old,
        _ => false,
    };
    if higher {
        *highest = Some(value.clone());
    }
}
