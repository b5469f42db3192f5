//! A sentence and its translation. Each has one, so that an exact match is well defined.

use super::Lang;
use super::cast::Cast;
use super::draft::Draft;
use super::lexicon::{Category, range};
use super::predicate::{Fact, LOCATED, PERSONAL, Predicate};

/// The same sentence in both languages. No choices inside: the two must stay together.
type Pair = (&'static str, &'static str);

/// Whole sentences; word order and tense follow the time word (y past, z future, i habit).
const PAIRS: [Pair; 96] = [
    ("{y}{a}{@p}买了{+t}。", "{y} {a} bought {+t} {@p}."),
    ("{y}{a}买了一{%t}{c}的{t}。", "{y} {a} bought {+c} {t}."),
    ("{y}{a}和{b}去了{p}。", "{y} {a} and {b} went to the {p}."),
    ("{y}{a}{@p}看见了{+n}。", "{y} {a} saw {+n} {@p}."),
    ("{y}{a}{@p}遇见了{b}。", "{y} {a} met {b} {@p}."),
    ("{y}{a}吃了{d}和{e}。", "{y} {a} ate {d} and {e}."),
    ("{y}{a}请{b}吃了{d}。", "{y} {a} treated {b} to {d}."),
    ("{y}{a}送给{b}{+t}。", "{y} {a} gave {b} {+t}."),
    ("{y}{a}为{b}做了{d}。", "{y} {a} cooked {d} for {b}."),
    ("{y}{a}{@p}丢了{+t}。", "{y} {a} lost {+t} {@p}."),
    ("{y}{a}{@p}找到了{t}。", "{y} {a} found the {t} {@p}."),
    ("{y}{+n}跑到了{p}。", "{y} {+n} ran to the {p}."),
    ("{D}是{w}。", "{D} was {+w}."),
    ("{z}{a}要去{p}。", "{z} {a} will go to the {p}."),
    ("{z}{a}要买{+t}。", "{z} {a} will buy {+t}."),
    ("{z}{a}要和{b}一起做{d}。", "{z} {a} and {b} will cook {d} together."),
    ("{z}{a}要{@p}见{b}。", "{z} {a} will meet {b} {@p}."),
    ("{z}{a}要画{+n}。", "{z} {a} will draw {+n}."),
    ("{i}{a}都去{p}。", "{i} {a} goes to the {p}."),
    ("{i}{a}都吃{d}。", "{i} {a} eats {d}."),
    ("{i}{a}都{@p}工作。", "{i} {a} works {@p}."),
    ("{i}{a}都{@p}看书。", "{i} {a} reads {@p}."),
    ("{i}{a}都给{b}写信。", "{i} {a} writes to {b}."),
    ("{i}{n}都睡{@s}。", "{i} the {n} sleeps {@s}."),
    ("{n}坐{@s}。", "The {n} sat {@s}."),
    ("{n}正{@s}睡觉。", "The {n} is sleeping {@s}."),
    ("{c}的{t}{@s}。", "The {c} {t} is {@s}."),
    ("{t}不{@s}。", "The {t} is not {@s}."),
    ("{a}把{t}放{@s}。", "{a} put the {t} {@s}."),
    ("{a}正{@p}找{'a}{t}。", "{a} is looking for {'a} {t} {@p}."),
    ("{a}的{t}是{c}的。", "{a}'s {t} is {c}."),
    ("{a}的{R}是{+j}。", "{a}'s {R} is {+j}."),
    ("{a}想当{+j}。", "{a} wants to be {+j}."),
    ("{a}喜欢{c}，不喜欢{k}。", "{a} likes {c} but not {k}."),
    ("{a}比{b}高。", "{a} is taller than {b}."),
    ("{a}怕{n}，可是{b}不怕。", "{a} is afraid of {#n}, but {b} is not."),
    ("{a}教{b}做{d}。", "{a} teaches {b} to cook {d}."),
    ("{a}{@p}等{b}。", "{a} is waiting for {b} {@p}."),
    ("因为{a}很{f}，所以{b}也很{f}。", "Because {a} is {f}, {b} is {f} too."),
    ("{a}很{f}，因为{~a}丢了{+t}。", "{a} is {f} because {~a} lost {+t}."),
    ("{a}很{f}，因为{~a}看见了{+n}。", "{a} is {f} because {~a} saw {+n}."),
    ("如果是{w}，{a}就去{p}。", "If it is {+w}, {a} goes to the {p}."),
    ("如果{a}很{f}，{~a}就吃{d}。", "If {a} is {f}, {~a} eats {d}."),
    ("{a}吃完{d}就去了{p}。", "After eating {d}, {a} went to the {p}."),
    ("{a}问{b}：“你喜欢{d}吗？”", "{a} asked {b}: \"Do you like {d}?\""),
    ("{a}对{b}说：“我的{t}{@s}。”", "{a} said to {b}: \"My {t} is {@s}.\""),
    ("你去过{p}吗？", "Have you been to the {p}?"),
    ("请把{t}给我。", "Please give me the {t}."),
    ("我今天吃了{d}和{e}。", "I ate {d} and {e} today."),
    ("我想买一{%t}{c}的{t}。", "I want to buy {+c} {t}."),
    ("{D}我要去{p}见{a}。", "On {D} I will go to the {p} to meet {a}."),
    ("这是{a}的{t}，不是{b}的。", "This is {a}'s {t}, not {b}'s."),
    ("{@p}有很多{n}。", "There are many {#n} {@p}."),
    ("谁把{t}放{@s}？", "Who put the {t} {@s}?"),
    ("{a}，你的{t}在哪里？", "{a}, where is your {t}?"),
    ("{a}没有去{p}。", "{a} did not go to the {p}."),
    ("{a}没有{t}，但是{b}有。", "{a} has no {t}, but {b} does."),
    ("{a}最好的朋友是{b}。", "{a}'s best friend is {b}."),
    ("{a}养的{n}很可爱。", "The {n} that {a} keeps is lovely."),
    ("{p}离{q}很远。", "The {p} is far from the {q}."),
    ("{a}给{n}起名叫小星。", "{a} named the {n} Little Star."),
    ("{n}比{m}大。", "The {n} is bigger than the {m}."),
    ("{c}让人觉得{v}。", "{c} feels {v}."),
    ("{c}让人觉得{v}而{V}。", "{c} feels {v} and {V}."),
    ("{a}喜欢{c}，因为{c}很{v}。", "{a} likes {c} because {c} is {v}."),
    ("这一{%t}{c}的{t}让人觉得{v}。", "This {c} {t} feels {v}."),
    ("{a}觉得{c}很{v}，{b}觉得{k}更好看。", "{a} finds {c} {v}, but {b} likes {k} better."),
    ("{a}在画里用了{v}的{c}。", "{a} used {+v} {c} in the picture."),
    ("{c}和{k}，你更喜欢哪一个？", "{c} or {k}, which do you like better?"),
    ("{p}的墙是{c}的，看起来很{v}。", "The wall of the {p} is {c} and looks {v}."),
    ("{y}{a}{@p}捡到了{+t}。", "{y} {a} picked up {+t} {@p}."),
    ("{y}{a}帮{b}修好了{t}。", "{y} {a} helped {b} to mend the {t}."),
    ("{y}{a}收到了{b}的信。", "{y} {a} got a letter from {b}."),
    ("{y}{a}坐火车去看{b}。", "{y} {a} took the train to see {b}."),
    ("{y}{a}和{b}{@p}下棋。", "{y} {a} and {b} played chess {@p}."),
    ("{y}{+n}从{p}跑了过来。", "{y} {+n} came running from the {p}."),
    ("{z}{a}要坐船去{p}。", "{z} {a} will go to the {p} by boat."),
    ("{z}{a}要请{b}吃{d}。", "{z} {a} will treat {b} to {d}."),
    ("{D}会是{w}。", "{D} will be {+w}."),
    ("{i}{a}都{@p}喂{n}。", "{i} {a} feeds the {n} {@p}."),
    ("{i}{a}和{b}都{@p}见面。", "{i} {a} and {b} meet {@p}."),
    ("{a}在门前种了一棵{o}树。", "{a} planted {+o} tree in front of the house."),
    ("{a}的{t}比{b}的新。", "{a}'s {t} is newer than {b}'s."),
    ("{a}从{p}走到{q}。", "{a} walked from the {p} to the {q}."),
    ("{a}和{b}都不会做{d}。", "Neither {a} nor {b} can cook {d}."),
    ("{a}不但会做{d}，还会做{e}。", "{a} can cook not only {d} but also {e}."),
    ("{a}一看见{n}就很{f}。", "As soon as {a} sees the {n}, {~a} is {f}."),
    ("虽然{a}很{f}，但是{~a}还是去了{p}。", "Although {a} was {f}, {~a} still went to the {p}."),
    ("{a}一边吃{d}一边看书。", "{a} reads while eating {d}."),
    ("我从来没有见过这么大的{n}。", "I have never seen such a big {n}."),
    ("请{@p}等我。", "Please wait for me {@p}."),
    ("这{#t}是谁的？", "Whose {t} is this?"),
    ("{a}为什么很{f}？", "Why is {a} {f}?"),
    ("{p}旁边有一座{c}的房子。", "There is {+c} house near the {p}."),
    ("{a}把{o}分给{b}一半。", "{a} gave {b} half of the {o}."),
    ("{n}跟着{a}回了家。", "The {n} followed {a} home."),
];

