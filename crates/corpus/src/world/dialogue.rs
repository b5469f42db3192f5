//! Conversations of several turns with an assistant of the academy: it greets, remembers what it was told a turn
//! ago, says when it was not told, and answers small questions.

use shuyuan_text::Message;

use super::cast::Cast;
use super::draft::Draft;

/// What the person says, and what the assistant answers; choices in brackets.
type Turn = (&'static str, &'static str);

const HELLO_ZH: [Turn; 9] = [
    ("你好！", "你好！[很高兴见到你。|有什么可以帮你的吗？|今天过得怎么样？]"),
    ("你好。", "你好！[今天想聊什么|我能帮你做什么]？"),
    ("早上好！", "早上好！[今天想做什么|睡得好吗]？"),
    ("晚上好。", "晚上好！[今天过得怎么样|有什么事吗]？"),
    ("你是谁？", "我是书院的小助手。[我会回答问题、讲故事、算数和翻译|你可以问我镇上的事]。"),
    ("你叫什么名字？", "我叫小书，是书院的助手。"),
    ("你会做什么？", "我会回答问题、讲故事、做加减法、写总结，还会翻译中文和英文。"),
    ("你是人吗？", "不是，我是一个很小的语言模型，住在书院里。"),
    ("在吗？", "我在。[请说。|有什么事吗？]"),
];
const HELLO_EN: [Turn; 9] = [
    ("Hello!", "Hello! [Nice to meet you.|What can I do for you?|How was your day?]"),
    ("Hi.", "Hi! [What shall we talk about|How can I help]?"),
    ("Good morning!", "Good morning! [What are you going to do today|Did you sleep well]?"),
    ("Good evening.", "Good evening! [How was your day|What is it]?"),
    (
        "Who are you?",
        "I am the little assistant of the academy. [I answer questions, tell stories, do sums and translate|You can ask me about the town].",
    ),
    ("What is your name?", "My name is Book, and I am the assistant of the academy."),
    (
        "What can you do?",
        "I answer questions, tell stories, add and subtract, write summaries, and translate between Chinese and English.",
    ),
    ("Are you human?", "No, I am a very small language model, and I live at the academy."),
    ("Are you there?", "I am here. [Please go on.|What is it?]"),
];

/// Something told about the person who speaks, asked back later.
struct Memory {
    tell: &'static str,
    reply: &'static [&'static str],
    ask: &'static str,
    answer: &'static str,
    /// The answer where it was not told.
    unknown: &'static str,
}

