//! Who and what appears in a document, and how templates turn into its text.
//!
//! A template is a sentence with slots and choices: `"{a}在{p}[看见|遇见]了{+n}。"`. A slot's letter fixes its
//! category (a person, p place, v what the colour c calls to mind, …); the first template that names a slot casts it, so a choice is made, and
//! its nats are counted, only for what is said. A sign before the letter asks for a form:
//!
//! | slot | Chinese | English |
//! | --- | --- | --- |
//! | `{t}` | 伞 | umbrella |
//! | `{+t}` | 一把伞 | an umbrella |
//! | `{#t}` | 把伞 | umbrellas |
//! | `{%t}` | 把 | |
//! | `{@p}` `{@s}` | 在市场, 在桌子上 | at the market, on the table |
//! | `{~a}` | 她 | she |
//! | `{'a}` | 她的 | her |
//! | `{!a}` | 她 | her |

use std::fmt::Write;
use std::ops::Range;

use super::chooser::Chooser;
use super::ground::Ground;
use super::lexicon::{Category, Id, Pronoun, range, word};
use super::{Lang, Split};

const SLOTS: usize = 128;

/// The words that a slot's letter may stand for.
fn words(slot: u8) -> Option<Range<Id>> {
    // {L} is 狮子头 the dish. Whoever eats it is cast after it, so that the split is kept.
    if slot == b'L' {
        let dishes = range(Category::Dish);
        return Some(dishes.start..dishes.start + 1);
    }
    Some(range(match slot {
        b'a' | b'b' | b'g' | b'l' => Category::Person,
        b'p' | b'q' => Category::Place,
        b'd' | b'e' => Category::Dish,
        b'n' | b'm' => Category::Animal,
        b't' | b'u' => Category::Thing,
        b'o' => Category::Fruit,
        b's' | b'r' => Category::Spot,
        b'c' | b'k' => Category::Colour,
        b'f' | b'h' => Category::Feeling,
        b'j' => Category::Job,
        b'w' => Category::Weather,
        b'R' => Category::Tie,
        b'D' => Category::Day,
        b'y' => Category::Past,
        b'z' => Category::Future,
        b'i' => Category::Habit,
        _ => return None,
    }))
}

/// What a colour calls to mind.
pub(crate) fn qualities(colour: Id) -> Range<Id> {
    let first = range(Category::Quality).start + 3 * (colour - range(Category::Colour).start);
    first..first + 3
}

/// The cast of one document, its choices, and the text being written.
pub(crate) struct Cast<'w> {
    pub ground: &'w Ground,
    pub split: Split,
    pub lang: Lang,
    pub chooser: Chooser,
    out: String,
    slots: [Option<Id>; SLOTS],
    /// Slots that were cast by a template, in order; only these are held apart by the split.
    players: Vec<Id>,
    /// While set, `{a}` reads "a's friend".
    tie: Option<Id>,
    /// While set, `{a}` reads "she".
    pub pronoun: bool,
    /// What `{1}` and `{2}` read.
    pub numbers: [u32; 2],
    /// The combinations that the document states.
    pub combinations: Vec<(Id, Id)>,
    /// The sums and differences that it states.
    pub sums: Vec<(char, u32, u32)>,
}

impl<'w> Cast<'w> {
    pub fn new(ground: &'w Ground, split: Split, lang: Lang, chooser: Chooser) -> Self {
        Self {
            ground,
            split,
            lang,
            chooser,
            out: String::with_capacity(256),
            slots: [None; SLOTS],
            players: Vec::new(),
            tie: None,
            pronoun: false,
            numbers: [0; 2],
            combinations: Vec::new(),
            sums: Vec::new(),
        }
    }

    pub fn is_zh(&self) -> bool {
        self.lang == Lang::Zh
    }

    /// The template of the document's language.
    pub fn either<T>(&self, zh: T, en: T) -> T {
        if self.is_zh() { zh } else { en }
    }

    /// One of the templates of the document's language.
    pub fn pick<T: Copy>(&mut self, zh: &[T], en: &[T]) -> T {
        *self.chooser.pick(if self.lang == Lang::Zh { zh } else { en })
    }

    /// Binds a slot to a word without casting.
    pub fn set(&mut self, slot: u8, id: Id) {
        self.slots[usize::from(slot)] = Some(id);
    }

    /// Frees a slot for another word; the one that had it stays in the cast.
    pub fn clear(&mut self, slot: u8) {
        self.slots[usize::from(slot)] = None;
    }

