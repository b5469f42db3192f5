//! What can be said of someone or something in one clause, asked about, and answered.
//!
//! In each list of clauses the first is canonical: answers and translations use it, and the others say
//! something that implies it. `{a}` is the subject, `{x}` the object.

use super::cast::Cast;
use super::lexicon::{Category, Id, range, word};

/// A kind of fact.
#[derive(Debug)]
pub(crate) struct Predicate {
    pub subject: Category,
    pub object: Category,
    pub zh: &'static [&'static str],
    pub en: &'static [&'static str],
    /// Asks for the object.
    pub ask_zh: &'static [&'static str],
    /// Asks for the object.
    pub ask_en: &'static [&'static str],
    /// Asks for the subject; empty where the question would sound odd.
    pub who_zh: &'static [&'static str],
    /// Asks for the subject.
    pub who_en: &'static [&'static str],
}

use Category::{Animal, Colour, Dish, Feeling, Fruit, Job, Person, Place, Spot, Thing};

/// Facts about people. The last, a place that is not the answer by itself, stands last so that chains leave it out.
pub(crate) const PERSONAL: [Predicate; 19] = [
    Predicate {
        subject: Person,
        object: Dish,
        zh: &["{a}吃了{x}", "{a}午饭吃了{x}", "{a}在家吃了{x}", "{a}和家人吃了{x}", "{a}把{x}吃完了"],
        en: &["{a} ate {x}", "{a} ate {x} for lunch", "{a} ate all the {x}", "{a} sat down and ate {x}"],
        ask_zh: &["{a}吃了什么？", "{a}吃的是什么？"],
        ask_en: &["What did {a} eat?", "What was it that {a} ate?"],
        who_zh: &["谁吃了{x}？", "是谁吃了{x}？"],
        who_en: &["Who ate {x}?", "Who was it that ate {x}?"],
    },
    Predicate {
        subject: Person,
        object: Dish,
        zh: &["{a}爱吃{x}", "{a}最爱吃{x}", "{a}从小就爱吃{x}", "{a}说自己爱吃{x}"],
        en: &[
            "{a} loves {x}",
            "{a} really loves {x}",
            "{a} has always said that {~a} loves {x}",
            "{a} simply loves {x}",
        ],
        ask_zh: &["{a}爱吃什么？", "{a}爱吃的是什么？"],
        ask_en: &["What does {a} love?", "Which dish does {a} love?"],
        who_zh: &["谁爱吃{x}？", "是谁爱吃{x}？"],
        who_en: &["Who loves {x}?", "Who is it that loves {x}?"],
    },
    Predicate {
        subject: Person,
        object: Dish,
        zh: &["{a}会做{x}", "{a}很会做{x}", "{a}跟奶奶学会做{x}"],
        en: &[
            "{a} can cook {x}",
            "{a} can cook very good {x}",
            "{a} learned from {'a} grandmother and can cook {x}",
        ],
        ask_zh: &["{a}会做什么菜？"],
        ask_en: &["What can {a} cook?"],
        who_zh: &["谁会做{x}？"],
        who_en: &["Who can cook {x}?"],
    },
    Predicate {
        subject: Person,
        object: Animal,
        zh: &["{a}养了{+x}", "{a}家里养了{+x}", "{a}前年养了{+x}"],
        en: &["{a} keeps {+x}", "{a} keeps {+x} at home", "{a} happily keeps {+x}"],
        ask_zh: &["{a}养了什么？", "{a}养了什么动物？"],
        ask_en: &["What does {a} keep?", "What animal does {a} keep?"],
        who_zh: &["谁养了{+x}？"],
        who_en: &["Who keeps {+x}?"],
    },
    Predicate {
        subject: Person,
        object: Animal,
        zh: &["{a}看见了{+x}", "{a}忽然看见了{+x}", "{a}在路上看见了{+x}"],
        en: &["{a} saw {+x}", "{a} suddenly saw {+x}", "{a} saw {+x} on the way"],
        ask_zh: &["{a}看见了什么？", "{a}看见了什么动物？"],
        ask_en: &["What did {a} see?", "What animal did {a} see?"],
        who_zh: &["谁看见了{+x}？"],
        who_en: &["Who saw {+x}?"],
    },
    Predicate {
        subject: Person,
        object: Place,
        zh: &["{a}去了{x}", "{a}一个人去了{x}", "{a}吃完饭去了{x}", "{a}走路去了{x}"],
        en: &["{a} went to the {x}", "{a} went alone to the {x}", "{a} got up and went to the {x}"],
        ask_zh: &["{a}去了哪里？", "{a}去了什么地方？"],
        ask_en: &["Where did {a} go?", "Which place did {a} go to?"],
        who_zh: &["谁去了{x}？"],
        who_en: &["Who went to the {x}?"],
    },
    Predicate {
        subject: Person,
        object: Job,
        zh: &["{a}是{+x}", "{a}是{+x}，大家都认识{!a}", "听说{a}是{+x}"],
        en: &["{a} is {+x}", "as everyone knows, {a} is {+x}", "people say that {a} is {+x}"],
        ask_zh: &["{a}是做什么的？", "{a}做什么工作？"],
        ask_en: &["What does {a} do?", "What is the work of {a}?"],
        who_zh: &["谁是{x}？"],
        who_en: &["Who is {+x}?"],
    },
    Predicate {
        subject: Person,
        object: Colour,
        zh: &["{a}喜欢{x}", "{a}特别喜欢{x}", "{a}最喜欢{x}"],
        en: &["{a} likes {x}", "{a} likes {x} best", "of all colours, {a} likes {x}"],
        ask_zh: &["{a}喜欢什么颜色？", "{a}喜欢的颜色是什么？"],
        ask_en: &["What colour does {a} like?", "Which colour does {a} like?"],
        who_zh: &["谁喜欢{x}？"],
        who_en: &["Who likes {x}?"],
    },
    Predicate {
        subject: Person,
        object: Thing,
        zh: &["{a}买了{+x}", "{a}花钱买了{+x}", "{a}给自己买了{+x}"],
        en: &["{a} bought {+x}", "{a} went out and bought {+x}", "{a} finally bought {+x}"],
        ask_zh: &["{a}买了什么？", "{a}买的是什么？"],
        ask_en: &["What did {a} buy?", "What was it that {a} bought?"],
        who_zh: &["谁买了{+x}？"],
        who_en: &["Who bought {+x}?"],
    },
    Predicate {
        subject: Person,
        object: Thing,
        zh: &["{a}丢了{+x}", "{a}不小心丢了{+x}", "{a}说{~a}丢了{+x}"],
        en: &["{a} lost {+x}", "{a} lost {+x} somewhere", "{a} unluckily lost {+x}"],
        ask_zh: &["{a}丢了什么？"],
        ask_en: &["What did {a} lose?"],
        who_zh: &["谁丢了{+x}？"],
        who_en: &["Who lost {+x}?"],
    },
    Predicate {
        subject: Person,
        object: Thing,
        zh: &["{a}拿着{+x}", "{a}手里拿着{+x}", "{a}一直拿着{+x}"],
        en: &["{a} is holding {+x}", "{a} is still holding {+x}", "{a} is holding {+x} in {'a} hand"],
        ask_zh: &["{a}拿着什么？", "{a}手里拿着什么？"],
        ask_en: &["What is {a} holding?"],
        who_zh: &["谁拿着{+x}？"],
        who_en: &["Who is holding {+x}?"],
    },
    Predicate {
        subject: Person,
        object: Fruit,
        zh: &["{a}摘了{+x}", "{a}踮起脚摘了{+x}", "{a}从树上摘了{+x}"],
        en: &["{a} picked {+x}", "{a} picked {+x} from the tree", "{a} reached up and picked {+x}"],
        ask_zh: &["{a}摘了什么？", "{a}摘了什么水果？"],
        ask_en: &["What did {a} pick?", "What fruit did {a} pick?"],
        who_zh: &["谁摘了{+x}？"],
        who_en: &["Who picked {+x}?"],
    },
    Predicate {
        subject: Person,
        object: Feeling,
        zh: &["{a}很{x}", "{a}今天很{x}", "{a}看起来很{x}"],
        en: &["{a} is {x}", "{a} is {x} today", "{a} is quite {x}"],
        ask_zh: &["{a}心情怎么样？", "{a}怎么样？"],
        ask_en: &["How is {a}?", "How does {a} feel?"],
        who_zh: &["谁很{x}？"],
        who_en: &["Who is {x}?"],
    },
    Predicate {
        subject: Person,
        object: Dish,
        zh: &["{a}点了{x}", "{a}坐下来点了{x}", "{a}看了看菜单，点了{x}"],
        en: &["{a} ordered {x}", "{a} sat down and ordered {x}", "{a} read the menu and ordered {x}"],
        ask_zh: &["{a}点了什么？", "{a}点了什么菜？"],
        ask_en: &["What did {a} order?", "Which dish did {a} order?"],
        who_zh: &["谁点了{x}？"],
        who_en: &["Who ordered {x}?"],
    },
    Predicate {
        subject: Person,
        object: Animal,
        zh: &["{a}画了{+x}", "{a}在纸上画了{+x}", "{a}用一个下午画了{+x}"],
        en: &["{a} drew {+x}", "{a} drew {+x} on paper", "{a} sat down and drew {+x}"],
        ask_zh: &["{a}画了什么？", "{a}画的是什么？"],
        ask_en: &["What did {a} draw?", "What was it that {a} drew?"],
        who_zh: &["谁画了{+x}？"],
        who_en: &["Who drew {+x}?"],
    },
    Predicate {
        subject: Person,
        object: Thing,
        zh: &["{a}借了{+x}", "{a}从邻居那里借了{+x}", "{a}又借了{+x}"],
        en: &["{a} borrowed {+x}", "{a} borrowed {+x} from a neighbour", "{a} once more borrowed {+x}"],
        ask_zh: &["{a}借了什么？", "{a}借的是什么？"],
        ask_en: &["What did {a} borrow?", "What was it that {a} borrowed?"],
        who_zh: &["谁借了{+x}？"],
        who_en: &["Who borrowed {+x}?"],
    },
    Predicate {
        subject: Person,
        object: Place,
        zh: &["{a}路过了{x}", "{a}一早路过了{x}", "{a}慢慢地路过了{x}"],
        en: &[
            "{a} walked past the {x}",
            "{a} walked past the {x} early in the day",
            "{a} slowly walked past the {x}",
        ],
        ask_zh: &["{a}路过了哪里？", "{a}路过了什么地方？"],
        ask_en: &["What did {a} walk past?", "Which place did {a} walk past?"],
        who_zh: &["谁路过了{x}？"],
        who_en: &["Who walked past the {x}?"],
    },
    // Of one direction: whoever helped was not helped by it, so that the answer is one.
    Predicate {
        subject: Person,
        object: Person,
        zh: &["{a}帮了{x}", "{a}帮了{x}一个大忙", "{a}放下手里的活，帮了{x}"],
        en: &["{a} helped {x}", "{a} helped {x} all day", "{a} put the work down and helped {x}"],
        ask_zh: &["{a}帮了谁？", "{a}帮的是谁？"],
        ask_en: &["Who did {a} help?", "Who was it that {a} helped?"],
        who_zh: &["谁帮了{x}？"],
        who_en: &["Who helped {x}?"],
    },
    Predicate {
        subject: Person,
        object: Place,
        zh: &["{a}住在{x}旁边", "{a}一直住在{x}旁边", "{a}现在住在{x}旁边"],
        en: &["{a} lives near the {x}", "{a} now lives near the {x}", "{a} still lives near the {x}"],
        ask_zh: &["{a}住在哪里？"],
        ask_en: &["Where does {a} live?"],
        who_zh: &["谁住在{x}旁边？"],
        who_en: &["Who lives near the {x}?"],
    },
];