/// One Chinese word, two English ones: company decides.
const SENSES: [Pair; 12] = [
    ("{y}{a}吃了{L}。", "{y} {a} ate {L}."),
    ("{y}{a}看见石狮子头。", "{y} {a} saw the head of the stone lion."),
    ("{a}画了一个狮子头。", "{a} drew the head of a lion."),
    ("{a}为{b}做了{L}。", "{a} cooked {L} for {b}."),
    ("杜鹃在树上唱歌。", "The cuckoo is singing in the tree."),
    ("{p}的杜鹃开花了。", "The azaleas at the {p} are in bloom."),
    ("{a}打开包袱。", "{a} opened the bundle."),
    ("{a}说了个笑话，抖了个包袱。", "{a} told a joke and came to the punch line."),
    ("{a}打伞出门。", "{a} went out under an umbrella."),
    ("{a}打鼓打得很好。", "{a} plays the drum very well."),
    ("{a}把存折放在银行。", "{a} left the savings book at the bank."),
    ("{a}坐在河岸上。", "{a} sat on the bank of the river."),
];

/// How two clauses join.
const JOINS: [Pair; 3] = [("，", ", and "), ("，但是", ", but "), ("；", "; ")];

const ASK_ZH: [&str; 3] = ["翻译成英文：", "请把这句话翻译成英文：", "用英文怎么说："];
const ASK_EN: [&str; 3] =
    ["Translate into Chinese: ", "Put this into Chinese: ", "How do you say this in Chinese: "];