    /// The word of a slot, cast now if it is not yet.
    pub fn get(&mut self, slot: u8) -> Id {
        if let Some(id) = self.slots[usize::from(slot)] {
            return id;
        }
        let words = match slot {
            b'v' | b'V' => qualities(self.get(b'c')),
            // A letter without a category is a misspelt template, which the tests of all templates find.
            _ => words(slot).unwrap_or_else(|| range(Category::Day)),
        };
        let id = self.cast(words);
        self.slots[usize::from(slot)] = Some(id);
        id
    }

    /// A word that goes with all who are there: in training no pair is a held one; in the test split, where it
    /// can be, one is.
    fn cast(&mut self, words: Range<Id>) -> Id {
        let (ground, split) = (self.ground, self.split);
        let players = std::mem::take(&mut self.players);
        let held = |id: Id| players.iter().any(|&other| ground.is_held(id, other));
        let wanted = |id: Id| !players.contains(&id) && held(id) == (split == Split::Test);
        let id = match self.choose(words.clone(), wanted) {
            Some(id) => id,
            // The test split's first player, or one that no held combination reaches.
            None => self.choose(words.clone(), |id| !players.contains(&id)).unwrap_or(words.start),
        };
        self.combinations.extend(players.iter().map(|&other| (other, id)));
        self.players = players;
        self.players.push(id);
        id
    }

    /// One of the words that `fits` lets through, each equally likely.
    pub fn choose(&mut self, words: Range<Id>, fits: impl Fn(Id) -> bool) -> Option<Id> {
        let fitting = words.clone().filter(|&id| fits(id)).count();
        if fitting == 0 {
            return None;
        }
        let nth = self.chooser.below(fitting);
        words.filter(|&id| fits(id)).nth(nth)
    }

    /// A word to say of `subject`, unlike all `taken`: a held combination in the test split, none in training.
    pub fn choose_for(&mut self, subject: Id, words: Range<Id>, taken: impl Fn(Id) -> bool) -> Id {
        let (ground, test) = (self.ground, self.split == Split::Test);
        let free = |id: Id| id != subject && !taken(id);
        let id = match self.choose(words.clone(), |id| free(id) && ground.is_held(subject, id) == test) {
            Some(id) => id,
            None => self.choose(words.clone(), free).unwrap_or(words.start),
        };
        self.combinations.push((subject, id));
        id
    }

    /// Writes a template.
    pub fn say(&mut self, template: &str) {
        let mut rest = template;
        while let Some(at) = rest.find(['{', '[']) {
            self.out.push_str(&rest[..at]);
            let opening = rest.as_bytes()[at];
            let close = if opening == b'{' { '}' } else { ']' };
            let inside = &rest[at + 1..];
            let end = inside.find(close).unwrap_or(inside.len());
            if opening == b'{' {
                self.say_slot(&inside.as_bytes()[..end]);
            } else {
                let count = inside[..end].split('|').count();
                let nth = self.chooser.below(count);
                if let Some(choice) = inside[..end].split('|').nth(nth) {
                    self.say(choice);
                }
            }
            rest = inside.get(end + 1..).unwrap_or("");
        }
        self.out.push_str(rest);
    }

    /// Writes a template as a sentence of running text: a space before it in English.
    pub fn sentence(&mut self, template: &str) {
        if template.is_empty() {
            return;
        }
        self.space();
        let start = self.out.len();
        self.say(template);
        if !self.is_zh() {
            capitalise_first(&mut self.out[start..]);
        }
    }

    /// Parts what follows from what is written, in English by a space.
    pub fn space(&mut self) {
        if !self.is_zh() && !self.out.is_empty() && !self.out.ends_with(['\n', ' ']) {
            self.out.push(' ');
        }
    }

    /// One sentence of each beat, picked; an empty one is silence.
    pub fn beats(&mut self, beats: &[&[&str]]) {
        for beat in beats {
            let template = self.chooser.pick_text(beat);
            self.sentence(template);
        }
    }

    /// Writes text that is no template.
    pub fn push(&mut self, text: &str) {
        self.out.push_str(text);
    }

    /// What has been written since the last call; English sentences begin with a capital.
    pub fn take(&mut self) -> String {
        let mut text = std::mem::replace(&mut self.out, String::with_capacity(128));
        if !self.is_zh() {
            capitalise(&mut text);
        }
        text
    }

    /// What has been written since the last call, as it is.
    pub fn take_as_is(&mut self) -> String {
        std::mem::take(&mut self.out)
    }

    /// While `tie` is set, `{a}` reads "a's friend".
    pub fn with_tie(&mut self, tie: Option<Id>) {
        self.tie = tie;
    }

