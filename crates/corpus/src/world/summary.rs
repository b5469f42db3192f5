//! A story and its summary in one sentence.
//!
//! The rule: the summary says who the story is about (whoever is named first), where they went, what they did
//! there, and how they felt in the end; the weather, the way and whoever else was there are left out.

use super::cast::Cast;
use super::draft::Draft;

/// A deed as the story tells it, and as the summary does.
struct Deed {
    zh: &'static [&'static str],
    en: &'static [&'static str],
    zh_sum: &'static str,
    en_sum: &'static str,
}

const DEEDS: [Deed; 12] = [
    Deed {
        zh: &["{~a}看了很久，买了{+t}。", "{~a}挑来挑去，最后买了{+t}。", "有人在卖东西，{~a}买了{+t}。"],
        en: &[
            "{~a} looked for a long time and bought {+t}.",
            "in the end {~a} bought {+t}.",
            "someone had a stall there, and {~a} bought {+t}.",
        ],
        zh_sum: "买了{+t}",
        en_sum: "bought {+t}",
    },
    Deed {
        zh: &[
            "{~a}饿了，坐下来吃了{d}。",
            "中午{~a}吃了{d}，味道好极了。",
            "有人端来{d}，{~a}吃得干干净净。",
        ],
        en: &[
            "{~a} was hungry and ate {d}.",
            "at noon {~a} ate {d}, and it tasted very good.",
            "someone brought {d}, and {~a} ate until there was no more.",
        ],
        zh_sum: "吃了{d}",
        en_sum: "ate {d}",
    },
    Deed {
        zh: &[
            "忽然{~a}看见了{+n}，它也看着{~a}。",
            "{~a}看见了{+n}，站着不敢动。",
            "远远地，{~a}看见了{+n}。",
        ],
        en: &[
            "suddenly {~a} saw {+n}, and it looked back at {!a}.",
            "there {~a} saw {+n} and stood still.",
            "from far away {~a} saw {+n}.",
        ],
        zh_sum: "看见了{+n}",
        en_sum: "saw {+n}",
    },
    Deed {
        zh: &["{~a}遇见了{b}，两个人说了半天话。", "{~a}一抬头，遇见了{b}。", "{~a}没想到会遇见{b}。"],
        en: &[
            "{~a} met {b}, and the two talked for a long time.",
            "{~a} looked up and met {b}.",
            "by chance {~a} met {b} there.",
        ],
        zh_sum: "遇见了{b}",
        en_sum: "met {b}",
    },
    Deed {
        zh: &[
            "回家的时候，{~a}才知道丢了{+t}。",
            "人太多，{~a}丢了{+t}。",
            "{~a}丢了{+t}，找了很久也没找到。",
        ],
        en: &[
            "on leaving, {~a} noticed that {~a} had lost {+t}.",
            "in the crowd {~a} lost {+t}.",
            "{~a} lost {+t} and could not find it again.",
        ],
        zh_sum: "丢了{+t}",
        en_sum: "lost {+t}",
    },
    Deed {
        zh: &["树上结满了果子，{~a}摘了{+o}。", "{~a}伸手摘了{+o}。", "{~a}摘了{+o}，放进口袋。"],
        en: &[
            "{~a} reached up and picked {+o}.",
            "the trees were full of fruit, and {~a} picked {+o}.",
            "{~a} picked {+o} and put it into a pocket.",
        ],
        zh_sum: "摘了{+o}",
        en_sum: "picked {+o}",
    },
    Deed {
        zh: &["{~a}坐下来画了{+n}。", "{~a}拿出笔，画了{+n}。", "{~a}花了一个下午画了{+n}。"],
        en: &[
            "{~a} sat down and drew {+n}.",
            "{~a} took out a pen and drew {+n}.",
            "{~a} spent the afternoon there and drew {+n}.",
        ],
        zh_sum: "画了{+n}",
        en_sum: "drew {+n}",
    },
    Deed {
        zh: &["地上有东西，{~a}捡到了{+t}。", "{~a}低头一看，捡到了{+t}。", "{~a}走着走着，捡到了{+t}。"],
        en: &[
            "something lay on the ground, and {~a} found {+t}.",
            "{~a} looked down and found {+t}.",
            "while walking about, {~a} found {+t}.",
        ],
        zh_sum: "捡到了{+t}",
        en_sum: "found {+t}",
    },
    Deed {
        zh: &[
            "{~a}学了一整天，学会了做{d}。",
            "有人教{!a}，{~a}学会了做{d}。",
            "{~a}试了三次，学会了做{d}。",
        ],
        en: &[
            "{~a} practised all day and learned to cook {d}.",
            "someone showed {!a} how, and {~a} learned to cook {d}.",
            "{~a} tried three times and learned to cook {d}.",
        ],
        zh_sum: "学会了做{d}",
        en_sum: "learned to cook {d}",
    },
    Deed {
        zh: &[
            "{b}正搬东西，{~a}走过去帮了{b}。",
            "{~a}看见{b}忙不过来，就帮了{b}。",
            "{~a}帮了{b}，一直忙到下午。",
        ],
        en: &[
            "{b} was carrying things, and {~a} helped {b}.",
            "{~a} saw that {b} had too much to do and helped {b}.",
            "{~a} helped {b} until the afternoon.",
        ],
        zh_sum: "帮了{b}",
        en_sum: "helped {b}",
    },
    Deed {
        zh: &["{~a}轻轻走近，喂了{+n}。", "有人给{!a}一把草，{~a}喂了{+n}。", "{~a}蹲下来，喂了{+n}。"],
        en: &[
            "{~a} came up softly and fed {+n}.",
            "someone gave {!a} some grass, and {~a} fed {+n}.",
            "{~a} crouched down and fed {+n}.",
        ],
        zh_sum: "喂了{+n}",
        en_sum: "fed {+n}",
    },
    Deed {
        zh: &[
            "{~a}想了想，把{t}送给了{b}。",
            "{b}也在那里，{~a}把{t}送给了{b}。",
            "分别的时候，{~a}把{t}送给了{b}。",
        ],
        en: &[
            "{~a} thought for a while and gave {b} {+t}.",
            "{b} was there, and {~a} gave {b} {+t}.",
            "on parting, {~a} gave {b} {+t}.",
        ],
        zh_sum: "把{t}送给了{b}",
        en_sum: "gave {b} {+t}",
    },
];