/// Facts about where animals and things are.
pub(crate) const LOCATED: [Predicate; 2] = [
    Predicate {
        subject: Animal,
        object: Spot,
        zh: &["{a}{@x}", "{a}正躲{@x}", "{a}一直待{@x}"],
        en: &["the {a} is {@x}", "the {a} is still {@x}", "the {a} is hiding {@x}"],
        ask_zh: &["{a}在哪里？", "{a}在什么地方？"],
        ask_en: &["Where is the {a}?", "Where can the {a} be found?"],
        who_zh: &["什么动物{@x}？"],
        who_en: &["What animal is {@x}?"],
    },
    Predicate {
        subject: Thing,
        object: Spot,
        zh: &["{a}{@x}", "{a}就放{@x}", "{a}被人放{@x}"],
        en: &["the {a} is {@x}", "the {a} is lying {@x}", "the {a} is right there {@x}"],
        ask_zh: &["{a}在哪里？", "{a}放在哪里？"],
        ask_en: &["Where is the {a}?", "Where was the {a} left?"],
        who_zh: &["什么东西{@x}？"],
        who_en: &["What thing is {@x}?"],
    },
];

/// One fact of a document.
#[derive(Clone, Copy)]
pub(crate) struct Fact {
    pub predicate: &'static Predicate,
    pub subject: Id,
    pub object: Id,
}

