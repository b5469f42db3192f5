//! Additions and subtractions of two digits, digit by digit.

use std::fmt::Write;

use super::cast::Cast;
use super::draft::Draft;
use super::items::{SO_EN, SO_ZH};
use super::{Lang, Split, WorldConfig};

const PLAIN_PLUS_ZH: [&str; 4] = ["{1}+{2}=？", "{1}加{2}等于几？", "算一算：{1}+{2}", "{1}+{2}等于多少？"];
const PLAIN_PLUS_EN: [&str; 4] =
    ["{1}+{2}=?", "What is {1} plus {2}?", "Work out {1}+{2}", "How much is {1}+{2}?"];
const PLAIN_MINUS_ZH: [&str; 4] = ["{1}-{2}=？", "{1}减{2}等于几？", "算一算：{1}-{2}", "{1}-{2}等于多少？"];
const PLAIN_MINUS_EN: [&str; 4] =
    ["{1}-{2}=?", "What is {1} minus {2}?", "Work out {1}-{2}", "How much is {1}-{2}?"];

const STORY_PLUS_ZH: [&str; 5] = [
    "{a}有{1}{%o}{o}，又买了{2}{%o}。现在有几{%o}{o}？",
    "{a}摘了{1}{%o}{o}，{b}摘了{2}{%o}。一共有几{%o}？",
    "篮子里有{1}{%o}{o}，{a}又放进去{2}{%o}。现在有几{%o}？",
    "{a}数了{1}{#t}，{b}数了{2}{%t}。一共有几{#t}？",
    "店里有{1}{#t}，{D}又来了{2}{%t}。现在有几{%t}？",
];
const STORY_PLUS_EN: [&str; 5] = [
    "{a} has {1} {#o} and buys {2} more. How many {#o} does {~a} have now?",
    "{a} picks {1} {#o}, and {b} picks {2}. How many {#o} is that together?",
    "there are {1} {#o} in the basket. {a} puts in {2} more. How many are there now?",
    "{a} counts {1} {#t}, and {b} counts {2}. How many {#t} is that together?",
    "the shop has {1} {#t}. On {D} it gets {2} more. How many does it have now?",
];
const STORY_MINUS_ZH: [&str; 5] = [
    "{a}有{1}{%o}{o}，给了{b}{2}{%o}。还剩几{%o}？",
    "{a}摘了{1}{%o}{o}，吃了{2}{%o}。还剩几{%o}{o}？",
    "篮子里有{1}{%o}{o}，{a}拿走了{2}{%o}。还剩几{%o}？",
    "店里有{1}{#t}，{D}卖了{2}{%t}。还剩几{#t}？",
    "{a}有{1}{#t}，丢了{2}{%t}。还剩几{%t}？",
];
const STORY_MINUS_EN: [&str; 5] = [
    "{a} has {1} {#o} and gives {2} to {b}. How many {#o} are left?",
    "{a} picks {1} {#o} and eats {2}. How many {#o} are left?",
    "there are {1} {#o} in the basket. {a} takes out {2}. How many are left?",
    "the shop has {1} {#t}. On {D} it sells {2}. How many {#t} are left?",
    "{a} has {1} {#t} and loses {2}. How many are left?",
];

pub(super) fn write(cast: &mut Cast, config: &WorldConfig) -> Draft {
    let minus = cast.chooser.chance(config.subtractions);
    let operator = if minus { '-' } else { '+' };
    let [a, b] = numbers(cast, operator);
    cast.numbers = [a, b];
    cast.sums.push((operator, a, b));
    let story = cast.chooser.chance(config.word_problems);
    let template = match (story, minus) {
        (false, false) => cast.pick(&PLAIN_PLUS_ZH, &PLAIN_PLUS_EN),
        (false, true) => cast.pick(&PLAIN_MINUS_ZH, &PLAIN_MINUS_EN),
        (true, false) => cast.pick(&STORY_PLUS_ZH, &STORY_PLUS_EN),
        (true, true) => cast.pick(&STORY_MINUS_ZH, &STORY_MINUS_EN),
    };
    cast.sentence(template);
    let question = cast.take();
    let result = if minus { a - b } else { a + b };
    let mut answer = String::with_capacity(96);
    if config.working {
        working(&mut answer, cast.lang, operator, a, b);
        answer.push_str(cast.either(SO_ZH, SO_EN));
    }
    // Writing to a String does not fail.
    let _ = write!(answer, "{result}{}", cast.either("。", "."));
    Draft::answered(
        cast.lang,
        question,
        answer,
        vec![result.to_string(), format!("{a}{operator}{b}={result}")],
    )
}