const GOING_ZH: [&[&str]; 3] = [
    &["", "", "那天是{+w}。", "{D}，天亮得很早。", "这是镇上的一件小事。"],
    &["{a}去了{p}。", "一大早，{a}去了{p}。", "{a}起得很早，去了{p}。", "{a}放下手里的活，去了{p}。"],
    &[
        "",
        "",
        "路上人很多。",
        "路上{~a}哼着歌。",
        "{l}也在那里，正拿着{+u}。",
        "{l}本来想一起去，可是太忙了。",
        "那里已经很热闹了。",
    ],
];
const GOING_EN: [&[&str]; 3] = [
    &[
        "",
        "",
        "it was {+w}.",
        "on {D} the sun rose early.",
        "this is a small thing that happened in the town.",
    ],
    &[
        "{a} went to the {p}.",
        "after breakfast {a} went to the {p}.",
        "{a} got up early and went to the {p}.",
        "{a} put the work down and went to the {p}.",
    ],
    &[
        "",
        "",
        "the road was full of people.",
        "on the way {~a} hummed a song.",
        "{l} was there too, holding {+u}.",
        "{l} wanted to come along but was too busy.",
        "it was already busy there.",
    ],
];
const ENDING_ZH: [&str; 4] =
    ["{~a}觉得很{f}。", "那一刻，{~a}很{f}。", "回家的路上，{~a}很{f}。", "晚上想起来，{~a}还是很{f}。"];
const ENDING_EN: [&str; 4] = [
    "{~a} felt {f}.",
    "at that moment {~a} was {f}.",
    "on the way home {~a} was {f}.",
    "in the evening {~a} was still {f}.",
];
const ASK_ZH: [&str; 3] = ["用一句话总结：\n", "请总结这个故事：\n", "概括一下：\n"];
const ASK_EN: [&str; 3] =
    ["Summarise in one sentence:\n", "Sum up this story:\n", "What is this about, in one sentence?\n"];

pub(super) fn write(cast: &mut Cast) -> Draft {
    let ask = cast.pick(&ASK_ZH, &ASK_EN);
    cast.push(ask);
    cast.beats(cast.either(&GOING_ZH, &GOING_EN));
    let deed = cast.chooser.pick(&DEEDS);
    let telling = cast.pick(deed.zh, deed.en);
    cast.sentence(telling);
    let ending = cast.pick(&ENDING_ZH, &ENDING_EN);
    cast.sentence(ending);
    let question = cast.take();
    cast.say(cast.either("{a}去{p}", "{a} went to the {p}, "));
    cast.say(cast.either(deed.zh_sum, deed.en_sum));
    cast.say(cast.either("，觉得很{f}。", " and felt {f}."));
    let answer = cast.take();
    Draft::answered(cast.lang, question, answer, Vec::new())
}
