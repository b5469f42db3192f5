//! The animals of the town, its farms and its zoo.

use super::{Category, Word};

const fn animal(measure: &'static str, zh: &'static str, en: &'static str, plural: &'static str) -> Word {
    Word::counted(Category::Animal, measure, zh, en, plural)
}

pub(super) const ANIMALS: [Word; 36] = [
    animal("只", "猫", "cat", "cats"),
    animal("只", "狗", "dog", "dogs"),
    animal("只", "兔子", "rabbit", "rabbits"),
    animal("只", "鸟", "bird", "birds"),
    animal("匹", "马", "horse", "horses"),
    animal("头", "牛", "cow", "cows"),
    animal("只", "羊", "sheep", "sheep"),
    animal("头", "猪", "pig", "pigs"),
    animal("只", "鸭子", "duck", "ducks"),
    animal("只", "鹅", "goose", "geese"),
    animal("只", "母鸡", "hen", "hens"),
    animal("只", "公鸡", "rooster", "roosters"),
    animal("只", "火鸡", "turkey", "turkeys"),
    animal("只", "老虎", "tiger", "tigers"),
    animal("头", "狮子", "lion", "lions"),
    animal("头", "大象", "elephant", "elephants"),
    animal("只", "猴子", "monkey", "monkeys"),
    animal("只", "熊猫", "panda", "pandas"),
    animal("只", "狐狸", "fox", "foxes"),
    animal("只", "狼", "wolf", "wolves"),
    animal("只", "松鼠", "squirrel", "squirrels"),
    animal("只", "刺猬", "hedgehog", "hedgehogs"),
    animal("只", "乌龟", "turtle", "turtles"),
    animal("只", "青蛙", "frog", "frogs"),
    animal("条", "金鱼", "goldfish", "goldfish"),
    animal("条", "蛇", "snake", "snakes"),
    animal("只", "蝴蝶", "butterfly", "butterflies"),
    animal("只", "蜜蜂", "bee", "bees"),
    animal("只", "老鼠", "mouse", "mice"),
    animal("只", "鹦鹉", "parrot", "parrots"),
    animal("只", "猫头鹰", "owl", "owls"),
    animal("只", "蝙蝠", "bat", "bats"),
    animal("头", "鹿", "deer", "deer"),
    animal("匹", "骆驼", "camel", "camels"),
    animal("只", "孔雀", "peacock", "peacocks"),
    animal("只", "企鹅", "penguin", "penguins"),
];