    fn say_slot(&mut self, slot: &[u8]) {
        let (sign, letter) = match *slot {
            [letter] => (b' ', letter),
            [sign, letter] => (sign, letter),
            _ => return,
        };
        if let b'1' | b'2' = letter {
            let number = self.numbers[usize::from(letter - b'1')];
            // Writing to a String does not fail.
            let _ = write!(self.out, "{number}");
            return;
        }
        let sign = if self.pronoun && letter == b'a' && sign == b' ' { b'~' } else { sign };
        let word = word(self.get(letter));
        let out = &mut self.out;
        if self.lang == Lang::Zh {
            match sign {
                b'+' if !word.measure.is_empty() => out.extend(["一", word.measure, word.zh]),
                b'#' => out.extend([word.measure, word.zh]),
                b'%' => out.push_str(word.measure),
                b'@' => out.extend(["在", word.zh, word.zh_side]),
                b'~' | b'!' | b'\'' => {
                    out.push_str(match word.pronoun {
                        Pronoun::He => "他",
                        Pronoun::She => "她",
                        Pronoun::It => "它",
                    });
                    if sign == b'\'' {
                        out.push('的');
                    }
                }
                _ => out.push_str(word.zh),
            }
        } else {
            let pronouns = match word.pronoun {
                Pronoun::He => ["he", "him", "his"],
                Pronoun::She => ["she", "her", "her"],
                Pronoun::It => ["it", "it", "its"],
            };
            match sign {
                b'+' => out.extend([word.article(), " ", word.en]),
                b'#' => out.push_str(word.plural),
                b'@' => out.extend([word.en_side, " the ", word.en]),
                b'~' => out.push_str(pronouns[0]),
                b'!' => out.push_str(pronouns[1]),
                b'\'' => out.push_str(pronouns[2]),
                _ => out.push_str(word.en),
            }
        }
        if letter == b'a'
            && sign == b' '
            && let Some(tie) = self.tie
        {
            let tie = super::lexicon::word(tie);
            if self.lang == Lang::Zh {
                self.out.extend(["的", tie.zh]);
            } else {
                self.out.extend(["'s ", tie.en]);
            }
        }
    }
}

/// Upper case for the first letter, behind an opening quote too.
fn capitalise_first(text: &mut str) {
    let start = usize::from(text.starts_with('"'));
    if let Some(letter) = text.get_mut(start..=start) {
        letter.make_ascii_uppercase();
    }
}

/// Upper case for the first letter of each sentence. Not behind a closing quote: `"How many?" asked Anna.`
fn capitalise(text: &mut str) {
    let mut starts = Vec::with_capacity(8);
    let mut at_start = true;
    let mut ended = false;
    for (i, byte) in text.bytes().enumerate() {
        match byte {
            b'.' | b'!' | b'?' => ended = true,
            b'\n' => at_start = true,
            b' ' => at_start |= ended,
            b'"' => ended = false,
            _ => {
                if at_start && byte.is_ascii_lowercase() {
                    starts.push(i);
                }
                (at_start, ended) = (false, false);
            }
        }
    }
    for i in starts {
        if let Some(letter) = text.get_mut(i..=i) {
            letter.make_ascii_uppercase();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lang: Lang, template: &str) -> String {
        let ground = Ground::new(0);
        let mut cast = Cast::new(&ground, Split::Train, lang, Chooser::new(0));
        let find = |en| (0..).find(|&id| word(id).en == en).expect("in the lexicon");
        for (slot, en) in
            [(b'a', "Anna"), (b't', "umbrella"), (b'p', "market"), (b's', "table"), (b'o', "orange")]
        {
            cast.set(slot, find(en));
        }
        cast.sentence(template);
        cast.take()
    }

    #[test]
    fn slots_take_their_forms() {
        let zh = told(Lang::Zh, "{a}{@p}买了{+t},{~a}把这{#t}放{@s}。这是{'a}{t}。");
        assert_eq!(zh, "安娜在市场买了一把伞,她把这把伞放在桌子上。这是她的伞。");
        let en = told(Lang::En, "{+t} was {@p}. \"how many {#o}?\" asked {a}. {~a} put {'a} {t} {@s}.");
        assert_eq!(
            en,
            "An umbrella was at the market. \"How many oranges?\" asked Anna. She put her umbrella on the table."
        );
    }

    #[test]
    fn a_tie_stands_behind_its_owner() {
        let ground = Ground::new(0);
        let mut cast = Cast::new(&ground, Split::Train, Lang::En, Chooser::new(0));
        cast.set(b'a', range(Category::Person).start);
        cast.with_tie(Some(range(Category::Tie).start));
        cast.say("what did {a} eat?");
        assert_eq!(cast.take(), "What did Mingming's friend eat?");
    }
}
