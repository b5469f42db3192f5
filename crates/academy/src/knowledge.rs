//! The knowledge of a home: its base, and the model that makes its vectors.

use crate::map::PointsKept;
use crate::{Academy, Home, PassageEmbedder, books};
use anyhow::{Context, Result, bail};
use shuyuan_knowledge::{
    Base, Embed, Filter, Folder, Found, KnowledgeError, Progress, Query, Reader, Report, Role, Size, Writer,
    estimate,
};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Tokens of a chunk where no model has a say.
const CHUNK: usize = 512;
/// Where the base keeps the name of its embedding model.
const MODEL: &str = "embedding model";
/// The folder of uploaded files, which is a source like any other.
const UPLOADS: &str = "uploads";
/// How long one server waits for another that writes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where a knowledge base is kept; where nothing is said, in its home.
#[derive(Clone, Debug, Default)]
pub struct Store {
    /// `postgres://user@host/database?schema=NAME`: in PostgreSQL, for several servers.
    pub database: Option<String>,
    /// `s3://bucket/prefix?endpoint=URL`: files as they came, in a bucket.
    pub originals: Option<String>,
}

/// The knowledge base of a home folder.
pub struct Knowledge {
    /// Documents and index.
    pub base: Base,
    home: Home,
    /// Under the name by which it was chosen: another server on the same store may choose another.
    embedder: Mutex<Option<(String, Arc<PassageEmbedder>)>>,
    pub(crate) points: PointsKept,
}

impl Academy {
    /// The knowledge base of this home, which is made if it is missing.
    ///
    /// # Errors
    /// If what is there is none.
    pub fn knowledge(&self) -> Result<Arc<Knowledge>> {
        let mut held = self.knowledge.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(knowledge) = &*held {
            return Ok(knowledge.clone());
        }
        let dir = self.home.knowledge();
        let mut base = match &self.store.database {
            Some(address) => Base::open_at(&dir, address)?,
            None => Base::open(&dir)?,
        };
        if let Some(address) = &self.store.originals {
            base = base.keep_originals(address)?;
        }
        crate::books::shelve(&base)?;
        let knowledge = Arc::new(Knowledge {
            base,
            home: self.home.clone(),
            embedder: Mutex::default(),
            points: PointsKept::default(),
        });
        *held = Some(knowledge.clone());
        Ok(knowledge)
    }
}

impl Academy {
    /// Whether there is a knowledge base already.
    pub fn has_knowledge(&self) -> bool {
        self.store.database.is_some() || Base::is_at(&self.home.knowledge())
    }
}

/// How far the work is.
pub enum Step<'s> {
    /// Files are read.
    Read(Progress<'s>),
    /// Vectors are made: chunks done, chunks to do.
    Embed(u64, u64),
}

impl Knowledge {
    /// The name or path of the embedding model that was chosen for this base.
    ///
    /// # Errors
    /// If the base cannot be read.
    pub fn model(&self) -> Result<Option<String>> {
        Ok(self.base.setting(MODEL)?.filter(|name| !name.is_empty()))
    }

    /// Chooses the embedding model; an empty name: none. Vectors are made with the next sync.
    ///
    /// # Errors
    /// If it cannot be loaded.
    pub fn set_model(&self, name: &str) -> Result<()> {
        let name = if name.is_empty() {
            String::new()
        } else {
            let path = self.path_of(name)?;
            let loaded = Arc::new(PassageEmbedder::load(&path)?);
            // A name in the home folder stays one, so that the home can be moved.
            let name = if path.starts_with(self.home.root()) {
                name.to_string()
            } else {
                path.canonicalize()?.to_string_lossy().into_owned()
            };
            *self.embedder.lock().unwrap_or_else(PoisonError::into_inner) = Some((name.clone(), loaded));
            name
        };
        Ok(self.base.set_setting(MODEL, &name)?)
    }

    fn path_of(&self, name: &str) -> Result<PathBuf> {
        match [self.home.model(name), PathBuf::from(name)].into_iter().find(|path| path.exists()) {
            Some(path) => Ok(path),
            None => bail!(
                "no embedding model {name:?}: expected a folder or GGUF file, or its name in the home folder"
            ),
        }
    }

    /// The embedding model, loaded when it is first needed.
    ///
    /// # Errors
    /// If one was chosen that cannot be loaded.
    pub fn embedder(&self) -> Result<Option<Arc<PassageEmbedder>>> {
        let name = self.model()?;
        let mut held = self.embedder.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(name) = name else {
            *held = None;
            return Ok(None);
        };
        if let Some((_, embedder)) = held.as_ref().filter(|(held, _)| *held == name) {
            return Ok(Some(embedder.clone()));
        }
        let loaded = self.path_of(&name).and_then(|path| PassageEmbedder::load(&path));
        let loaded = Arc::new(loaded.with_context(
            || "the embedding model of the knowledge base; choose another with `kb embedder`",
        )?);
        *held = Some((name, loaded.clone()));
        Ok(Some(loaded))
    }

    /// Reads what has changed in one source, and makes the vectors that are missing.
    ///
    /// # Errors
    /// If the source cannot be read, or the base cannot be written.
    pub fn sync(&self, source: &str, watch: &mut dyn FnMut(Step) -> bool) -> Result<Report> {
        self.write(watch, |base, writer, size, watch| {
            base.sync(writer, source, size, &mut |progress| watch(Step::Read(progress)))
        })
    }

