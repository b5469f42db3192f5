//! `explain`: attention, what each layer would predict, adds and knows; or which words lie close.

use crate::args::Global;
use crate::models;
use crate::out::{self, say};
use crate::style::{BOLD, CYAN, DIM, GREEN, RESET, bar, cut, pad, shade, spark, visible, width};
use anyhow::{Result, bail};
use clap::Args;
use shuyuan_academy::Lang;
use shuyuan_academy::inspect::{self, Explanation, Near, Position};

/// Look inside a model
///
/// For a text: attention of each head, what each layer's state would predict, what attention and feed-forward add, and
/// which kind of thing each layer takes a word for. With --near: the words that lie close, and a map.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  shuyuan explain \"我今天吃了狮子头和蔬菜\"\n  shuyuan explain \"The cat sat on the mat\" --layer 2 --head 1\n  shuyuan explain --near 红色"
)]
pub(crate) struct Explain {
    /// The text to look at
    #[arg(required_unless_present = "near")]
    text: Option<String>,
    /// Instead: the words that lie close to this one
    #[arg(long, value_name = "WORD", conflicts_with = "text")]
    near: Option<String>,
    /// How many neighbours
    #[arg(long, default_value = "10", value_name = "N", value_parser = crate::args::count)]
    k: usize,
    /// The layer whose attention is drawn, from 1 [default: where it looks furthest]
    #[arg(long, value_name = "N", value_parser = crate::args::count)]
    layer: Option<usize>,
    /// The head whose attention is drawn, from 1 [default: the one that looks furthest]
    #[arg(long, value_name = "N", value_parser = crate::args::count)]
    head: Option<usize>,
    /// A model's folder, or its name in the home folder [default: academy, or the newest]
    #[arg(long, value_name = "DIR")]
    model: Option<String>,
}

/// Columns of a token.
const TOKEN: usize = 14;
/// Layers that are shown side by side.
const LAYERS: usize = 6;

impl Explain {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let (lang, live) = (global.lang(), models::load(&global.academy()?, self.model.as_deref())?);
        if let Some(word) = &self.near {
            let near = inspect::near(&live, word, self.k)?;
            return if global.json { out::json(&near) } else { print_near(lang, &near) };
        }
        let explanation = inspect::explain(&live, self.text.as_deref().unwrap_or_default())?;
        if global.json {
            return out::json(&explanation);
        }
        let e = &explanation;
        for (flag, given, most) in [("--layer", self.layer, e.layers), ("--head", self.head, e.heads)] {
            if let Some(given) = given.filter(|given| *given > most) {
                bail!("{flag} {given}: this model has {most}, counted from 1");
            }
        }
        self.print_attention(lang, e)?;
        print_lens(lang, e)?;
        print_contributions(lang, e)?;
        print_probe(lang, e)
    }

    /// What each head does, in a line; then one of them as a picture.
    fn print_attention(&self, lang: Lang, e: &Explanation) -> Result<()> {
        title(
            lang.pick("注意力", "Attention"),
            lang.pick(
                "各看多少:自己、前一个、第一个、别的词元",
                "share that goes to: the token itself, the one before, the first, others",
            ),
        )?;
        let mut drawn = (0, 0, -1.0);
        for layer in 0..e.layers {
            for head in 0..e.heads {
                let share = Share::of(&e.attention[layer][head]);
                let wanted =
                    self.layer.is_none_or(|l| l == layer + 1) && self.head.is_none_or(|h| h == head + 1);
                if wanted && share.others > drawn.2 {
                    drawn = (layer, head, share.others);
                }
                let (layer, head) = (layer + 1, head + 1);
                let name = match lang {
                    Lang::Zh => format!("第 {layer:>2} 层 第 {head:>2} 头"),
                    Lang::En => format!("layer {layer:>2} head {head:>2}"),
                };
                say!("  {name}   {}", share.line())?;
            }
        }
        let (layer, head, _) = drawn;
        let rows = &e.attention[layer][head];
        let name = match lang {
            Lang::Zh => format!("第 {} 层第 {} 个头", layer + 1, head + 1),
            Lang::En => format!("Layer {}, head {}", layer + 1, head + 1),
        };
        say!("")?;
        title(&name, lang.pick("每一行看它前面的各列", "each row looks at the columns before it"))?;
        // Two columns a cell are square; a long text gets one.
        let cell = if rows.len() <= 40 { 2 } else { 1 };
        let header: String = (0..rows.len()).map(|t| format!("{:<cell$}", t % 10)).collect();
        say!("  {}    {DIM}{header}{RESET}", " ".repeat(TOKEN))?;
        for (t, row) in rows.iter().enumerate() {
            let cells: String = row[..=t].iter().map(|w| shade(*w).to_string().repeat(cell)).collect();
            let most = (0..=t).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap_or(0);
            let seen = if most == t { String::new() } else { format!("  {DIM}{}{RESET}", token(e, most)) };
            say!("  {} {DIM}{:>2}{RESET} {CYAN}{cells}{RESET}{seen}", pad(&token(e, t), TOKEN), t % 100)?;
        }
        Ok(())
    }
}