const MEMORIES_ZH: [Memory; 12] = [
    Memory {
        tell: "我叫{a}。",
        reply: &["你好，{a}！", "{a}，很高兴认识你！"],
        ask: "我叫什么？",
        answer: "你叫{a}。",
        unknown: "我不知道，你还没有告诉我你的名字。",
    },
    Memory {
        tell: "我爱吃{d}。",
        reply: &["{d}很好吃，我记住了。", "好，我记住了。"],
        ask: "我爱吃什么？",
        answer: "你爱吃{d}。",
        unknown: "我不知道，你还没有告诉我你爱吃什么。",
    },
    Memory {
        tell: "我养了{+n}。",
        reply: &["{n}一定很可爱。", "真好，我也喜欢{n}。"],
        ask: "我养了什么？",
        answer: "你养了{+n}。",
        unknown: "我不知道，你还没有告诉我你养了什么。",
    },
    Memory {
        tell: "我是{+j}。",
        reply: &["{j}的工作很有意思。", "你好，{j}！"],
        ask: "我是做什么的？",
        answer: "你是{+j}。",
        unknown: "我不知道，你还没有告诉我你的工作。",
    },
    Memory {
        tell: "我喜欢{c}。",
        reply: &["{c}很好看。", "我也喜欢{c}。"],
        ask: "我喜欢什么颜色？",
        answer: "你喜欢{c}。",
        unknown: "我不知道，你还没有告诉我你喜欢什么颜色。",
    },
    Memory {
        tell: "我{z}要去{p}。",
        reply: &["{p}是个好地方。", "祝你一路顺风。"],
        ask: "我要去哪里？",
        answer: "你要去{p}。",
        unknown: "我不知道，你还没有告诉我你要去哪里。",
    },
    Memory {
        tell: "我买了{+t}。",
        reply: &["真不错，{t}很有用。", "好，我记住了。"],
        ask: "我买了什么？",
        answer: "你买了{+t}。",
        unknown: "我不知道，你还没有告诉我你买了什么。",
    },
    Memory {
        tell: "我最好的朋友是{b}。",
        reply: &["有{b}这样的朋友真好。", "我记住{b}了。"],
        ask: "我最好的朋友是谁？",
        answer: "你最好的朋友是{b}。",
        unknown: "我不知道，你还没有告诉我你的朋友是谁。",
    },
    Memory {
        tell: "我今天很{f}。",
        reply: &["怎么了？说给我听听。", "我明白了。"],
        ask: "我今天心情怎么样？",
        answer: "你今天很{f}。",
        unknown: "我不知道，你还没有告诉我你的心情。",
    },
    Memory {
        tell: "我丢了{+u}。",
        reply: &["别着急，再找找。", "{u}也许{@s}。"],
        ask: "我丢了什么？",
        answer: "你丢了{+u}。",
        unknown: "我不知道，你还没有告诉我你丢了什么。",
    },
    Memory {
        tell: "我住在{q}旁边。",
        reply: &["{q}旁边一定很方便。", "好，我记住了。"],
        ask: "我住在哪里？",
        answer: "你住在{q}旁边。",
        unknown: "我不知道，你还没有告诉我你住在哪里。",
    },
    Memory {
        tell: "我想学做{e}。",
        reply: &["{e}不难做，慢慢来。", "那一定很好吃。"],
        ask: "我想学做什么菜？",
        answer: "你想学做{e}。",
        unknown: "我不知道，你还没有告诉我你想学做什么菜。",
    },
];
const MEMORIES_EN: [Memory; 12] = [
    Memory {
        tell: "My name is {a}.",
        reply: &["Hello, {a}!", "{a}, nice to meet you!"],
        ask: "What is my name?",
        answer: "Your name is {a}.",
        unknown: "I do not know. You have not told me your name yet.",
    },
    Memory {
        tell: "I love {d}.",
        reply: &["Good to know: {d}.", "I will remember that."],
        ask: "What do I love?",
        answer: "You love {d}.",
        unknown: "I do not know. You have not told me what you love yet.",
    },
    Memory {
        tell: "I keep {+n}.",
        reply: &["The {n} must be lovely.", "How nice, I like {#n} too."],
        ask: "What do I keep?",
        answer: "You keep {+n}.",
        unknown: "I do not know. You have not told me what you keep yet.",
    },
    Memory {
        tell: "I am {+j}.",
        reply: &["It must be interesting to be {+j}.", "Hello, {j}!"],
        ask: "What do I do?",
        answer: "You are {+j}.",
        unknown: "I do not know. You have not told me what you do yet.",
    },
    Memory {
        tell: "I like {c}.",
        reply: &["{c} is beautiful.", "I like {c} too."],
        ask: "Which colour do I like?",
        answer: "You like {c}.",
        unknown: "I do not know. You have not told me which colour you like yet.",
    },
    Memory {
        tell: "{z} I will go to the {p}.",
        reply: &["The {p} is a good place.", "Have a good trip."],
        ask: "Where will I go?",
        answer: "You will go to the {p}.",
        unknown: "I do not know. You have not told me where you will go yet.",
    },
    Memory {
        tell: "I bought {+t}.",
        reply: &["Good, {+t} is useful.", "I will remember that."],
        ask: "What did I buy?",
        answer: "You bought {+t}.",
        unknown: "I do not know. You have not told me what you bought yet.",
    },
    Memory {
        tell: "My best friend is {b}.",
        reply: &["It is good to have a friend like {b}.", "I will remember {b}."],
        ask: "Who is my best friend?",
        answer: "Your best friend is {b}.",
        unknown: "I do not know. You have not told me who your friend is yet.",
    },
    Memory {
        tell: "I feel {f} today.",
        reply: &["Why is that? Tell me.", "I see."],
        ask: "How do I feel today?",
        answer: "You feel {f} today.",
        unknown: "I do not know. You have not told me how you feel yet.",
    },
    Memory {
        tell: "I lost {+u}.",
        reply: &["Do not worry, look again.", "Perhaps the {u} is {@s}."],
        ask: "What did I lose?",
        answer: "You lost {+u}.",
        unknown: "I do not know. You have not told me what you lost yet.",
    },
    Memory {
        tell: "I live near the {q}.",
        reply: &["It must be nice to live near the {q}.", "I will remember that."],
        ask: "Where do I live?",
        answer: "You live near the {q}.",
        unknown: "I do not know. You have not told me where you live yet.",
    },
    Memory {
        tell: "I want to learn to cook {e}.",
        reply: &["It is not hard to cook {e}. Take your time.", "That will taste good."],
        ask: "What do I want to learn to cook?",
        answer: "You want to learn to cook {e}.",
        unknown: "I do not know. You have not told me what you want to learn to cook yet.",
    },
];