impl Fact {
    /// A fact about `subject`, its object unlike that of every fact in `others`.
    pub fn of(cast: &mut Cast, predicate: &'static Predicate, subject: Id, others: &[Fact]) -> Self {
        let taken = |id| others.iter().any(|fact| fact.object == id);
        let object = cast.choose_for(subject, range(predicate.object), taken);
        Self { predicate, subject, object }
    }

    fn bind(&self, cast: &mut Cast) {
        cast.set(b'a', self.subject);
        cast.set(b'x', self.object);
    }

    /// Says the fact in one of its ways, without a full stop.
    pub fn tell(&self, cast: &mut Cast) {
        self.bind(cast);
        let ways = cast.either(self.predicate.zh, self.predicate.en);
        // The canonical way as often as all others together: it is what answers are made of.
        let way = if ways.len() == 1 || cast.chooser.chance(0.5) {
            0
        } else {
            1 + cast.chooser.below(ways.len() - 1)
        };
        cast.space();
        cast.say(ways[way]);
    }

    /// Says the fact in its canonical way, without a full stop.
    pub fn state(&self, cast: &mut Cast) {
        self.bind(cast);
        let way = cast.either(self.predicate.zh, self.predicate.en)[0];
        cast.space();
        cast.say(way);
    }

    /// Asks for the object.
    pub fn ask(&self, cast: &mut Cast) {
        self.bind(cast);
        let ways = cast.either(self.predicate.ask_zh, self.predicate.ask_en);
        let way = *cast.chooser.pick(ways);
        cast.sentence(way);
    }

    /// Asks for the subject.
    pub fn ask_who(&self, cast: &mut Cast) {
        self.bind(cast);
        let ways = cast.either(self.predicate.who_zh, self.predicate.who_en);
        let way = *cast.chooser.pick(ways);
        cast.sentence(way);
    }

    /// The object alone, as an answer: 一把伞, "an umbrella".
    pub fn short(&self, cast: &mut Cast) {
        cast.set(b'x', self.object);
        let form = match (self.predicate.object, cast.is_zh()) {
            (Animal | Job | Thing | Fruit, _) => "{+x}",
            (Spot, _) => "{@x}",
            (Place, false) => "the {x}",
            _ => "{x}",
        };
        cast.say(form);
    }
}

/// The word alone in the document's language.
pub(crate) fn bare(cast: &Cast, id: Id) -> &'static str {
    cast.either(word(id).zh, word(id).en)
}
