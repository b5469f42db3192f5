//! What words mean: which kind of thing a word names, and how company decides between two meanings.

use shuyuan_text::Message;

use super::cast::Cast;
use super::draft::Draft;
use super::lexicon::{Category, Id, range};

/// How a category is named in a sentence.
const KINDS: [(Category, &str, &str); 9] = [
    (Category::Dish, "一道菜", "a dish"),
    (Category::Animal, "一种动物", "an animal"),
    (Category::Place, "一个地方", "a place"),
    (Category::Fruit, "一种水果", "a fruit"),
    (Category::Colour, "一种颜色", "a colour"),
    (Category::Job, "一种工作", "a job"),
    (Category::Thing, "一样东西", "a thing"),
    (Category::Feeling, "一种心情", "a feeling"),
    (Category::Person, "一个人", "a person"),
];

const ASK_ZH: [&str; 3] = ["{x}是什么？", "“{x}”是什么意思？", "什么是{x}？"];
const ASK_EN: [&str; 3] =
    ["What does \"{x}\" mean?", "What kind of word is \"{x}\"?", "What is meant by \"{x}\"?"];

/// Lines in which company decides what 狮子头 and others are. {x} of the first half is a dish, of the second a
/// head of stone.
const SENSES_ZH: [&str; 16] = [
    "{a}吃了{L}和{d}。",
    "我今天吃了狮子头和蔬菜。",
    "{a}点了{L}，{b}点了{d}。",
    "这家餐馆的狮子头[又大又香|很有名|最好吃]。",
    "{a}会做{L}，也会做{d}。",
    "狮子头是用肉做的，吃起来很软。",
    "{a}看见了石狮子头。",
    "门口的狮子头是石头做的，[不能吃|很重|张着嘴]。",
    "{a}画了一个狮子头，画得像真的。",
    "{a}摸了摸{p}门口的狮子头。",
    "看见的狮子头是石头的，吃的狮子头是一道菜。",
    "杜鹃在树上[叫|唱歌|做窝]，它是一只鸟。",
    "杜鹃[开了|红了满山|谢了]，它是一种花。",
    "{a}打鼓，{b}打伞，都是打，意思不一样。",
    "{a}从苹果树上摘了苹果。",
    "树上有杜鹃，树下也有杜鹃：一个会飞，一个会开花。",
];
const SENSES_EN: [&str; 16] = [
    "{a} ate {L} and {d}.",
    "today I ate lion's head meatballs and vegetables.",
    "{a} ordered {L}, {b} ordered {d}.",
    "the lion's head meatballs here are [big and good|well known|the best].",
    "{a} can cook {L} and {d}.",
    "a lion's head on a plate is made of meat and is soft.",
    "{a} saw the lion's head of stone.",
    "the lion's head at the gate is made of stone and [cannot be eaten|is heavy|has its mouth open].",
    "{a} drew a lion's head, and it looked real.",
    "{a} touched the lion's head at the gate of the {p}.",
    "a lion's head that one sees is of stone; a lion's head that one eats is a dish.",
    "the bat [flew out of the cave|slept all day|came out at night]; it is an animal.",
    "{a} hit the ball with the bat; it is made of wood.",
    "{a} took money to the bank, {b} sat on the bank of the river: two banks, two meanings.",
    "the turkey [ran away|made a noise|ate some corn]; it is an animal.",
    "a duck in the pond is an animal; roast duck is a dish.",
];

pub(super) fn write(cast: &mut Cast) -> Draft {
    match cast.chooser.weighted(&[0.4, 0.25, 0.35]) {
        0 => questions(cast),
        1 => list(cast),
        _ => senses(cast),
    }
}

/// What is 狮子头? A dish. And two or three more.
fn questions(cast: &mut Cast) -> Draft {
    let turns = cast.chooser.between(2, 3);
    let mut messages = Vec::with_capacity(2 * turns);
    for _ in 0..turns {
        question(cast, &mut messages);
    }
    Draft::chat(cast.lang, messages)
}

fn question(cast: &mut Cast, messages: &mut Vec<Message>) {
    let (category, zh, en) = *cast.chooser.pick(&KINDS);
    bind(cast, category);
    let ask = cast.pick(&ASK_ZH, &ASK_EN);
    cast.say(ask);
    let question = cast.take();
    cast.say(cast.either("{x}是", "\"{x}\" is "));
    cast.push(cast.either(zh, en));
    cast.push(cast.either("。", "."));
    // The quoted word itself is not the beginning of a sentence.
    let answer = cast.take_as_is();
    messages.extend([Message::user(question), Message::assistant(answer)]);
}

/// 狮子头是一道菜，猫是一种动物。
fn list(cast: &mut Cast) -> Draft {
    let lines = cast.chooser.between(2, 5);
    for _ in 0..lines {
        let (category, zh, en) = *cast.chooser.pick(&KINDS);
        bind(cast, category);
        match cast.chooser.below(3) {
            0 => {
                cast.sentence(cast.either("{x}是", "the word \"{x}\" names "));
                cast.push(cast.either(zh, en));
            }
            1 => {
                bind_other(cast, category);
                cast.sentence(cast.either("{x}和{X}都是", "\"{x}\" and \"{X}\" each name "));
                cast.push(cast.either(zh, en));
            }
            _ => {
                let others: Vec<_> = KINDS.iter().filter(|kind| kind.0 != category).collect();
                let (_, other_zh, other_en) = **cast.chooser.pick(&others);
                cast.sentence(cast.either("{x}是", "\"{x}\" names "));
                cast.push(cast.either(zh, en));
                cast.push(cast.either("，不是", ", not "));
                cast.push(cast.either(other_zh, other_en));
            }
        }
        cast.push(cast.either("。", "."));
    }
    Draft::text(cast)
}

/// Three to five lines where company decides.
fn senses(cast: &mut Cast) -> Draft {
    let lines: &[&str; 16] = cast.either(&SENSES_ZH, &SENSES_EN);
    let mut order: [usize; 16] = std::array::from_fn(|i| i);
    let told = cast.chooser.between(2, 4);
    cast.get(b'L');
    for i in 0..told {
        order.swap(i, i + cast.chooser.below(16 - i));
        cast.sentence(lines[order[i]]);
    }
    Draft::text(cast)
}

fn bind(cast: &mut Cast, category: Category) {
    let words = range(category);
    let id = cast.choose(words.clone(), |_| true).unwrap_or(words.start);
    cast.set(b'x', id);
}

fn bind_other(cast: &mut Cast, category: Category) {
    let words = range(category);
    let first: Id = cast.get(b'x');
    let id = cast.choose(words.clone(), |id| id != first).unwrap_or(words.start);
    cast.set(b'X', id);
}
