//! Who lives in the town, what they do, how they feel and what they are to each other.

use super::Category::{Feeling, Job, Tie};
use super::Pronoun::{He, She};
use super::Word;

const fn job(zh: &'static str, en: &'static str, plural: &'static str) -> Word {
    Word::counted(Job, "位", zh, en, plural)
}

/// No two begin with the same character, so that a name is told apart at its first token.
pub(super) const PEOPLE: [Word; 42] = [
    Word::person("明明", "Mingming", He),
    Word::person("安娜", "Anna", She),
    Word::person("汤姆", "Tom", He),
    Word::person("露西", "Lucy", She),
    Word::person("彼得", "Peter", He),
    Word::person("玛丽", "Mary", She),
    Word::person("大卫", "David", He),
    Word::person("子涵", "Zihan", She),
    Word::person("雨桐", "Yutong", She),
    Word::person("建国", "Jianguo", He),
    Word::person("丽华", "Lihua", She),
    Word::person("志强", "Zhiqiang", He),
    Word::person("秀英", "Xiuying", She),
    Word::person("思远", "Siyuan", He),
    Word::person("佳怡", "Jiayi", She),
    Word::person("海燕", "Haiyan", She),
    Word::person("文静", "Wenjing", She),
    Word::person("冬梅", "Dongmei", She),
    Word::person("春生", "Chunsheng", He),
    Word::person("老王", "Wang", He),
    Word::person("小红", "Xiaohong", She),
    Word::person("保罗", "Paul", He),
    Word::person("艾玛", "Emma", She),
    Word::person("杰克", "Jack", He),
    Word::person("苏珊", "Susan", She),
    Word::person("贝拉", "Bella", She),
    Word::person("凯特", "Kate", She),
    Word::person("里奥", "Leo", He),
    Word::person("诺拉", "Nora", She),
    Word::person("莉莉", "Lily", She),
    Word::person("奥斯卡", "Oscar", He),
    Word::person("伊万", "Ivan", He),
    Word::person("乐乐", "Lele", He),
    Word::person("晨晨", "Chenchen", She),
    Word::person("天宇", "Tianyu", He),
    Word::person("若兰", "Ruolan", She),
    Word::person("阿福", "Afu", He),
    Word::person("浩然", "Haoran", He),
    Word::person("玉珍", "Yuzhen", She),
    Word::person("马丁", "Martin", He),
    Word::person("菲比", "Phoebe", She),
    Word::person("卢克", "Luke", He),
];

pub(super) const JOBS: [Word; 24] = [
    job("医生", "doctor", "doctors"),
    job("老师", "teacher", "teachers"),
    job("厨师", "cook", "cooks"),
    job("画家", "painter", "painters"),
    job("木匠", "carpenter", "carpenters"),
    job("护士", "nurse", "nurses"),
    job("司机", "driver", "drivers"),
    job("农民", "farmer", "farmers"),
    job("渔夫", "fisherman", "fishermen"),
    job("裁缝", "tailor", "tailors"),
    job("邮递员", "postman", "postmen"),
    job("音乐家", "musician", "musicians"),
    job("作家", "writer", "writers"),
    job("诗人", "poet", "poets"),
    job("园丁", "gardener", "gardeners"),
    job("面包师", "baker", "bakers"),
    job("警察", "police officer", "police officers"),
    job("工程师", "engineer", "engineers"),
    job("水手", "sailor", "sailors"),
    job("铁匠", "blacksmith", "blacksmiths"),
    job("钟表匠", "watchmaker", "watchmakers"),
    job("学者", "scholar", "scholars"),
    job("牙医", "dentist", "dentists"),
    job("演员", "actor", "actors"),
];

/// Each can follow 很.
pub(super) const FEELINGS: [Word; 16] = [
    Word::new(Feeling, "高兴", "happy"),
    Word::new(Feeling, "难过", "sad"),
    Word::new(Feeling, "生气", "angry"),
    Word::new(Feeling, "害怕", "afraid"),
    Word::new(Feeling, "累", "tired"),
    Word::new(Feeling, "兴奋", "excited"),
    Word::new(Feeling, "骄傲", "proud"),
    Word::new(Feeling, "孤单", "lonely"),
    Word::new(Feeling, "惊讶", "surprised"),
    Word::new(Feeling, "放松", "relaxed"),
    Word::new(Feeling, "紧张", "nervous"),
    Word::new(Feeling, "满足", "content"),
    Word::new(Feeling, "着急", "worried"),
    Word::new(Feeling, "无聊", "bored"),
    Word::new(Feeling, "感动", "moved"),
    Word::new(Feeling, "好奇", "curious"),
];

pub(super) const TIES: [Word; 5] = [
    Word::new(Tie, "朋友", "friend"),
    Word::new(Tie, "邻居", "neighbour"),
    Word::new(Tie, "同桌", "deskmate"),
    Word::new(Tie, "同事", "colleague"),
    Word::new(Tie, "室友", "roommate"),
];
