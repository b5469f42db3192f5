//! The words of the world, in Chinese and English. Data only; knows nothing about documents.

mod animals;
mod colours;
mod dishes;
mod people;
mod places;
mod things;
mod times;

use std::ops::Range;
use std::sync::LazyLock;

pub(crate) use colours::ASSOCIATIONS;

/// An index into [`lexicon`].
pub(crate) type Id = u16;

/// What kind of thing a word names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Category {
    /// A person of the town, by name.
    Person,
    /// Somewhere one can go.
    Place,
    /// Something cooked.
    Dish,
    /// An animal.
    Animal,
    /// What someone does for a living.
    Job,
    /// Something that one can own and carry.
    Thing,
    /// A fruit.
    Fruit,
    /// Where a small thing or an animal can be: on the mat, under the tree.
    Spot,
    /// A colour.
    Colour,
    /// What a colour calls to mind: warm, strong, calm.
    Quality,
    /// How someone feels.
    Feeling,
    /// What one person is to another.
    Tie,
    /// A kind of day by its weather.
    Weather,
    /// A day of the week.
    Day,
    /// A time that is over.
    Past,
    /// A time to come.
    Future,
    /// A time that comes again and again.
    Habit,
}

impl Category {
    /// All categories, in the order of [`lexicon`].
    pub const ALL: [Category; 17] = [
        Self::Person,
        Self::Place,
        Self::Dish,
        Self::Animal,
        Self::Job,
        Self::Thing,
        Self::Fruit,
        Self::Spot,
        Self::Colour,
        Self::Quality,
        Self::Feeling,
        Self::Tie,
        Self::Weather,
        Self::Day,
        Self::Past,
        Self::Future,
        Self::Habit,
    ];

    /// The category's name in English, for reports: "dish".
    pub fn name(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Place => "place",
            Self::Dish => "dish",
            Self::Animal => "animal",
            Self::Job => "job",
            Self::Thing => "thing",
            Self::Fruit => "fruit",
            Self::Spot => "spot",
            Self::Colour => "colour",
            Self::Quality => "quality",
            Self::Feeling => "feeling",
            Self::Tie => "tie",
            Self::Weather => "weather",
            Self::Day => "day",
            Self::Past => "past",
            Self::Future => "future",
            Self::Habit => "habit",
        }
    }
}

/// The pronoun that stands for a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pronoun {
    /// he, 他
    He,
    /// she, 她
    She,
    /// it, 它
    It,
}

/// One word of the world, in both languages.
#[derive(Clone, Copy, Debug)]
pub struct Word {
    /// What it names.
    pub category: Category,
    /// The Chinese form.
    pub zh: &'static str,
    /// The English form, singular, without an article.
    pub en: &'static str,
    /// The Chinese measure word (一*把*伞), empty where none is used.
    pub measure: &'static str,
    /// The English plural, empty for names and for what is not counted.
    pub plural: &'static str,
    /// What follows the noun in a Chinese phrase of place: 桌子*上*.
    pub zh_side: &'static str,
    /// The English preposition of place: *on* the table.
    pub en_side: &'static str,
    /// What stands for it.
    pub pronoun: Pronoun,
}

impl Word {
    const fn new(category: Category, zh: &'static str, en: &'static str) -> Self {
        Self { category, zh, en, measure: "", plural: "", zh_side: "", en_side: "", pronoun: Pronoun::It }
    }

    const fn person(zh: &'static str, en: &'static str, pronoun: Pronoun) -> Self {
        Self { pronoun, ..Self::new(Category::Person, zh, en) }
    }

    const fn counted(
        category: Category,
        measure: &'static str,
        zh: &'static str,
        en: &'static str,
        plural: &'static str,
    ) -> Self {
        Self { measure, plural, ..Self::new(category, zh, en) }
    }

    const fn located(
        category: Category,
        zh: &'static str,
        zh_side: &'static str,
        en_side: &'static str,
        en: &'static str,
    ) -> Self {
        Self { zh_side, en_side, ..Self::new(category, zh, en) }
    }

    /// "a" or "an", as the English form wants. By its first letter: no word here is an exception.
    pub fn article(&self) -> &'static str {
        if self.en.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
    }
}

struct Lexicon {
    words: Vec<Word>,
    ranges: Vec<Range<Id>>,
}

static LEXICON: LazyLock<Lexicon> = LazyLock::new(|| {
    let parts: [&[Word]; 17] = [
        &people::PEOPLE,
        &places::PLACES,
        &dishes::DISHES,
        &animals::ANIMALS,
        &people::JOBS,
        &things::THINGS,
        &dishes::FRUITS,
        &things::SPOTS,
        &colours::COLOURS,
        &colours::QUALITIES,
        &people::FEELINGS,
        &people::TIES,
        &times::WEATHERS,
        &times::DAYS,
        &times::PAST,
        &times::FUTURE,
        &times::HABITS,
    ];
    let mut words = Vec::new();
    let mut ranges = Vec::new();
    for part in parts {
        let start = words.len() as Id;
        words.extend_from_slice(part);
        ranges.push(start..words.len() as Id);
    }
    Lexicon { words, ranges }
});

/// Every word of the world, by category.
pub fn lexicon() -> &'static [Word] {
    &LEXICON.words
}

/// The ids of a category's words.
pub(crate) fn range(category: Category) -> Range<Id> {
    LEXICON.ranges[category as usize].clone()
}

/// The word behind an id.
pub(crate) fn word(id: Id) -> &'static Word {
    &LEXICON.words[usize::from(id)]
}