/// What is translated.
enum Sentence {
    Pair(Pair),
    Facts(Fact, Option<(Pair, Fact)>),
}

pub(super) fn write(cast: &mut Cast) -> Draft {
    let sentence = match cast.chooser.weighted(&[0.6, 0.05, 0.2, 0.15]) {
        0 => Sentence::Pair(*cast.chooser.pick(&PAIRS)),
        1 => {
            let pair = *cast.chooser.pick(&SENSES);
            if pair.0.contains("{L}") {
                cast.get(b'L');
            }
            Sentence::Pair(pair)
        }
        2 => Sentence::Facts(fact(cast, None), None),
        _ => {
            let first = fact(cast, None);
            let join = *cast.chooser.pick(&JOINS);
            let second = fact(cast, Some(first));
            Sentence::Facts(first, Some((join, second)))
        }
    };
    let from = cast.lang;
    let ask = cast.pick(&ASK_ZH, &ASK_EN);
    let source = say(cast, &sentence);
    cast.lang = cast.either(Lang::En, Lang::Zh);
    let answer = say(cast, &sentence);
    Draft::answered(from, format!("{ask}{source}"), answer, Vec::new())
}

fn fact(cast: &mut Cast, other: Option<Fact>) -> Fact {
    let predicates: &'static [Predicate] = if cast.chooser.chance(0.8) { &PERSONAL } else { &LOCATED };
    let predicate = cast.chooser.pick(predicates);
    let words = range(predicate.subject);
    let subject = cast
        .choose(words.clone(), |id| other.is_none_or(|other| id != other.subject))
        .unwrap_or(range(Category::Person).start);
    match other {
        Some(other) => Fact::of(cast, predicate, subject, &[other]),
        None => Fact::of(cast, predicate, subject, &[]),
    }
}

fn say(cast: &mut Cast, sentence: &Sentence) -> String {
    match sentence {
        Sentence::Pair((zh, en)) => cast.say(cast.either(zh, en)),
        Sentence::Facts(first, more) => {
            first.state(cast);
            if let Some(((zh, en), second)) = more {
                cast.push(cast.either(zh, en));
                second.state(cast);
            }
            cast.push(cast.either("。", "."));
        }
    }
    cast.take()
}