fn title(name: &str, about: &str) -> Result<()> {
    say!("{BOLD}{name}{RESET}  {DIM}{about}{RESET}")
}

fn token(e: &Explanation, t: usize) -> String {
    visible(&e.tokens[t].text)
}

/// Where a head's attention goes, on average over the tokens after the first.
struct Share {
    own: f32,
    before: f32,
    first: f32,
    others: f32,
}

impl Share {
    fn of(rows: &[Vec<f32>]) -> Self {
        let mut share = Self { own: 0.0, before: 0.0, first: 0.0, others: 0.0 };
        for (t, row) in rows.iter().enumerate().skip(1) {
            share.own += row[t];
            if t > 1 {
                share.before += row[t - 1];
            }
            share.first += row[0];
        }
        let n = (rows.len().max(2) - 1) as f32;
        for part in [&mut share.own, &mut share.before, &mut share.first] {
            *part /= n;
        }
        share.others = (1.0 - share.own - share.before - share.first).max(0.0);
        share
    }

    fn line(&self) -> String {
        let part = |x: f32| format!("{x:.2} {CYAN}{}{RESET}", pad(&bar(f64::from(x), 8), 8));
        [self.own, self.before, self.first, self.others].map(part).join("  ")
    }
}

/// At most [`LAYERS`] of `0..=last`, the ends among them.
fn some_layers(last: usize) -> Vec<usize> {
    let shown = (last + 1).min(LAYERS);
    (0..shown).map(|i| if shown == 1 { 0 } else { i * last / (shown - 1) }).collect()
}

fn layer_name(lang: Lang, layer: usize) -> String {
    match lang {
        Lang::Zh => format!("第 {layer} 层"),
        Lang::En => format!("layer {layer}"),
    }
}

fn heading(lang: Lang, layers: &[usize], columns: usize) -> String {
    let name = |layer: usize| match layer {
        0 => lang.pick("词向量", "embedding").into(),
        _ => layer_name(lang, layer),
    };
    layers.iter().map(|layer| pad(&name(*layer), columns)).collect()
}

fn print_lens(lang: Lang, e: &Explanation) -> Result<()> {
    const COLUMNS: usize = 15;
    let layers = some_layers(e.layers);
    say!("\n{BOLD}{}{RESET}", lang.pick("停在每一层,会接什么", "What each layer's state would predict"))?;
    say!("  {}{DIM}{}{RESET}", " ".repeat(TOKEN + 1), heading(lang, &layers, COLUMNS))?;
    for t in 0..e.tokens.len() {
        let guess = |layer: &usize| {
            let Some(guess) = e.lens[*layer][t].first() else { return " ".repeat(COLUMNS) };
            let text = pad(&visible(&guess.text), COLUMNS - 6);
            let style = if guess.probability >= 0.5 { BOLD } else { DIM };
            format!("{style}{text}{RESET} {DIM}{:<5}{RESET}", format!("{:.2}", guess.probability))
        };
        say!("  {} {}", pad(&token(e, t), TOKEN), layers.iter().map(guess).collect::<String>())?;
    }
    Ok(())
}

