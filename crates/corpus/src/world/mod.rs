//! The built-in corpus: a small bilingual town, the *academy*, whose documents are generated, not read.
//!
//! Takes a seed, yields documents in the trades that a model goes to work in. A document is a pure function of
//! (seed, split, index), so any of them can be had at any time and none is stored. All words and sentences are
//! written for this project.
//!
//! The split is by content: a tenth of the combinations (who ate what, which animal sat where, which numbers
//! are added) is kept out of training by a hash, and the test split is built from those. A model that does well
//! there has read the question; it cannot have met the answer.

mod cast;
mod chooser;
mod colour;
mod config;
mod dialogue;
mod diary;
mod draft;
mod floor;
mod ground;
mod items;
mod lexicon;
mod notes;
mod one_fact;
mod predicate;
mod stories;
mod summary;
mod sums;
#[cfg(test)]
mod tests;
mod translation;
mod two_facts;
mod words;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::Example;
use cast::Cast;
use chooser::Chooser;
use draft::Draft;
use ground::Ground;

pub use config::{Mix, WorldConfig};
pub use floor::{Floor, Rate};
pub use items::{Item, TASKS, accepts, normalise};
pub use lexicon::{Category, Pronoun, Word, lexicon};

/// Which part of the world a document belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// States no combination that is held out.
    Train,
    /// States held-out combinations wherever there is one.
    Test,
}

/// The language of a document; of a translation, the language it is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lang {
    /// Chinese.
    Zh,
    /// English.
    En,
}

/// What kind of work a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trade {
    /// A story, as text.
    Story,
    /// A page of a diary, as text.
    Diary,
    /// Facts and a question about one of them, as a chat.
    OneFact,
    /// Facts and a question that needs two of them, as a chat that states the chain.
    TwoFacts,
    /// An addition or subtraction of two digits, as a chat with the working written out.
    Sums,
    /// A conversation of several turns.
    Dialogue,
    /// A story and its summary in one sentence, as a chat.
    Summary,
    /// A sentence and its translation, as a chat.
    Translation,
    /// Colours and what they call to mind, as text or chat.
    Colour,
    /// What words mean, and how company decides it, as text or chat.
    Words,
    /// Facts and notes of them, in the order asked for, as a chat.
    Notes,
}

impl Trade {
    /// All trades, in the order of [`Mix`].
    pub const ALL: [Self; 11] = [
        Self::Story,
        Self::Diary,
        Self::OneFact,
        Self::TwoFacts,
        Self::Sums,
        Self::Dialogue,
        Self::Summary,
        Self::Translation,
        Self::Colour,
        Self::Words,
        Self::Notes,
    ];

    /// The trade's name in files and reports: "one_fact".
    pub fn name(self) -> &'static str {
        match self {
            Self::Story => "story",
            Self::Diary => "diary",
            Self::OneFact => "one_fact",
            Self::TwoFacts => "two_facts",
            Self::Sums => "sums",
            Self::Dialogue => "dialogue",
            Self::Summary => "summary",
            Self::Translation => "translation",
            Self::Colour => "colour",
            Self::Words => "words",
            Self::Notes => "notes",
        }
    }
}

/// One document of the world.
#[derive(Clone, Debug)]
pub struct Document {
    /// What kind of work it is.
    pub trade: Trade,
    /// Its language; of a translation, the language it is from.
    pub lang: Lang,
    /// Its text or conversation.
    pub example: Example,
    /// -ln p of the choices that made it; see [`World::floor`].
    pub nats: f64,
}

impl Document {
    /// UTF-8 bytes of its text, or of its turns without their roles.
    pub fn bytes(&self) -> usize {
        match &self.example {
            Example::Text { text } => text.len(),
            Example::Chat { messages } => messages.iter().map(|message| message.content.len()).sum(),
        }
    }
}

/// The generator.
///
/// ```
/// use shuyuan_corpus::world::{Split, World};
///
/// let world = World::new(7);
/// let document = world.document(Split::Train, 0);
/// assert_eq!(document.example, world.document(Split::Train, 0).example);
/// ```
pub struct World {
    seed: u64,
    config: WorldConfig,
    ground: Ground,
}

impl World {
    /// The world of a seed, with the default [`WorldConfig`].
    pub fn new(seed: u64) -> Self {
        Self::with_config(seed, WorldConfig::default())
    }

    /// The world of a seed, as rich as `config` says. The split depends on the seed alone.
    pub fn with_config(seed: u64, config: WorldConfig) -> Self {
        Self { seed, config, ground: Ground::new(seed) }
    }

    /// The document at an index of a split, of the trade that the mix gives it.
    pub fn document(&self, split: Split, index: u64) -> Document {
        let mut chooser = self.chooser(split, index, 0);
        let trade = Trade::ALL[chooser.weighted(&self.config.mix.weights())];
        let (cast, draft) = self.write(trade, split, chooser);
        Document { trade, lang: draft.lang, example: draft.example, nats: cast.chooser.nats() }
    }

    /// The document of one trade at an index of a split; other documents than those of [`World::document`].
    pub fn document_of(&self, trade: Trade, split: Split, index: u64) -> Document {
        let (cast, draft) = self.draft(trade, split, index);
        Document { trade, lang: draft.lang, example: draft.example, nats: cast.chooser.nats() }
    }

    /// The three words that each colour calls to mind: 红色 with 温暖, 强烈, 热情.
    pub fn near() -> impl Iterator<Item = (&'static Word, &'static [Word])> {
        let of = |category| {
            let range = lexicon::range(category);
            &lexicon()[usize::from(range.start)..usize::from(range.end)]
        };
        of(Category::Colour).iter().zip(of(Category::Quality).chunks(3))
    }

    fn draft(&self, trade: Trade, split: Split, index: u64) -> (Cast<'_>, Draft) {
        self.write(trade, split, self.chooser(split, index, 1 + trade as u8))
    }

    fn chooser(&self, split: Split, index: u64, stream: u8) -> Chooser {
        let mut bytes = [0; 10];
        bytes[..8].copy_from_slice(&index.to_le_bytes());
        bytes[8] = split as u8;
        bytes[9] = stream;
        Chooser::new(xxh3_64_with_seed(&bytes, self.seed))
    }

    fn write(&self, trade: Trade, split: Split, mut chooser: Chooser) -> (Cast<'_>, Draft) {
        let lang = if chooser.chance(self.config.zh) { Lang::Zh } else { Lang::En };
        let mut cast = Cast::new(&self.ground, split, lang, chooser);
        let draft = match trade {
            Trade::Story => stories::write(&mut cast),
            Trade::Diary => diary::write(&mut cast),
            Trade::OneFact => one_fact::write(&mut cast, &self.config),
            Trade::TwoFacts => two_facts::write(&mut cast, &self.config),
            Trade::Sums => sums::write(&mut cast, &self.config),
            Trade::Dialogue => dialogue::write(&mut cast),
            Trade::Summary => summary::write(&mut cast),
            Trade::Translation => translation::write(&mut cast),
            Trade::Colour => colour::write(&mut cast),
            Trade::Words => words::write(&mut cast),
            Trade::Notes => notes::write(&mut cast, &self.config),
        };
        (cast, draft)
    }
}
