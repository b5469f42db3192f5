//! Some facts, and notes of them in the order that the reader asks for, by person or by thing: reading many times over.

use super::WorldConfig;
use super::cast::Cast;
use super::draft::Draft;
use super::one_fact::{located, same_deed, someone, tell_all};
use super::predicate::{Fact, PERSONAL};

const BRIEF_ZH: [&str; 3] = ["摘记：", "记下要点：", "列个表："];
const BRIEF_EN: [&str; 3] = ["Take notes: ", "Make a list: ", "In brief: "];
const WHOLE_ZH: [&str; 3] = ["一个一个地说：", "再说一遍：", "依次说说："];
const WHOLE_EN: [&str; 3] = ["One by one: ", "Say it again: ", "Tell me about each: "];

pub(super) fn write(cast: &mut Cast, config: &WorldConfig) -> Draft {
    let count = cast.chooser.between(2, config.notes_max.clamp(2, 6));
    let facts = match cast.chooser.weighted(&[0.5, 0.35, 0.15]) {
        0 => same_deed(cast, count),
        1 => own_deeds(cast, count),
        _ => located(cast, count),
    };
    tell_all(cast, &facts, 0.0);
    cast.push("\n");
    // What each of them did, or whose each of the things is.
    let (brief, by_object) = (cast.chooser.chance(0.5), cast.chooser.chance(config.asks_who));
    let request = if brief { cast.pick(&BRIEF_ZH, &BRIEF_EN) } else { cast.pick(&WHOLE_ZH, &WHOLE_EN) };
    cast.push(request);
    let order = cast.chooser.order(facts.len());
    for (place, &nth) in order.iter().enumerate() {
        if place > 0 {
            cast.push(cast.either("、", ", "));
        }
        side(cast, &facts[nth], by_object);
    }
    let request = cast.take();
    for (place, &nth) in order.iter().enumerate() {
        if brief {
            cast.push(match (place, cast.is_zh()) {
                (0, _) => "",
                (_, true) => "；",
                (_, false) => "; ",
            });
            side(cast, &facts[nth], by_object);
            cast.push(cast.either("：", ": "));
            side(cast, &facts[nth], !by_object);
        } else {
            if place > 0 {
                cast.push(cast.either("。", "."));
            }
            facts[nth].state(cast);
        }
    }
    cast.push(cast.either("。", "."));
    let notes = cast.take();
    Draft::answered(cast.lang, request, notes, Vec::new())
}

/// Names one side of a fact: what was done, or who did it.
fn side(cast: &mut Cast, fact: &Fact, object: bool) {
    if object {
        fact.short(cast);
    } else {
        cast.set(b'a', fact.subject);
        cast.say("{a}");
    }
}

/// Several people, each with a deed of their own.
fn own_deeds(cast: &mut Cast, count: usize) -> Vec<Fact> {
    let mut facts: Vec<Fact> = Vec::with_capacity(count);
    for _ in 0..count {
        let predicate = cast.chooser.pick(&PERSONAL);
        let subject = someone(cast, &facts);
        facts.push(Fact::of(cast, predicate, subject, &facts));
    }
    facts
}
