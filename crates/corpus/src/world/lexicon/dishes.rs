//! What the town eats. English dishes are uncounted or plural, so that none takes an article.

use super::Category::{Dish, Fruit};
use super::Word;

const fn dish(zh: &'static str, en: &'static str) -> Word {
    Word::new(Dish, zh, en)
}

const fn fruit(zh: &'static str, en: &'static str, plural: &'static str) -> Word {
    Word::counted(Fruit, "个", zh, en, plural)
}

pub(super) const DISHES: [Word; 54] = [
    dish("狮子头", "lion's head meatballs"),
    dish("蔬菜", "vegetables"),
    dish("饺子", "dumplings"),
    dish("面条", "noodles"),
    dish("炒饭", "fried rice"),
    dish("包子", "steamed buns"),
    dish("豆腐", "tofu"),
    dish("烤鸭", "roast duck"),
    dish("火锅", "hot pot"),
    dish("馄饨", "wontons"),
    dish("汤圆", "rice balls"),
    dish("春卷", "spring rolls"),
    dish("沙拉", "salad"),
    dish("披萨", "pizza"),
    dish("汉堡", "hamburgers"),
    dish("三明治", "sandwiches"),
    dish("牛排", "steak"),
    dish("咖喱", "curry"),
    dish("寿司", "sushi"),
    dish("蛋糕", "cake"),
    dish("饼干", "biscuits"),
    dish("鱼汤", "fish soup"),
    dish("红烧肉", "braised pork"),
    dish("糖醋鱼", "sweet and sour fish"),
    dish("粽子", "sticky rice"),
    dish("月饼", "mooncakes"),
    dish("煎饼", "pancakes"),
    dish("米粥", "porridge"),
    dish("宫保鸡丁", "kung pao chicken"),
    dish("烧卖", "shumai"),
    dish("酸辣汤", "hot and sour soup"),
    dish("烤肉", "barbecue"),
    dish("布丁", "pudding"),
    dish("意面", "spaghetti"),
    dish("奶酪", "cheese"),
    dish("土豆泥", "mashed potatoes"),
    dish("麻婆豆腐", "mapo tofu"),
    dish("番茄炒蛋", "tomatoes and eggs"),
    dish("小笼包", "soup dumplings"),
    dish("葱油饼", "scallion pancakes"),
    dish("牛肉面", "beef noodles"),
    dish("鸡汤", "chicken soup"),
    dish("烤鱼", "grilled fish"),
    dish("煮玉米", "boiled corn"),
    dish("炸鸡", "fried chicken"),
    dish("蒸鱼", "steamed fish"),
    dish("虾饺", "shrimp dumplings"),
    dish("苹果派", "apple pie"),
    dish("煎蛋", "fried eggs"),
    dish("炖牛肉", "beef stew"),
    dish("糯米藕", "stuffed lotus root"),
    dish("油条", "dough sticks"),
    dish("豆沙包", "bean buns"),
    dish("炒面", "fried noodles"),
];

pub(super) const FRUITS: [Word; 16] = [
    fruit("苹果", "apple", "apples"),
    fruit("梨", "pear", "pears"),
    fruit("桃子", "peach", "peaches"),
    fruit("橙子", "orange", "oranges"),
    fruit("柠檬", "lemon", "lemons"),
    fruit("杏子", "apricot", "apricots"),
    fruit("李子", "plum", "plums"),
    fruit("芒果", "mango", "mangoes"),
    fruit("柿子", "persimmon", "persimmons"),
    fruit("石榴", "pomegranate", "pomegranates"),
    fruit("椰子", "coconut", "coconuts"),
    fruit("木瓜", "papaya", "papayas"),
    fruit("无花果", "fig", "figs"),
    fruit("荔枝", "lychee", "lychees"),
    fruit("樱桃", "cherry", "cherries"),
    fruit("柚子", "pomelo", "pomelos"),
];
