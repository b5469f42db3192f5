//! A question whose answer takes two facts in a chain: who A's friend is, and what that friend did.

use super::cast::Cast;
use super::draft::Draft;
use super::items::{SO_EN, SO_ZH};
use super::lexicon::{Category, Id, range};
use super::predicate::{Fact, PERSONAL, Predicate, bare};
use super::{Split, WorldConfig};

/// `{a}` has `{R}` `{b}`; the first is canonical.
const TIE_ZH: [&str; 3] = ["{a}的{R}是{b}", "{b}是{a}的{R}", "{a}有个{R}叫{b}"];
const TIE_EN: [&str; 3] = ["{a}'s {R} is {b}", "{b} is the {R} of {a}", "{a} has {+R} called {b}"];

/// `{a}` holds `{t}`; `{a}` is at `{p}`; the first of each is canonical.
const HOLDS_ZH: [&str; 3] = ["{t}在{a}手里", "{a}把{t}带在身上", "{a}拿走了{t}"];
const HOLDS_EN: [&str; 3] = ["{a} has the {t}", "{a} is carrying the {t}", "{a} took the {t} along"];
const IS_AT_ZH: [&str; 3] = ["{a}{@p}", "{a}现在{@p}", "{a}正{@p}散步"];
const IS_AT_EN: [&str; 3] = ["{a} is {@p}", "{a} is now {@p}", "{a} is taking a walk {@p}"];
const WHERE_ZH: [&str; 2] = ["{t}在哪里？", "{t}现在在什么地方？"];
const WHERE_EN: [&str; 2] = ["Where is the {t}?", "Where is the {t} now?"];

/// One link: the owner's word leads to a person.
#[derive(Clone, Copy)]
struct Link {
    owner: Id,
    tie: Id,
    person: Id,
}

pub(super) fn write(cast: &mut Cast, config: &WorldConfig) -> Draft {
    let chains = config.chains.clamp(1, 3);
    if cast.chooser.chance(0.75) { by_tie(cast, config, chains) } else { by_holding(cast, config, chains) }
}

/// Anna's friend is Tom. Tom ate dumplings. What did Anna's friend eat?
fn by_tie(cast: &mut Cast, config: &WorldConfig, chains: usize) -> Draft {
    // Without the last: where someone lives is near a place, which is no short answer.
    let predicate: &'static Predicate = cast.chooser.pick(&PERSONAL[..PERSONAL.len() - 1]);
    let (mut people, mut links, mut facts) = (Vec::new(), Vec::new(), Vec::new());
    let ties = range(Category::Tie);
    for _ in 0..chains {
        let owner = other(cast, &people);
        people.push(owner);
        let tie = cast.choose(ties.clone(), |_| true).unwrap_or(ties.start);
        let person = cast.choose_for(owner, range(Category::Person), |id| people.contains(&id));
        people.push(person);
        links.push(Link { owner, tie, person });
        facts.push(Fact::of(cast, predicate, person, &facts));
    }
    let asked = cast.chooser.below(chains);
    if cast.chooser.chance(config.misleading) {
        facts.push(Fact::of(cast, predicate, links[asked].owner, &facts));
    }
    let order = cast.chooser.order(links.len() + facts.len());
    for nth in order {
        match links.get(nth) {
            Some(link) => {
                bind(cast, *link);
                let way = cast.pick(&TIE_ZH, &TIE_EN);
                cast.sentence(way);
            }
            None => facts[nth - links.len()].tell(cast),
        }
        cast.push(cast.either("。", "."));
    }
    cast.push("\n");
    let (question, answer, alternatives) = asked_by_tie(cast, links[asked], facts[asked]);
    let mut draft = Draft::answered(cast.lang, question, answer, alternatives);
    if let Some(next) = second(cast, config, asked, chains) {
        let (question, answer, _) = asked_by_tie(cast, links[next], facts[next]);
        draft.go_on(question, answer);
    }
    draft
}

