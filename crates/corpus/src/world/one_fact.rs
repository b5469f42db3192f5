//! Some facts, and a question about one of them: reading.

use super::cast::Cast;
use super::draft::Draft;
use super::lexicon::{Category, Id, range};
use super::predicate::{Fact, LOCATED, PERSONAL, bare};
use super::{Split, WorldConfig};

const OPEN_ZH: [&str; 8] = [
    "那天是{+w}。",
    "{D}，镇上很热闹。",
    "{y}，大家聚在一起。",
    "故事是这样的。",
    "先说说镇上的几个人。",
    "下面的话要记住。",
    "今天是{D}。",
    "书院里有人在聊天。",
];
const OPEN_EN: [&str; 8] = [
    "it was {+w}.",
    "on {D} the town was busy.",
    "{y} everyone was together.",
    "this is how it was.",
    "here are some people of the town.",
    "read this with care.",
    "today is {D}.",
    "people were talking at the academy.",
];

/// What stands between facts said in one breath, most often nothing.
const JOIN_ZH: [&str; 5] = ["。", "。", "。", "，", "；"];
const JOIN_EN: [&str; 5] = [".", ".", ".", ", and", ";"];

pub(super) fn write(cast: &mut Cast, config: &WorldConfig) -> Draft {
    let count = cast.chooser.between(config.facts_min.max(1), config.facts_max.clamp(1, 6));
    let facts = match cast.chooser.weighted(&[0.45, 0.4, 0.15]) {
        0 => same_deed(cast, count),
        1 => mixed_deeds(cast, count),
        _ => located(cast, count),
    };
    if cast.chooser.chance(0.3) {
        let opening = cast.pick(&OPEN_ZH, &OPEN_EN);
        cast.sentence(opening);
    }
    tell_all(cast, &facts, config.pronouns);
    cast.push("\n");
    let order = cast.chooser.order(facts.len());
    let (question, answer, alternatives) = asked(cast, &facts[order[0]], config.asks_who);
    let mut draft = Draft::answered(cast.lang, question, answer, alternatives);
    for &next in &order[1..] {
        // In training alone, so that each item of the test split is one question.
        if cast.split == Split::Test || !cast.chooser.chance(config.second_question) {
            break;
        }
        let (question, answer, _) = asked(cast, &facts[next], config.asks_who);
        draft.go_on(question, answer);
    }
    draft
}

/// A question about a fact, its answer, and shorter answers that are as right.
fn asked(cast: &mut Cast, fact: &Fact, asks_who: f64) -> (String, String, Vec<String>) {
    let who = cast.chooser.chance(asks_who);
    if who {
        fact.ask_who(cast);
    } else {
        fact.ask(cast);
    }
    let question = cast.take();
    fact.state(cast);
    cast.push(cast.either("。", "."));
    let answer = cast.take();
    let alternatives = if who {
        let name = bare(cast, fact.subject);
        vec![name.to_owned(), format!("the {name}"), format!("a {name}")]
    } else {
        fact.short(cast);
        vec![cast.take(), bare(cast, fact.object).to_owned()]
    };
    (question, answer, alternatives)
}

/// Says facts one after another, some in one breath, some with a pronoun.
pub(super) fn tell_all(cast: &mut Cast, facts: &[Fact], pronouns: f64) {
    let mut previous: Option<Fact> = None;
    for fact in facts {
        if let Some(previous) = previous {
            let join = cast.chooser.pick_text(cast.either(&JOIN_ZH, &JOIN_EN));
            cast.push(join);
            // Not after someone else was named: the pronoun could be theirs.
            let same = previous.subject == fact.subject
                && fact.predicate.subject == Category::Person
                && previous.predicate.object != Category::Person;
            cast.pronoun = same && cast.chooser.chance(pronouns);
        }
        fact.tell(cast);
        cast.pronoun = false;
        previous = Some(*fact);
    }
    cast.push(cast.either("。", "."));
}

/// Several people did the same.
pub(super) fn same_deed(cast: &mut Cast, count: usize) -> Vec<Fact> {
    let predicate = cast.chooser.pick(&PERSONAL);
    let mut facts: Vec<Fact> = Vec::with_capacity(count);
    for _ in 0..count {
        let subject = someone(cast, &facts);
        facts.push(Fact::of(cast, predicate, subject, &facts));
    }
    facts
}

/// A few people did this and that.
fn mixed_deeds(cast: &mut Cast, count: usize) -> Vec<Fact> {
    let mut facts: Vec<Fact> = Vec::with_capacity(count);
    while facts.len() < count {
        let subject = someone(cast, &facts);
        let left = count - facts.len();
        let deeds = cast.chooser.between(1, left.min(2));
        let mut last = usize::MAX;
        for _ in 0..deeds {
            // Unlike the deed just told, and all of one person's are told in a row.
            let mut nth = cast.chooser.below(PERSONAL.len() - usize::from(last != usize::MAX));
            nth += usize::from(nth >= last);
            last = nth;
            facts.push(Fact::of(cast, &PERSONAL[nth], subject, &facts));
        }
    }
    facts
}

/// Some animals, or some things, are somewhere.
pub(super) fn located(cast: &mut Cast, count: usize) -> Vec<Fact> {
    let predicate = cast.chooser.pick(&LOCATED);
    let mut facts: Vec<Fact> = Vec::with_capacity(count);
    for _ in 0..count {
        let told = |id| facts.iter().any(|fact| fact.subject == id);
        let words = range(predicate.subject);
        let subject = cast.choose(words.clone(), |id| !told(id)).unwrap_or(words.start);
        facts.push(Fact::of(cast, predicate, subject, &facts));
    }
    facts
}

/// Someone of whom nothing is told yet.
pub(super) fn someone(cast: &mut Cast, facts: &[Fact]) -> Id {
    let people = range(Category::Person);
    let told = |id| facts.iter().any(|fact| fact.subject == id);
    cast.choose(people.clone(), |id| !told(id)).unwrap_or(people.start)
}
