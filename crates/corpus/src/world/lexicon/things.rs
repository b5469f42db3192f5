//! What one can own, and the spots where small things and animals are found.

use super::Category::{Spot, Thing};
use super::Word;

const fn thing(measure: &'static str, zh: &'static str, en: &'static str, plural: &'static str) -> Word {
    Word::counted(Thing, measure, zh, en, plural)
}

const fn spot(zh: &'static str, zh_side: &'static str, en_side: &'static str, en: &'static str) -> Word {
    Word::located(Spot, zh, zh_side, en_side, en)
}

pub(super) const THINGS: [Word; 36] = [
    thing("把", "伞", "umbrella", "umbrellas"),
    thing("本", "书", "book", "books"),
    thing("盏", "灯笼", "lantern", "lanterns"),
    thing("顶", "帽子", "hat", "hats"),
    thing("条", "围巾", "scarf", "scarves"),
    thing("个", "杯子", "cup", "cups"),
    thing("把", "钥匙", "key", "keys"),
    thing("支", "铅笔", "pencil", "pencils"),
    thing("个", "闹钟", "clock", "clocks"),
    thing("只", "风筝", "kite", "kites"),
    thing("个", "篮子", "basket", "baskets"),
    thing("个", "箱子", "suitcase", "suitcases"),
    thing("台", "相机", "camera", "cameras"),
    thing("块", "手表", "watch", "watches"),
    thing("个", "信封", "envelope", "envelopes"),
    thing("张", "地图", "map", "maps"),
    thing("面", "镜子", "mirror", "mirrors"),
    thing("个", "花瓶", "vase", "vases"),
    thing("把", "小提琴", "violin", "violins"),
    thing("支", "笛子", "flute", "flutes"),
    thing("面", "鼓", "drum", "drums"),
    thing("条", "毯子", "blanket", "blankets"),
    thing("个", "球", "ball", "balls"),
    thing("辆", "自行车", "bicycle", "bicycles"),
    thing("架", "梯子", "ladder", "ladders"),
    thing("支", "蜡烛", "candle", "candles"),
    thing("把", "茶壶", "teapot", "teapots"),
    thing("个", "枕头", "pillow", "pillows"),
    thing("张", "邮票", "stamp", "stamps"),
    thing("枚", "硬币", "coin", "coins"),
    thing("架", "望远镜", "telescope", "telescopes"),
    thing("个", "背包", "backpack", "backpacks"),
    thing("件", "外套", "coat", "coats"),
    thing("条", "裙子", "dress", "dresses"),
    thing("把", "扇子", "fan", "fans"),
    thing("把", "锤子", "hammer", "hammers"),
];

pub(super) const SPOTS: [Word; 18] = [
    spot("垫子", "上", "on", "mat"),
    spot("桌子", "上", "on", "table"),
    spot("椅子", "下面", "under", "chair"),
    spot("屋顶", "上", "on", "roof"),
    spot("床", "上", "on", "bed"),
    spot("盒子", "里", "in", "box"),
    spot("抽屉", "里", "in", "drawer"),
    spot("书架", "上", "on", "bookshelf"),
    spot("窗台", "上", "on", "windowsill"),
    spot("沙发", "后面", "behind", "sofa"),
    spot("大树", "下面", "under", "tree"),
    spot("门", "后面", "behind", "door"),
    spot("小桥", "下面", "under", "bridge"),
    spot("楼梯", "上", "on", "stairs"),
    spot("柜子", "里", "in", "cupboard"),
    spot("草地", "上", "on", "grass"),
    spot("石墙", "上", "on", "wall"),
    spot("小船", "里", "in", "boat"),
];