/// Another chain to ask about; in training alone, so that each item of the test split is one question.
fn second(cast: &mut Cast, config: &WorldConfig, first: usize, chains: usize) -> Option<usize> {
    let more = chains > 1 && cast.split == Split::Train && cast.chooser.chance(config.second_question);
    more.then(|| (first + 1 + cast.chooser.below(chains - 1)) % chains)
}

fn asked_by_tie(cast: &mut Cast, link: Link, fact: Fact) -> (String, String, Vec<String>) {
    cast.with_tie(Some(link.tie));
    Fact { subject: link.owner, ..fact }.ask(cast);
    cast.with_tie(None);
    let question = cast.take();
    bind(cast, link);
    cast.say(cast.either(TIE_ZH[0], TIE_EN[0]));
    cast.push(cast.either("，", ", and"));
    fact.state(cast);
    cast.push(cast.either("。", ". "));
    cast.push(cast.either(SO_ZH, SO_EN));
    fact.short(cast);
    cast.push(cast.either("。", "."));
    let answer = cast.take();
    fact.short(cast);
    (question, answer, vec![cast.take(), bare(cast, fact.object).to_owned()])
}

/// Tom has the key. Tom is at the market. Where is the key?
fn by_holding(cast: &mut Cast, config: &WorldConfig, chains: usize) -> Draft {
    let (mut people, mut things, mut places) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..chains {
        let person = other(cast, &people);
        people.push(person);
        things.push(cast.choose_for(person, range(Category::Thing), |id| things.contains(&id)));
        places.push(cast.choose_for(person, range(Category::Place), |id| places.contains(&id)));
    }
    let order = cast.chooser.order(2 * chains);
    for nth in order {
        let (chain, holds) = (nth / 2, nth % 2 == 0);
        cast.set(b'a', people[chain]);
        cast.set(b't', things[chain]);
        cast.set(b'p', places[chain]);
        let ways = if holds { cast.either(&HOLDS_ZH, &HOLDS_EN) } else { cast.either(&IS_AT_ZH, &IS_AT_EN) };
        let way = *cast.chooser.pick(ways);
        cast.sentence(way);
        cast.push(cast.either("。", "."));
    }
    cast.push("\n");
    let asked = cast.chooser.below(chains);
    let chain = |nth: usize| [people[nth], things[nth], places[nth]];
    let (question, answer, alternatives) = asked_by_holding(cast, chain(asked));
    let mut draft = Draft::answered(cast.lang, question, answer, alternatives);
    if let Some(next) = second(cast, config, asked, chains) {
        let (question, answer, _) = asked_by_holding(cast, chain(next));
        draft.go_on(question, answer);
    }
    draft
}

fn asked_by_holding(cast: &mut Cast, [person, thing, place]: [Id; 3]) -> (String, String, Vec<String>) {
    cast.set(b'a', person);
    cast.set(b't', thing);
    cast.set(b'p', place);
    let way = cast.pick(&WHERE_ZH, &WHERE_EN);
    cast.sentence(way);
    let question = cast.take();
    cast.say(cast.either(HOLDS_ZH[0], HOLDS_EN[0]));
    cast.push(cast.either("，", ", and "));
    cast.say(cast.either(IS_AT_ZH[0], IS_AT_EN[0]));
    cast.push(cast.either("。", ". "));
    cast.push(cast.either(SO_ZH, SO_EN));
    cast.say(cast.either("{p}。", "the {p}."));
    let answer = cast.take();
    cast.say("{@p}");
    (question, answer, vec![cast.take(), bare(cast, place).to_owned()])
}

fn bind(cast: &mut Cast, link: Link) {
    cast.set(b'a', link.owner);
    cast.set(b'R', link.tie);
    cast.set(b'b', link.person);
}

fn other(cast: &mut Cast, people: &[Id]) -> Id {
    let all = range(Category::Person);
    cast.choose(all.clone(), |id| !people.contains(&id)).unwrap_or(all.start)
}