fn print_contributions(lang: Lang, e: &Explanation) -> Result<()> {
    say!("")?;
    title(
        lang.pick("每一部分添了多少", "What each part adds"),
        lang.pick("改动的长度,逐个词元,和平均", "the length of the change, for each token and on average"),
    )?;
    let all = e.contributions.iter().flat_map(|c| c.attention.iter().chain(&c.mlp));
    let most = f64::from(all.copied().fold(0.0, f32::max)).max(1e-9);
    for (layer, parts) in e.contributions.iter().enumerate() {
        for (name, lengths) in [
            (lang.pick("注意力", "attention"), &parts.attention),
            (lang.pick("前馈", "feed-forward"), &parts.mlp),
        ] {
            let mut heights: Vec<f64> = lengths.iter().map(|x| f64::from(*x) / most).collect();
            let mean = lengths.iter().sum::<f32>() / lengths.len().max(1) as f32;
            // One scale for all rows: a last, unseen value holds the top.
            heights.push(1.0);
            let count = heights.len();
            let picture: String = spark(&heights, 0.0, count).chars().take(count - 1).collect();
            let layer = pad(&layer_name(lang, layer + 1), 8);
            say!("  {layer} {} {mean:>7.2}  {CYAN}{picture}{RESET}", pad(name, 13))?;
        }
    }
    Ok(())
}

fn print_probe(lang: Lang, e: &Explanation) -> Result<()> {
    const COLUMNS: usize = 15;
    let layers = some_layers(e.layers);
    say!("")?;
    title(
        lang.pick("每一层把词当成哪一类", "What kind of thing each layer takes a word for"),
        lang.pick("准确率:在探针没见过的词上", "accuracy: on words that the probe never met"),
    )?;
    say!("  {}{DIM}{}{RESET}", " ".repeat(TOKEN + 1), heading(lang, &layers, COLUMNS))?;
    let accuracy = |layer: &usize| pad(&format!("{:.0}%", 100.0 * e.probe.accuracy[*layer]), COLUMNS);
    say!(
        "  {DIM}{} {}{RESET}",
        pad(lang.pick("准确率", "accuracy"), TOKEN),
        layers.iter().map(accuracy).collect::<String>()
    )?;
    for position in &e.probe.positions {
        let belief = |layer: &usize| {
            let Some(belief) = position.by_layer[*layer].first() else { return " ".repeat(COLUMNS) };
            let text = pad(&format!("{} {:.2}", kind(lang, belief.category), belief.probability), COLUMNS);
            if belief.probability >= 0.5 {
                format!("{GREEN}{text}{RESET}")
            } else {
                format!("{DIM}{text}{RESET}")
            }
        };
        let word = visible(&position.word);
        say!("  {} {}", pad(&word, TOKEN), layers.iter().map(belief).collect::<String>())?;
    }
    for position in &e.probe.positions {
        if let Some((category, layer, from, to)) = added(position) {
            let word = format!("{BOLD}{}{RESET}", visible(&position.word));
            let kind = format!("{BOLD}{}{RESET}", kind(lang, category));
            match lang {
                Lang::Zh => say!("  第 {layer} 层让{word}成了{kind}: {from:.2} → {to:.2}"),
                Lang::En => say!("  layer {layer} adds {kind} to {word}: {from:.2} → {to:.2}"),
            }?;
        }
    }
    if e.probe.positions.is_empty() {
        let none = lang.pick("这句话里没有认得类别的词", "no word of this text is one whose kind is known");
        say!("  {DIM}{none}{RESET}")?;
    }
    Ok(())
}