    /// The one who writes; another server on the same store is waited for.
    fn writer(&self) -> Result<Writer> {
        let begun = Instant::now();
        loop {
            match self.base.writer() {
                Err(error) if error.is_locked() && self.base.is_shared() && begun.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(200));
                }
                writer => return Ok(writer?),
            }
        }
    }

    /// What `read` puts into the base, with its vectors.
    fn write(
        &self,
        watch: &mut dyn FnMut(Step) -> bool,
        read: impl FnOnce(
            &Base,
            &mut Writer,
            Size,
            &mut dyn FnMut(Step) -> bool,
        ) -> Result<Report, KnowledgeError>,
    ) -> Result<Report> {
        let embedder = self.embedder()?;
        let mut writer = self.writer()?;
        let count =
            |text: &str| embedder.as_ref().map_or_else(|| estimate(text), |embedder| embedder.count(text));
        let most = embedder.as_ref().map_or(CHUNK, |embedder| embedder.passage_tokens().min(CHUNK));
        let report = read(&self.base, &mut writer, Size { most, count: &count }, watch)?;
        if let Some(embedder) = embedder {
            self.base.embed(&mut writer, &*embedder, &mut |done, total| watch(Step::Embed(done, total)))?;
        }
        writer.finish()?;
        Ok(report)
    }

    /// Makes the vectors that are missing: after a model was chosen.
    ///
    /// # Errors
    /// If no model was chosen, or the base cannot be written.
    pub fn embed(&self, watch: &mut dyn FnMut(Step) -> bool) -> Result<()> {
        let Some(embedder) = self.embedder()? else { bail!("no embedding model was chosen") };
        let mut writer = self.writer()?;
        self.base.embed(&mut writer, &*embedder, &mut |done, total| watch(Step::Embed(done, total)))?;
        Ok(writer.finish()?)
    }

    /// Takes a source out with all that came from it.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn remove(&self, source: &str) -> Result<()> {
        let source = self.base.source(source)?;
        let mut writer = self.writer()?;
        writer.remove_source(source.id)?;
        Ok(writer.finish()?)
    }

    /// Looks for passages: by words, and by vectors where there are any. The course that a new base holds is left out once
    /// there is anything else, unless it is asked for by name.
    ///
    /// # Errors
    /// If the model or the base fails.
    pub fn search(
        &self,
        text: &str,
        limit: usize,
        filter: Filter,
        reader: Reader,
        words_only: bool,
    ) -> Result<Found> {
        let filter = self.without_course(filter, &reader)?;
        let vector = if words_only { None } else { self.vector(text)? };
        let vector = vector.as_ref().map(|(name, vector)| (name.as_str(), vector.as_slice()));
        Ok(self.base.search(&Query { vector, limit, filter, ..Query::new(text, reader) })?)
    }

    /// Whether there is anything else is asked of what the reader may see: nothing else may tell.
    fn without_course(&self, filter: Filter, reader: &Reader) -> Result<Filter> {
        if filter.source.is_some() || filter.except.is_some() {
            return Ok(filter);
        }
        let own = Filter { except: Some(books::NAME.into()), ..Filter::default() };
        let there = self.base.chunks_of(reader, &own)? > 0;
        Ok(Filter { except: there.then(|| books::NAME.into()), ..filter })
    }

    /// The vector of a question, if the base has any to compare it with.
    fn vector(&self, text: &str) -> Result<Option<(String, Vec<f32>)>> {
        let Some((there, _)) = self.base.embedder()? else { return Ok(None) };
        let Some(embedder) = self.embedder()?.filter(|embedder| embedder.name() == there) else {
            return Ok(None);
        };
        let vectors = embedder.embed(&[text], Role::Query).map_err(KnowledgeError::Embed)?;
        Ok(vectors.into_iter().next().map(|vector| (there, vector)))
    }

    /// A folder for files on their way in, made if it is missing; hidden ones in it are no documents. In a base of one
    /// machine it is the folder of the source `uploads`.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn incoming(&self) -> Result<PathBuf> {
        let path = self.base.dir().join(UPLOADS);
        std::fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(path)
    }

    /// Takes in the file `path` of [`Knowledge::incoming`], whole, under the name `name`. On one machine it lies in the
    /// folder of the source `uploads` from then on; on a store for several, among the originals.
    ///
    /// # Errors
    /// If it cannot be kept, or the base cannot be written.
    pub fn upload(&self, path: &Path, name: &str, watch: &mut dyn FnMut(Step) -> bool) -> Result<Report> {
        if self.base.is_shared() {
            let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            return self.write(watch, |base, writer, size, _| base.upload(writer, name, bytes, size));
        }
        let place = self.incoming()?.join(name);
        std::fs::rename(path, &place).with_context(|| format!("cannot write {}", place.display()))?;
        self.uploads()?;
        self.sync(UPLOADS, watch)
    }

    /// Deletes an uploaded file and what came of it; says whether it was there.
    ///
    /// # Errors
    /// If it cannot be deleted, or the base cannot be written.
    pub fn remove_upload(&self, name: &str, watch: &mut dyn FnMut(Step) -> bool) -> Result<bool> {
        if self.base.is_shared() {
            let mut writer = self.writer()?;
            let there = self.base.remove_upload(&mut writer, name)?;
            writer.finish()?;
            return Ok(there);
        }
        match std::fs::remove_file(self.incoming()?.join(name)) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error).with_context(|| format!("cannot delete {name:?}")),
        }
        self.uploads()?;
        self.sync(UPLOADS, watch)?;
        Ok(true)
    }

    /// The source of uploaded files in a folder, made if it is missing.
    fn uploads(&self) -> Result<()> {
        if self.base.sources()?.iter().all(|source| source.name != UPLOADS) {
            self.base.add_folder(&Folder { path: self.incoming()?, ..Folder::default() })?;
        }
        Ok(())
    }
}
