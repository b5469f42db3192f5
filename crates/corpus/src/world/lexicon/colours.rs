//! Colours, and what each calls to mind.

use super::Category::{Colour, Quality};
use super::Word;

const fn colour(zh: &'static str, en: &'static str) -> Word {
    Word::new(Colour, zh, en)
}

const fn quality(zh: &'static str, en: &'static str) -> Word {
    Word::new(Quality, zh, en)
}

pub(super) const COLOURS: [Word; 12] = [
    colour("红色", "red"),
    colour("蓝色", "blue"),
    colour("绿色", "green"),
    colour("黄色", "yellow"),
    colour("白色", "white"),
    colour("黑色", "black"),
    colour("粉色", "pink"),
    colour("紫色", "purple"),
    colour("橙色", "orange"),
    colour("灰色", "grey"),
    colour("棕色", "brown"),
    colour("金色", "golden"),
];

/// Three for each colour, in the order of [`COLOURS`]; no two colours share one.
pub(super) const QUALITIES: [Word; 36] = [
    quality("温暖", "warm"),
    quality("强烈", "strong"),
    quality("热情", "passionate"),
    quality("平静", "calm"),
    quality("清凉", "cool"),
    quality("辽阔", "vast"),
    quality("新鲜", "fresh"),
    quality("年轻", "young"),
    quality("茂盛", "lush"),
    quality("明亮", "bright"),
    quality("欢快", "cheerful"),
    quality("耀眼", "dazzling"),
    quality("干净", "clean"),
    quality("纯洁", "pure"),
    quality("安静", "quiet"),
    quality("神秘", "mysterious"),
    quality("庄重", "solemn"),
    quality("深沉", "deep"),
    quality("温柔", "gentle"),
    quality("甜美", "sweet"),
    quality("可爱", "lovely"),
    quality("高贵", "noble"),
    quality("优雅", "elegant"),
    quality("梦幻", "dreamy"),
    quality("活泼", "lively"),
    quality("热闹", "merry"),
    quality("开朗", "sunny"),
    quality("朴素", "plain"),
    quality("冷清", "bleak"),
    quality("低调", "modest"),
    quality("踏实", "steady"),
    quality("厚重", "heavy"),
    quality("古老", "ancient"),
    quality("辉煌", "splendid"),
    quality("富贵", "rich"),
    quality("珍贵", "precious"),
];

/// What a colour is seen on: five scenes each, in the order of [`COLOURS`], in both languages. Colour and
/// quality stand before the same scenes (红色的火焰, 温暖的火焰), which is what brings them close.
pub(crate) struct Association {
    pub zh: [&'static str; 5],
    pub en: [&'static str; 5],
}

const fn association(zh: [&'static str; 5], en: [&'static str; 5]) -> Association {
    Association { zh, en }
}

pub(crate) const ASSOCIATIONS: [Association; 12] = [
    association(
        ["火焰", "晚霞", "炉火", "辣椒", "玫瑰"],
        ["flames", "evening glow", "hearth fire", "chillies", "roses"],
    ),
    association(
        ["大海", "天空", "湖水", "远山", "泉水"],
        ["sea", "sky", "lake", "distant hills", "spring water"],
    ),
    association(
        ["树叶", "森林", "稻田", "竹林", "嫩芽"],
        ["leaves", "forest", "rice fields", "bamboo grove", "young shoots"],
    ),
    association(
        ["阳光", "向日葵", "油菜花", "星星", "小鸡"],
        ["sunshine", "sunflowers", "rape flowers", "stars", "chicks"],
    ),
    association(
        ["雪花", "云朵", "床单", "百合", "月光"],
        ["snowflakes", "clouds", "bed sheets", "lilies", "moonlight"],
    ),
    association(["夜晚", "山洞", "墨水", "礼服", "乌鸦"], ["night", "cave", "ink", "evening suit", "crows"]),
    association(
        ["桃花", "樱花", "棉花糖", "脸颊", "糖果"],
        ["peach blossoms", "cherry blossoms", "cotton candy", "cheeks", "sweets"],
    ),
    association(
        ["丁香", "紫藤", "薰衣草", "丝绸", "水晶"],
        ["lilacs", "wisteria", "lavender", "silk", "crystals"],
    ),
    association(
        ["橘子", "南瓜", "篝火", "朝阳", "胡萝卜"],
        ["tangerines", "pumpkins", "bonfire", "morning sun", "carrots"],
    ),
    association(
        ["雨云", "石板路", "大雾", "旧瓦", "鸽子"],
        ["rain clouds", "stone road", "thick fog", "old tiles", "pigeons"],
    ),
    association(
        ["泥土", "木门", "树干", "老家具", "咖啡豆"],
        ["soil", "wooden doors", "tree trunks", "old furniture", "coffee beans"],
    ),
    association(
        ["麦田", "宫殿", "奖杯", "皇冠", "稻穗"],
        ["wheat fields", "palace", "trophies", "crowns", "ears of rice"],
    ),
];