/// What a category is called.
fn kind(lang: Lang, category: &'static str) -> &'static str {
    let zh = match category {
        "person" => "人",
        "place" => "地方",
        "dish" => "菜",
        "animal" => "动物",
        "job" => "行当",
        "thing" => "东西",
        "fruit" => "水果",
        "spot" => "所在",
        "colour" => "颜色",
        "quality" => "感受",
        "feeling" => "心情",
        "tie" => "关系",
        "weather" => "天气",
        "day" => "日子",
        "past" => "过去",
        "future" => "将来",
        "habit" => "习惯",
        other => other,
    };
    lang.pick(zh, category)
}

/// What the last layer takes a word for, the layer that did most for it, and the belief before and after that layer.
fn added(position: &Position) -> Option<(&'static str, usize, f32, f32)> {
    let category = position.by_layer.last()?.first()?.category;
    let believed = |layer: &Vec<inspect::Belief>| {
        layer.iter().find(|belief| belief.category == category).map_or(0.0, |belief| belief.probability)
    };
    let by_layer: Vec<f32> = position.by_layer.iter().map(believed).collect();
    let rises = by_layer.windows(2).enumerate().map(|(layer, pair)| (layer + 1, pair[0], pair[1]));
    let (layer, from, to) = rises.max_by(|a, b| (a.2 - a.1).total_cmp(&(b.2 - b.1)))?;
    // Less than this is no step, but noise around what was known from the start.
    (to - from >= 0.1).then_some((category, layer, from, to))
}

fn print_near(lang: Lang, near: &Near) -> Result<()> {
    title(
        &visible(&near.word),
        lang.pick(
            "距离 = 1 − 余弦,从所有词的中心看",
            "distance = 1 − cosine of the states, from the middle of all words",
        ),
    )?;
    for neighbour in &near.neighbours {
        let bar = pad(&bar(f64::from(neighbour.similarity), 24), 24);
        say!("  {:.3}  {CYAN}{bar}{RESET} {}", neighbour.distance, visible(&neighbour.word))?;
    }
    say!("")?;
    for line in map(near) {
        say!("  {line}")?;
    }
    Ok(())
}

/// The map as lines of text; a word that has no room is left out, the word asked for comes first.
fn map(near: &Near) -> Vec<String> {
    const COLUMNS: usize = 76;
    const ROWS: usize = 20;
    // (first column, columns, text)
    let mut rows: Vec<Vec<(usize, usize, String)>> = vec![Vec::new(); ROWS];
    let close = |word: &str| near.neighbours.iter().any(|neighbour| neighbour.word == word);
    for place in &near.map {
        let text = cut(&visible(&place.word), 20);
        let columns = width(&text);
        let at = |x: f32, most: usize| ((x.clamp(-1.0, 1.0) + 1.0) / 2.0 * most as f32).round() as usize;
        let (row, column) = (at(-place.y, ROWS - 1), at(place.x, COLUMNS - columns));
        let styled = match place.word.as_str() {
            word if word == near.word => format!("{BOLD}{text}{RESET}"),
            word if close(word) => format!("{CYAN}{text}{RESET}"),
            _ => format!("{DIM}{text}{RESET}"),
        };
        let free = |row: &Vec<(usize, usize, String)>| {
            row.iter().all(|(start, taken, _)| column + columns < *start || start + taken < column)
        };
        let nearby = [row, row.saturating_sub(1), (row + 1).min(ROWS - 1)];
        if let Some(row) = nearby.into_iter().find(|row| free(&rows[*row])) {
            rows[row].push((column, columns, styled));
        }
    }
    let line = |mut row: Vec<(usize, usize, String)>| {
        row.sort_by_key(|(start, ..)| *start);
        let mut end = 0;
        let mut line = String::new();
        for (start, columns, text) in row {
            line += &" ".repeat(start - end);
            line += &text;
            end = start + columns;
        }
        line
    };
    rows.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use shuyuan_academy::inspect::{Belief, Neighbour, Place};

    #[test]
    fn the_layer_that_adds_the_most_is_named() {
        let belief = |p| vec![Belief { category: "dish", probability: p }];
        let by_layer = [0.1, 0.2, 0.9, 0.95].map(belief).to_vec();
        let position = Position { token_index: 0, word: "狮子头".into(), by_layer };
        assert_eq!(added(&position), Some(("dish", 2, 0.2, 0.9)));
        let flat = Position { by_layer: [0.9, 0.95].map(belief).to_vec(), ..position };
        assert_eq!(added(&flat), None);
    }

    #[test]
    fn layers_are_spread_from_end_to_end() {
        assert_eq!(some_layers(4), [0, 1, 2, 3, 4]);
        assert_eq!(some_layers(28), [0, 5, 11, 16, 22, 28]);
        assert_eq!(some_layers(0), [0]);
    }

    #[test]
    fn a_map_holds_words_that_do_not_collide() {
        let place = |word: &str, x, y| Place { word: word.into(), x, y, group: "colour" };
        let near = Near {
            word: "红色".into(),
            neighbours: vec![Neighbour { word: "温暖".into(), distance: 0.2, similarity: 0.8 }],
            map: vec![
                place("红色", 0.0, 0.0),
                place("温暖", 0.01, 0.0),
                place("冷", -1.0, 1.0),
                place("x", 9.0, f32::NAN),
            ],
        };
        let lines: String = map(&near).join("\n");
        for word in ["红色", "温暖", "冷", "x"] {
            assert!(lines.contains(word), "{word}: {lines}");
        }
    }
}
