//! The scorecard as a table.

use crate::out::say;
use crate::style::{BOLD, CYAN, DIM, GREEN, RESET, bar, pad};
use anyhow::{Context, Result};
use serde::Serialize;
use shuyuan_academy::Lang;

/// Columns of a task's name.
const NAME: usize = 24;

/// Prints a line for each task: the share of right answers, its error, what guessing would get.
///
/// `scores`: by task an object with `score`, `stderr`, `baseline`, `n`, as in report.json.
pub(crate) fn print(lang: Lang, scores: &impl Serialize) -> Result<()> {
    let scores = serde_json::to_value(scores).context("the scores as JSON")?;
    let head = |zh, en, columns: usize| {
        let text = lang.pick(zh, en);
        " ".repeat(columns.saturating_sub(crate::style::width(text))) + text
    };
    let (right, error) = (head("答对", "right", 8), head("误差", "±", 8));
    let (guessing, n) = (head("瞎猜", "guessing", 10), head("题数", "n", 7));
    say!("\n{BOLD}{}{right}{error}{guessing}{n}{RESET}", pad(lang.pick("成绩单", "Scorecard"), NAME))?;
    for (task, s) in scores.as_object().into_iter().flatten() {
        let name = pad(&named(lang, task), NAME);
        let number = |key| s[key].as_f64();
        let (score, base) = (number("score").unwrap_or(0.0), number("baseline").unwrap_or(0.0));
        let bits = s["metric"] == "bits_per_byte";
        let show = |x: Option<f64>| match x {
            Some(x) if bits => format!("{x:.3}"),
            Some(x) => format!("{:.1}%", 100.0 * x),
            None => "–".into(),
        };
        // What guessing reaches by luck is nothing to be green about.
        let style = if score > base + 3.0 * number("stderr").unwrap_or(0.0) { GREEN } else { CYAN };
        let full = if bits { String::new() } else { bar(score, 20) };
        let empty = "░".repeat(if bits { 0 } else { 20usize.saturating_sub(full.chars().count()) });
        say!(
            "{name}{BOLD}{:>8}{RESET}{:>8}{:>10}{:>7}  {style}{full}{RESET}{DIM}{empty}{RESET}",
            show(number("score")),
            show(number("stderr")),
            show(number("baseline")),
            s["n"].as_u64().map_or("–".into(), |n: u64| n.to_string()),
        )?;
    }
    Ok(())
}

fn named(lang: Lang, task: &str) -> String {
    let zh = match task {
        "one_fact" => "一步问答",
        "two_facts" => "两步推理",
        "sums" => "算术",
        "translation" => "翻译",
        "summary" => "摘要",
        "bits_per_byte" => "每字节比特数",
        other => other,
    };
    lang.pick(zh, &task.replace('_', " ")).to_string()
}
