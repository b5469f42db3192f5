//! Where one can go in the town. Each takes "the" in English and 在 in Chinese.

use super::{Category, Word};

const fn place(zh: &'static str, en_side: &'static str, en: &'static str) -> Word {
    Word::located(Category::Place, zh, "", en_side, en)
}

pub(super) const PLACES: [Word; 42] = [
    place("市场", "at", "market"),
    place("图书馆", "in", "library"),
    place("公园", "in", "park"),
    place("学校", "at", "school"),
    place("医院", "at", "hospital"),
    place("车站", "at", "station"),
    place("茶馆", "in", "teahouse"),
    place("面包店", "at", "bakery"),
    place("书店", "in", "bookshop"),
    place("河边", "at", "riverside"),
    place("博物馆", "in", "museum"),
    place("剧院", "at", "theatre"),
    place("邮局", "at", "post office"),
    place("花园", "in", "garden"),
    place("操场", "in", "playground"),
    place("餐馆", "in", "restaurant"),
    place("农场", "on", "farm"),
    place("港口", "at", "harbour"),
    place("山顶", "on", "hilltop"),
    place("海滩", "on", "beach"),
    place("银行", "at", "bank"),
    place("动物园", "at", "zoo"),
    place("书院", "at", "academy"),
    place("工厂", "at", "factory"),
    place("教室", "in", "classroom"),
    place("广场", "in", "square"),
    place("果园", "in", "orchard"),
    place("寺庙", "at", "temple"),
    place("超市", "at", "supermarket"),
    place("咖啡馆", "in", "coffee house"),
    place("游泳池", "at", "swimming pool"),
    place("森林", "in", "forest"),
    place("机场", "at", "airport"),
    place("电影院", "at", "cinema"),
    place("药店", "at", "pharmacy"),
    place("花店", "in", "flower shop"),
    place("体育馆", "in", "gym"),
    place("码头", "on", "pier"),
    place("旅馆", "in", "hotel"),
    place("磨坊", "at", "mill"),
    place("钟楼", "in", "clock tower"),
    place("葡萄园", "in", "vineyard"),
];
