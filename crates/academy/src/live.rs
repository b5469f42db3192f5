//! The academy at work: its home, its events, and the weights of this moment.

use crate::{Conversations, Events, Home, Knowledge, Store};
use anyhow::{Context, Result, bail};
use shuyuan_chain::Local;
use shuyuan_engine::{Engine, EngineOptions};
use shuyuan_model::gguf::Gguf;
use shuyuan_model::{Decoder, SentenceConfig};
use shuyuan_ranks::Ranks;
use shuyuan_tensor::Device;
use shuyuan_text::Tokenizer;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, RwLock};

/// The language of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lang {
    /// 中文
    Zh,
    /// English
    En,
}

impl Lang {
    /// The one of two texts that is in this language.
    pub fn pick<'a>(self, zh: &'a str, en: &'a str) -> &'a str {
        match self {
            Self::Zh => zh,
            Self::En => en,
        }
    }
}

/// A model that writes, and what its files say beside.
pub(crate) struct Opened {
    pub model: Decoder,
    pub tokenizer: Tokenizer,
    /// The file that it came from, unless it was a folder.
    pub gguf: Option<Gguf>,
}

impl Opened {
    /// Of a folder or a GGUF file. `instead` is what someone is told whose model makes vectors.
    pub fn load(path: &Path, instead: &str) -> Result<Self> {
        let whose = || format!("the tokenizer of {}", path.display());
        let opened = if path.is_dir() {
            if SentenceConfig::of_folder(path)?.is_some() {
                bail!("{} makes vectors, it does not write: {instead}", path.display());
            }
            let model = Decoder::load(path)?;
            Self { model, tokenizer: Tokenizer::load(path).with_context(whose)?, gguf: None }
        } else {
            let gguf = Gguf::open(path)?;
            // A vocabulary takes as long to read as the weights to be packed.
            let (model, tokenizer) = std::thread::scope(|scope| -> Result<_> {
                let tokenizer = scope.spawn(|| anyhow::Ok(Tokenizer::from_gguf(gguf.vocabulary()?)?));
                let model = Decoder::of_gguf(path, &gguf)?;
                let tokenizer = tokenizer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                Ok((model, tokenizer.with_context(whose)?))
            })?;
            Self { model, tokenizer, gguf: Some(gguf) }
        };
        check_vocabulary(path, &opened.tokenizer, opened.model.config().vocab_size)?;
        Ok(opened)
    }
}

/// Weights that can be talked to and looked into: of a finished model, or of one in mid-training.
#[derive(Clone)]
pub struct LiveModel {
    /// Its name in the home folder.
    pub name: String,
    /// The model.
    pub model: Arc<Decoder>,
    /// Its tokenizer.
    pub tokenizer: Arc<Tokenizer>,
    /// Its one engine, which takes all requests together.
    local: Local,
}

impl LiveModel {
    /// A model and its tokenizer under a name.
    pub fn new(name: impl Into<String>, model: Decoder, tokenizer: Arc<Tokenizer>) -> Self {
        let model = Arc::new(model);
        let local = Local::new(Engine::new(model.clone()), tokenizer.clone());
        Self { name: name.into(), model, tokenizer, local }
    }

    /// Loads the model in a folder of Hugging Face's layout, or in a GGUF file, which holds its tokenizer, too.
    ///
    /// # Errors
    /// Names the file and what is wrong with it; a model that embeds does not write.
    pub fn load(path: &Path) -> Result<Self> {
        let Opened { model, tokenizer, .. } = Opened::load(path, "see shuyuan embed")?;
        Ok(Self::new(name_of(path), model, Arc::new(tokenizer)))
    }

    /// The same model, whose keys and values take at most `bytes`: [`EngineOptions::kv_bytes`].
    #[must_use]
    pub fn with_cache(mut self, bytes: usize) -> Self {
        let kv_bytes = Some(bytes);
        let options = self.local.engine().options();
        if options.kv_bytes != kv_bytes {
            let options = EngineOptions { kv_bytes, ..options.clone() };
            let engine = Engine::with_options(self.model.clone(), options).expect("they were valid before");
            self.local = Local::new(engine, self.tokenizer.clone());
        }
        self
    }

    /// The same weights, ready to speak.
    pub fn local(&self) -> Local {
        self.local.clone()
    }
}

/// A model needs a row for each token of its tokenizer.
pub(crate) fn check_vocabulary(path: &Path, tokenizer: &Tokenizer, vocab: usize) -> Result<()> {
    let tokens = tokenizer.vocab_size();
    if tokens > vocab {
        bail!(
            "{}: the tokenizer has {tokens} tokens, the model {vocab}: they do not belong together",
            path.display()
        );
    }
    Ok(())
}

/// What a model's folder or file is called, without `.gguf`.
pub(crate) fn name_of(path: &Path) -> String {
    let name = path.file_name().map_or_else(|| "model".into(), |name| name.to_string_lossy().into_owned());
    name.strip_suffix(".gguf").map_or(name.clone(), str::to_string)
}

/// One home folder with what is alive in it. Shared by the stages and the server.
pub struct Academy {
    /// Where everything is kept.
    pub home: Home,
    /// What happens.
    pub events: Events,
    /// The language of messages.
    pub lang: Lang,
    /// Where models are trained; they are used on the CPU.
    pub device: Device,
    /// Who shares the steps of training, if not this process alone: it is then the first of them.
    pub ranks: Option<Box<dyn Ranks>>,
    /// More cards of this process that share the steps of training with `device`.
    pub cards: Vec<Device>,
    live: RwLock<Option<LiveModel>>,
    cache: OnceLock<usize>,
    pub(crate) store: Store,
    my_prompt: Mutex<Option<String>>,
    pub(crate) knowledge: Mutex<Option<Arc<Knowledge>>>,
    pub(crate) conversations: Mutex<Option<Arc<Conversations>>>,
}

impl Academy {
    /// An academy at `home`, with no model yet.
    pub fn new(home: Home, lang: Lang) -> Self {
        Self {
            home,
            events: Events::default(),
            lang,
            device: shuyuan_tensor::cpu(),
            ranks: None,
            cards: Vec::new(),
            live: RwLock::new(None),
            cache: OnceLock::new(),
            store: Store::default(),
            my_prompt: Mutex::new(None),
            knowledge: Mutex::new(None),
            conversations: Mutex::new(None),
        }
    }

    /// Keeps its knowledge there instead of in its home.
    #[must_use]
    pub fn with_store(mut self, store: Store) -> Self {
        self.store = store;
        self
    }

    /// Processes, or cards, that share a step of training.
    pub(crate) fn team(&self) -> usize {
        self.ranks.as_ref().map_or(1 + self.cards.len(), |ranks| ranks.size())
    }

    /// The weights of this moment.
    pub fn live(&self) -> Option<LiveModel> {
        self.live.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    /// From now on these are the weights that are chatted with and looked into.
    pub fn set_live(&self, model: LiveModel) {
        let model = match self.cache.get() {
            Some(&bytes) => model.with_cache(bytes),
            None => model,
        };
        *self.live.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(model);
    }

    /// Keys and values of the live model, and of any that follows it, take at most `bytes`. The first to say so decides.
    pub fn bound_cache(&self, bytes: usize) {
        self.cache.get_or_init(|| bytes);
        if let Some(live) = self.live() {
            self.set_live(live);
        }
    }

    /// The prompt that the user wants to see answered during training.
    pub fn my_prompt(&self) -> Option<String> {
        self.my_prompt.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    /// Sets it.
    pub fn set_my_prompt(&self, prompt: Option<String>) {
        *self.my_prompt.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = prompt;
    }
}
