//! The models that are in memory: loaded when asked for, one load at a time for each, unloaded when idle or when another
//! needs the room. Knows nothing about requests.

use crate::error::{ApiError, Result};
use axum::http::StatusCode;
use shuyuan_academy::LiveModel;
use shuyuan_engine::Stats;
use std::collections::HashMap;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// A model that stays in memory as long as this lives.
#[derive(Clone)]
pub(crate) struct Held {
    live: LiveModel,
    _in_use: Arc<()>,
}

impl Deref for Held {
    type Target = LiveModel;

    fn deref(&self) -> &LiveModel {
        &self.live
    }
}

/// One that is not the pool's, such as the model in training.
impl From<LiveModel> for Held {
    fn from(live: LiveModel) -> Self {
        Self { live, _in_use: Arc::default() }
    }
}

/// What can be told about a model in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub bytes: usize,
    pub context: usize,
    pub engine: Stats,
}

impl Size {
    pub fn of(live: &LiveModel) -> Self {
        Self {
            bytes: live.model.bytes(),
            context: live.model.config().max_position_embeddings,
            engine: live.local().engine().stats(),
        }
    }
}

pub(crate) struct Pool {
    budget: usize,
    idle: Duration,
    cache: Option<usize>,
    shelf: Mutex<Shelf>,
}

#[derive(Default)]
struct Shelf {
    loaded: HashMap<String, Loaded>,
    /// Who loads a model holds its lock.
    loading: HashMap<String, Arc<Mutex<()>>>,
    /// Bytes promised to models that are being loaded.
    promised: usize,
}

struct Loaded {
    live: LiveModel,
    files: Files,
    bytes: usize,
    used: Instant,
    /// Shared with each [`Held`].
    in_use: Arc<()>,
}

impl Loaded {
    fn is_idle(&self) -> bool {
        Arc::strong_count(&self.in_use) == 1
    }

    fn hold(&mut self) -> Held {
        self.used = Instant::now();
        Held { live: self.live.clone(), _in_use: self.in_use.clone() }
    }
}

/// Promises bytes until it is dropped, also by a panic.
struct Promise<'a> {
    pool: &'a Pool,
    bytes: usize,
}

impl Drop for Promise<'_> {
    fn drop(&mut self) {
        self.pool.shelf().promised -= self.bytes;
    }
}

impl Pool {
    /// `budget` of weights and `cache` of each model's keys and values in bytes.
    pub fn new(budget: usize, idle: Duration, cache: Option<usize>) -> Self {
        Self { budget, idle, cache, shelf: Mutex::default() }
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The model at `path`, loaded if it is not there or its files have changed since. Takes as long as loading does.
    pub fn get(&self, name: &str, path: &Path) -> Result<Held> {
        let files = Files::of(path);
        let lock = {
            let mut shelf = self.shelf();
            if let Some(held) = shelf.current(name, &files) {
                return Ok(held);
            }
            shelf.loading.entry(name.into()).or_default().clone()
        };
        let _loading = lock.lock().unwrap_or_else(PoisonError::into_inner);
        // Somebody else may have loaded it while this one waited.
        let files = Files::of(path);
        let mut shelf = self.shelf();
        if let Some(held) = shelf.current(name, &files) {
            return Ok(held);
        }
        // Its former self goes; who still uses it keeps it until then.
        shelf.loaded.remove(name);
        shelf.make_room(name, files.bytes(), self.budget)?;
        shelf.promised += files.bytes();
        drop(shelf);
        let promise = Promise { pool: self, bytes: files.bytes() };
        let live = LiveModel::load(path)?;
        let live = match self.cache {
            Some(bytes) => live.with_cache(bytes),
            None => live,
        };
        drop(promise);
        let bytes = live.model.bytes();
        let mut shelf = self.shelf();
        // In memory it may be larger than its files.
        shelf.make_room(name, bytes, self.budget)?;
        let mut loaded = Loaded { live, files, bytes, used: Instant::now(), in_use: Arc::default() };
        let held = loaded.hold();
        shelf.loaded.insert(name.into(), loaded);
        Ok(held)
    }

    /// Lets go of what nobody has used for a while.
    pub fn sweep(&self) {
        let idle = self.idle;
        self.shelf().loaded.retain(|_, loaded| !loaded.is_idle() || loaded.used.elapsed() < idle);
    }

    /// How often to look for idle models.
    pub fn sweep_every(&self) -> Duration {
        (self.idle / 4).clamp(Duration::from_millis(50), Duration::from_secs(30))
    }

    pub fn sizes(&self) -> Vec<(String, Size)> {
        let mut all: Vec<_> = self
            .shelf()
            .loaded
            .iter()
            .map(|(name, loaded)| (name.clone(), Size { bytes: loaded.bytes, ..Size::of(&loaded.live) }))
            .collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }
}

impl Shelf {
    fn current(&mut self, name: &str, files: &Files) -> Option<Held> {
        self.loaded.get_mut(name).filter(|loaded| loaded.files == *files).map(Loaded::hold)
    }

    /// Unloads the least recently used of those that nobody uses, until `bytes` fit.
    fn make_room(&mut self, name: &str, bytes: usize, budget: usize) -> Result<()> {
        let mib = |bytes: usize| bytes.div_ceil(1 << 20);
        if bytes > budget {
            let message = format!(
                "the model {name:?} needs {} MiB, and models may take {} MiB: raise --model-memory-mib, or take a smaller \
                 or packed one",
                mib(bytes),
                mib(budget)
            );
            return Err(ApiError::new(StatusCode::INSUFFICIENT_STORAGE, message).code("model_too_large"));
        }
        loop {
            let taken: usize = self.loaded.values().map(|loaded| loaded.bytes).sum::<usize>() + self.promised;
            if taken + bytes <= budget {
                return Ok(());
            }
            let idle = self.loaded.iter().filter(|(_, loaded)| loaded.is_idle());
            let Some(oldest) = idle.min_by_key(|(_, l)| l.used).map(|(name, _)| name.clone()) else {
                let mut busy: Vec<_> = self.loaded.keys().cloned().collect();
                busy.sort();
                let message = format!(
                    "there is no room for the model {name:?} ({} MiB) while others answer or load ({}): try again in a while, \
                     or raise --model-memory-mib (now {})",
                    mib(bytes),
                    busy.join(", "),
                    mib(budget)
                );
                let error = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, message).code("models_busy");
                return Err(error.retry_after(5));
            };
            self.loaded.remove(&oldest);
        }
    }
}

/// A model's files as they were: when one of them is another, so is the model.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Files(Vec<(PathBuf, u64, Option<SystemTime>)>);

impl Files {
    fn of(path: &Path) -> Self {
        let mut paths = vec![path.to_path_buf()];
        if path.is_dir() {
            let matters = |path: &PathBuf| {
                path.extension()
                    .is_some_and(|e| ["json", "safetensors", "jinja", "model"].iter().any(|x| e == *x))
            };
            let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
            paths = entries.map(|entry| entry.path()).filter(matters).collect();
            paths.sort();
        }
        let fact = |path: PathBuf| {
            let file = std::fs::metadata(&path).ok();
            let (bytes, modified) = file.map_or((0, None), |file| (file.len(), file.modified().ok()));
            (path, bytes, modified)
        };
        Self(paths.into_iter().map(fact).collect())
    }

    /// The weights' size on disk.
    fn bytes(&self) -> usize {
        let weights = |path: &Path| path.extension().is_some_and(|e| e == "safetensors" || e == "gguf");
        self.0.iter().filter(|(path, ..)| weights(path)).map(|(_, bytes, _)| *bytes as usize).sum()
    }
}
