//! When things happen, and what the sky is like.

use super::Category::{Day, Future, Habit, Past, Weather};
use super::Word;

const fn weather(zh: &'static str, en: &'static str, plural: &'static str) -> Word {
    Word::counted(Weather, "个", zh, en, plural)
}

pub(super) const WEATHERS: [Word; 8] = [
    weather("晴天", "sunny day", "sunny days"),
    weather("雨天", "rainy day", "rainy days"),
    weather("雪天", "snowy day", "snowy days"),
    weather("大风天", "windy day", "windy days"),
    weather("雾天", "foggy day", "foggy days"),
    weather("阴天", "cloudy day", "cloudy days"),
    weather("热天", "hot day", "hot days"),
    weather("冷天", "cold day", "cold days"),
];

pub(super) const DAYS: [Word; 7] = [
    Word::new(Day, "星期一", "Monday"),
    Word::new(Day, "星期二", "Tuesday"),
    Word::new(Day, "星期三", "Wednesday"),
    Word::new(Day, "星期四", "Thursday"),
    Word::new(Day, "星期五", "Friday"),
    Word::new(Day, "星期六", "Saturday"),
    Word::new(Day, "星期天", "Sunday"),
];

pub(super) const PAST: [Word; 9] = [
    Word::new(Past, "昨天", "yesterday"),
    Word::new(Past, "上周", "last week"),
    Word::new(Past, "今天早上", "this morning"),
    Word::new(Past, "昨晚", "last night"),
    Word::new(Past, "前天", "two days ago"),
    Word::new(Past, "去年夏天", "last summer"),
    Word::new(Past, "上个月", "last month"),
    Word::new(Past, "三天前", "three days ago"),
    Word::new(Past, "今天下午", "this afternoon"),
];

pub(super) const FUTURE: [Word; 7] = [
    Word::new(Future, "明天", "tomorrow"),
    Word::new(Future, "下周", "next week"),
    Word::new(Future, "今晚", "tonight"),
    Word::new(Future, "明年春天", "next spring"),
    Word::new(Future, "下个月", "next month"),
    Word::new(Future, "后天", "the day after tomorrow"),
    Word::new(Future, "下个周末", "next weekend"),
];

pub(super) const HABITS: [Word; 7] = [
    Word::new(Habit, "每天", "every day"),
    Word::new(Habit, "每天早上", "every morning"),
    Word::new(Habit, "每个周末", "every weekend"),
    Word::new(Habit, "每年冬天", "every winter"),
    Word::new(Habit, "每个星期", "every week"),
    Word::new(Habit, "每个月", "every month"),
    Word::new(Habit, "每年夏天", "every summer"),
];