/// Two numbers of two digits that the split allows; the larger first where one is taken away.
fn numbers(cast: &mut Cast, operator: char) -> [u32; 2] {
    let test = cast.split == Split::Test;
    let before = cast.chooser.nats();
    loop {
        let pair = [cast.chooser.between(10, 99) as u32, cast.chooser.between(10, 99) as u32];
        let [a, b] = if operator == '-' { [pair[0].max(pair[1]), pair[0].min(pair[1])] } else { pair };
        if (operator == '+' || a > b) && cast.ground.is_sum_held(operator, a, b) == test {
            // What was rejected is not in the text: one pair of about nine tenths, or one tenth, of all.
            let pairs: f64 = if operator == '-' { 4005.0 } else { 8100.0 };
            cast.chooser.recount(before + (pairs * if test { 0.1 } else { 0.9 }).ln());
            return [a, b];
        }
    }
}

/// 个位：7+8=15，写5进1。十位：3+4+1=8。
fn working(out: &mut String, lang: Lang, operator: char, a: u32, b: u32) {
    let (a1, a0, b1, b0) = (a / 10, a % 10, b / 10, b % 10);
    let zh = lang == Lang::Zh;
    let _ = if operator == '+' {
        let ones = a0 + b0;
        let tens = a1 + b1 + ones / 10;
        let write = ones % 10;
        match (zh, ones > 9) {
            (true, true) => write!(out, "个位：{a0}+{b0}={ones}，写{write}进1。十位：{a1}+{b1}+1={tens}。"),
            (true, false) => write!(out, "个位：{a0}+{b0}={ones}，写{write}。十位：{a1}+{b1}={tens}。"),
            (false, true) => {
                write!(out, "Ones: {a0}+{b0}={ones}, write {write}, carry 1. Tens: {a1}+{b1}+1={tens}. ")
            }
            (false, false) => write!(out, "Ones: {a0}+{b0}={ones}, write {write}. Tens: {a1}+{b1}={tens}. "),
        }
    } else if a0 >= b0 {
        let (ones, tens) = (a0 - b0, a1 - b1);
        match zh {
            true => write!(out, "个位：{a0}-{b0}={ones}，写{ones}。十位：{a1}-{b1}={tens}。"),
            false => write!(out, "Ones: {a0}-{b0}={ones}, write {ones}. Tens: {a1}-{b1}={tens}. "),
        }
    } else {
        let (more, ones, tens) = (a0 + 10, a0 + 10 - b0, a1 - 1 - b1);
        match zh {
            true => write!(out, "个位：{more}-{b0}={ones}，写{ones}借1。十位：{a1}-{b1}-1={tens}。"),
            false => {
                write!(out, "Ones: {more}-{b0}={ones}, write {ones}, borrow 1. Tens: {a1}-{b1}-1={tens}. ")
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn working_carries_and_borrows() {
        let worked = |lang, operator, a, b| {
            let mut out = String::new();
            working(&mut out, lang, operator, a, b);
            out
        };
        assert_eq!(worked(Lang::Zh, '+', 37, 48), "个位：7+8=15，写5进1。十位：3+4+1=8。");
        assert_eq!(worked(Lang::En, '+', 90, 19), "Ones: 0+9=9, write 9. Tens: 9+1=10. ");
        assert_eq!(worked(Lang::Zh, '-', 83, 38), "个位：13-8=5，写5借1。十位：8-3-1=4。");
        assert_eq!(worked(Lang::En, '-', 58, 50), "Ones: 8-0=8, write 8. Tens: 5-5=0. ");
    }
}