const SMALL_ZH: [Turn; 18] = [
    ("今天天气怎么样？", "我看不见窗外，所以不知道。"),
    ("明天会下雨吗？", "明天的事我不知道。"),
    (
        "给我讲个故事吧。",
        "好。从前有{+n}，住{@p}。[它每天都在找|有一天它找到了]{+t}。[后来它和{+m}成了朋友|最后它很{f}]。",
    ),
    ("说一句关于{n}的话。", "{n}正{@s}睡觉。"),
    ("{@p}能看到什么？", "听说{@p}有[很多人|很多书|一棵大树|一只猫]。"),
    ("我有点{f}。", "[休息一下吧|吃点{d}吧|去{p}走走吧]，会好的。"),
    ("中午吃什么好？", "{d}怎么样？"),
    ("推荐一个地方。", "可以去{p}看看。"),
    ("{d}好吃吗？", "大家都说{d}很好吃。"),
    ("你喜欢什么颜色？", "我没有眼睛，不过{c}听起来很{v}。"),
    ("你累不累？", "不累，我可以一直工作。"),
    ("你真聪明。", "谢谢！我还在学习。"),
    ("{n}和{m}，你更喜欢哪个？", "我更喜欢{n}，不过{m}也不错。"),
    ("{b}的生日快到了，送什么好？", "送{+t}怎么样？{c}的就更好了。"),
    ("我睡不着。", "[想想{p}的样子|数一数{n}|喝点热水]，慢慢就睡着了。"),
    ("我想当{j}。", "好啊，[多练习|多看书|慢慢来]，一定能行。"),
    ("怎么做{e}？", "我没有厨房，不过你可以问问会做{e}的人。"),
    ("说一个谜语。", "[什么东西下雨才开花？伞。|什么东西越洗越脏？水。|什么东西有嘴不说话？茶壶。]"),
];
const SMALL_EN: [Turn; 18] = [
    ("How is the weather today?", "I cannot see out of the window, so I do not know."),
    ("Will it rain tomorrow?", "I do not know about tomorrow."),
    (
        "Tell me a story.",
        "All right. There was {+n} that lived {@p}. [Every day it looked for|One day it found] {+t}. [Later it made friends with {+m}|In the end it was {f}].",
    ),
    ("Say something about {+n}.", "The {n} is sleeping {@s}."),
    ("What is there to see {@p}?", "I have heard of [many people|many books|a big tree|a cat] {@p}."),
    ("I am a little {f}.", "[Have a rest|Have some {d}|Take a walk to the {p}], and it will be better."),
    ("What should I eat at noon?", "How about {d}?"),
    ("Where should I go?", "You could go to the {p}."),
    ("How does {d} taste?", "Everyone says: very good."),
    ("Which colour do you like?", "I have no eyes, but {c} sounds {v}."),
    ("Are you tired?", "No, I can work all day."),
    ("You are clever.", "Thank you! I am still learning."),
    ("Which do you like better, {#n} or {#m}?", "I like {#n} better, but {#m} are fine too."),
    ("It is {b}'s birthday soon. What shall I give?", "How about {+t}? {+c} one would be best."),
    ("I cannot sleep.", "[Think of the {p}|Count {#n}|Drink some warm water], and sleep will come."),
    ("I want to be {+j}.", "Good. [Practise a lot|Read a lot|Take your time], and you can do it."),
    ("How do I cook {e}?", "I have no kitchen, but you could ask someone who can cook {e}."),
    (
        "Tell me a riddle.",
        "[What opens when it rains? An umbrella.|What gets dirty when it washes? Water.|What has a mouth and does not speak? A teapot.]",
    ),
];
const BYE_ZH: [Turn; 5] = [
    ("谢谢你。", "不客气！"),
    ("谢谢，再见。", "再见！"),
    ("我走了。", "再见，下次再聊。"),
    ("晚安。", "晚安，做个好梦。"),
    ("好的，谢谢！", "不用谢，很高兴帮到你。"),
];
const BYE_EN: [Turn; 5] = [
    ("Thank you.", "You are welcome!"),
    ("Thanks, goodbye.", "Goodbye!"),
    ("I must go.", "Goodbye, see you next time."),
    ("Good night.", "Good night, and sweet dreams."),
    ("All right, thanks!", "You are welcome, I am glad to help."),
];

