//! Pages of a diary. Whoever writes is 我 or "I", so only others are cast.

use super::cast::Cast;
use super::draft::Draft;

const PAGE_ZH: [&[&str]; 6] = [
    &[
        "{D}，{w}。",
        "今天是{D}。",
        "{D}，{w}。天很[高|低|蓝]。",
        "[三月|五月|七月|九月|十一月][三日|八日|十二日|二十日|二十七日]，{w}。",
    ],
    &[
        "我今天吃了{d}和{e}。",
        "早上我吃了{d}，中午吃了{e}。",
        "[妈妈|奶奶|爸爸]做了{d}，我[吃了很多|一口也没剩]。",
        "中午在{q}吃了{d}，[味道不错|有点咸|太好吃了]。",
    ],
    &[
        "我去了{p}，[人很多|很安静]。",
        "下午我{@p}看见了{a}。",
        "我和{a}去了{p}。",
        "回家以后我[看了一会儿书|睡了一觉|写了一页字]。",
    ],
    &[
        "",
        "{+n}{@s}，看了我很久。",
        "{a}说{~a}想当{+j}。",
        "{a}给了我{+t}。",
        "我买了一{%t}{c}的{t}。",
        "我的{t}丢了，找了半天。",
    ],
    &["", "{b}也来了，我们[下棋|唱歌|喝茶]。", "我给{b}写了一封信。", "{b}说{z}要去{q}。"],
    &[
        "我觉得很{f}。",
        "[今天|这一天]过得真快。",
        "晚上有月亮，我很{f}。",
        "{z}我想吃{e}。",
        "睡吧，明天还要早起。",
    ],
];
const PAGE_EN: [&[&str]; 6] = [
    &[
        "{D}, {+w}.",
        "today is {D}.",
        "{D}, {+w}. The sky is [high|low|blue].",
        "[March|May|July|September|November] [3|8|12|20|27], {+w}.",
    ],
    &[
        "I ate {d} and {e} today.",
        "I had {d} in the morning and {e} at noon.",
        "[Mother|Grandmother|Father] cooked {d}, and I [ate a lot|ate it all].",
        "at noon I ate {d} {@q}; it was [not bad|too salty|so good].",
    ],
    &[
        "I went to the {p}, and it was [full of people|quiet].",
        "in the afternoon I saw {a} {@p}.",
        "I went to the {p} with {a}.",
        "then I went home and [read|slept|wrote] for a while.",
    ],
    &[
        "",
        "{+n} {@s} looked at me for a long time.",
        "{a} says that {~a} wants to be {+j}.",
        "{a} gave me {+t}.",
        "I bought {+c} {t}.",
        "I lost my {t} and looked for it for hours.",
    ],
    &[
        "",
        "{b} came too, and we [played chess|sang|had tea].",
        "I wrote a letter to {b}.",
        "{b} says that {z} {~b} will go to the {q}.",
    ],
    &[
        "I feel {f}.",
        "[today|the day] went by so fast.",
        "the moon is out tonight, and I am {f}.",
        "{z} I want to eat {e}.",
        "now to sleep, for I must be up early.",
    ],
];

pub(super) fn write(cast: &mut Cast) -> Draft {
    cast.beats(cast.either(&PAGE_ZH, &PAGE_EN));
    Draft::text(cast)
}
