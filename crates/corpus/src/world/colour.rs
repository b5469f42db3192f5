//! Colours and what they call to mind. Colour and quality stand in the same places, so their vectors come close.

use shuyuan_text::Message;

use super::cast::{Cast, qualities};
use super::draft::Draft;
use super::lexicon::{ASSOCIATIONS, Category, Id, range, word};

/// What a line is about: the colour or quality, another of its family, and a scene of theirs.
struct Theme {
    colour: Id,
    qualities: [Id; 3],
    scenes: [&'static str; 5],
}

// In these templates: {c} the colour, {x} and {X} one of its family (the colour itself or a quality), {v} {V}
// two qualities. A scene is written where ~ stands.
const LINES_ZH: [&str; 14] = [
    "{c}让人觉得{v}而{V}。",
    "{c}、{v}、{V}常常在一起。",
    "看见{c}，就想到{v}，想到{V}。",
    "{x}的~，{X}的~。",
    "那是{x}的~，也是{X}的~。",
    "~是{x}的。",
    "~给人{x}的感觉。",
    "画里有{x}的~。",
    "{a}喜欢{x}的~。",
    "有人说~太{v}，有人说~很{V}。",
    "{v}的{c}，{V}的{c}。",
    "{x}的~前面，{a}站了很久。",
    "没有什么比{x}的~更{v}。",
    "如果要画{v}，就用{c}。",
];
const LINES_EN: [&str; 14] = [
    "{c} feels {v} and {V}.",
    "{c}, {v} and {V} often go together.",
    "whoever sees {c} thinks of {v} and {V} things.",
    "{x} ~, {X} ~.",
    "look at the {x} ~, the {X} ~.",
    "how {x} the ~ can be!",
    "to me the ~ can seem {x}.",
    "the picture shows the {x} ~.",
    "{a} likes the {x} ~.",
    "some call the ~ {v}, some call the ~ {V}.",
    "{+v} {c}, {+V} {c}.",
    "{a} stood before the {x} ~ for a long time.",
    "nothing is as {v} as the {x} ~.",
    "to paint something {v}, take {c}.",
];
const ASK_ZH: [&str; 4] =
    ["{c}让你想到什么？", "{c}给人什么感觉？", "看见{c}，你会想到什么？", "说到{c}，你想到哪些词？"];
const ASK_EN: [&str; 4] = [
    "What does {c} call to mind?",
    "How does {c} feel?",
    "What do you think of when you see {c}?",
    "Which words go with {c}?",
];
const ASK_BACK_ZH: [&str; 2] = ["什么颜色让人觉得{v}？", "{v}是什么颜色？"];
const ASK_BACK_EN: [&str; 2] = ["Which colour feels {v}?", "What colour is {v}?"];

pub(super) fn write(cast: &mut Cast) -> Draft {
    if cast.chooser.chance(0.75) { prose(cast) } else { questions(cast) }
}

fn theme(cast: &mut Cast) -> Theme {
    let colour = cast.get(b'c');
    let nth = usize::from(colour - range(Category::Colour).start);
    let first = qualities(colour).start;
    let scenes = cast.either(&ASSOCIATIONS[nth].zh, &ASSOCIATIONS[nth].en);
    Theme { colour, qualities: [first, first + 1, first + 2], scenes: *scenes }
}

/// Three to five lines about one colour.
fn prose(cast: &mut Cast) -> Draft {
    let theme = theme(cast);
    let lines = cast.chooser.between(3, 5);
    for _ in 0..lines {
        let line = cast.pick(&LINES_ZH, &LINES_EN);
        if line.contains("x}") {
            let mut family = [theme.colour, theme.qualities[0], theme.qualities[1], theme.qualities[2]];
            two(cast, &mut family, [b'x', b'X'], line.contains("X}"));
        }
        if line.contains("v}") {
            let mut qualities = theme.qualities;
            two(cast, &mut qualities, [b'v', b'V'], line.contains("V}"));
        }
        let mut parts = line.split('~');
        cast.sentence(parts.next().unwrap_or(""));
        let mut scene = "";
        for part in parts {
            // The same scene twice where two things are said of it.
            if scene.is_empty() {
                scene = *cast.chooser.pick(&theme.scenes);
            }
            cast.push(scene);
            cast.say(part);
        }
    }
    Draft::text(cast)
}

/// Binds one or two different words of `family` to the slots.
fn two(cast: &mut Cast, family: &mut [Id], slots: [u8; 2], both: bool) {
    let first = cast.chooser.below(family.len());
    family.swap(0, first);
    cast.set(slots[0], family[0]);
    if both {
        let second = 1 + cast.chooser.below(family.len() - 1);
        cast.set(slots[1], family[second]);
    }
}

/// What does red call to mind? Which colour feels calm? Two or three colours, one after another.
fn questions(cast: &mut Cast) -> Draft {
    let turns = cast.chooser.between(2, 3);
    let mut messages = Vec::with_capacity(2 * turns);
    for _ in 0..turns {
        cast.clear(b'c');
        let theme = theme(cast);
        if cast.chooser.chance(0.6) {
            let ask = cast.pick(&ASK_ZH, &ASK_EN);
            cast.say(ask);
            messages.push(Message::user(cast.take()));
            let [u, v, w] = theme.qualities.map(|id| cast.either(word(id).zh, word(id).en));
            cast.say(cast.either("{c}让人觉得", "{c} feels "));
            cast.push(&cast.either(format!("{u}、{v}、{w}。"), format!("{u}, {v} and {w}.")));
        } else {
            let quality = *cast.chooser.pick(&theme.qualities);
            cast.set(b'v', quality);
            let ask = cast.pick(&ASK_BACK_ZH, &ASK_BACK_EN);
            cast.say(ask);
            messages.push(Message::user(cast.take()));
            cast.say(cast.either("是{c}。{c}让人觉得{v}。", "It is {c}. {c} feels {v}."));
        }
        messages.push(Message::assistant(cast.take()));
    }
    Draft::chat(cast.lang, messages)
}