pub(super) fn write(cast: &mut Cast) -> Draft {
    let mut messages = Vec::with_capacity(8);
    if cast.chooser.chance(0.5) {
        turn(cast, &mut messages, cast.either(&HELLO_ZH, &HELLO_EN));
    }
    let small: &[Turn] = cast.either(&SMALL_ZH, &SMALL_EN);
    match cast.chooser.below(3) {
        0 => remembered(cast, &mut messages, 2),
        1 => {
            let first = cast.chooser.below(small.len());
            let second = (first + 1 + cast.chooser.below(small.len() - 1)) % small.len();
            for nth in [first, second] {
                exchange(cast, &mut messages, small[nth].0, small[nth].1);
            }
        }
        _ => {
            turn(cast, &mut messages, small);
            remembered(cast, &mut messages, 1);
        }
    }
    if cast.chooser.chance(0.4) {
        turn(cast, &mut messages, cast.either(&BYE_ZH, &BYE_EN));
    }
    Draft::chat(cast.lang, messages)
}

fn turn(cast: &mut Cast, messages: &mut Vec<Message>, turns: &[Turn]) {
    let (user, assistant) = *cast.chooser.pick(turns);
    exchange(cast, messages, user, assistant);
}

fn exchange(cast: &mut Cast, messages: &mut Vec<Message>, user: &str, assistant: &str) {
    cast.say(user);
    messages.push(Message::user(cast.take()));
    cast.say(assistant);
    messages.push(Message::assistant(cast.take()));
}

/// Some things are told; then one is asked for that was told, or that was not.
fn remembered(cast: &mut Cast, messages: &mut Vec<Message>, told: usize) {
    let memories: &[Memory] = cast.either(&MEMORIES_ZH, &MEMORIES_EN);
    let mut order: Vec<usize> = (0..memories.len()).collect();
    // Afresh, whatever the small talk before was about.
    for slot in [b'b', b'd', b'e', b'n', b'c', b'p', b'q', b't', b'u', b'f', b'j', b's'] {
        cast.clear(slot);
    }
    for i in 0..told {
        // Of the order only what is told is drawn: no choice is counted that is not seen.
        order.swap(i, i + cast.chooser.below(memories.len() - i));
        let memory = &memories[order[i]];
        let reply = *cast.chooser.pick(memory.reply);
        exchange(cast, messages, memory.tell, reply);
    }
    if cast.chooser.chance(0.75) {
        let memory = &memories[order[cast.chooser.below(told)]];
        exchange(cast, messages, memory.ask, memory.answer);
    } else {
        let memory = &memories[order[told + cast.chooser.below(memories.len() - told)]];
        exchange(cast, messages, memory.ask, memory.unknown);
    }
}
