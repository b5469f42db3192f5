//! Teach it about you: a few typed lines, some seconds of tuning, before and after.

use super::quickstart::copy;
use super::{Prompt, answer, finetune};
use crate::{Academy, Event, LiveModel};
use anyhow::{Context, Result, bail};
use shuyuan_corpus::Example;
use shuyuan_corpus::world::{Lang, Split, World};
use shuyuan_text::Message;
use shuyuan_train::{Kind, Recipe};
use std::sync::atomic::AtomicBool;

/// What to teach.
#[derive(Clone, Debug)]
pub struct Options {
    /// Sentences about the user, one each.
    pub lines: Vec<String>,
    /// How long to tune.
    pub seconds: f64,
}

/// The longest line that is taken, in bytes.
const MAX_LINE: usize = 1000;
/// Documents of the world mixed in for each line, so that the rest is not forgotten.
const KEPT: u64 = 200;

/// Tunes the model in use on the lines and puts it in use; it is saved as `HOME/models/taught`.
///
/// The prompts, asked before and after, come as samples of the run `teach`: step 0, then the last.
///
/// # Errors
/// No model, no line, a line that is too long.
pub fn run(academy: &Academy, options: &Options, stop: &AtomicBool) -> Result<()> {
    let lines: Vec<&str> =
        options.lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() {
        bail!(
            "nothing to teach: write at least one sentence, such as \"My name is Wen and I love dumplings.\""
        );
    }
    if let Some(long) = lines.iter().find(|line| line.len() > MAX_LINE) {
        bail!("a line has {} bytes, at most {MAX_LINE} are taken: cut it into sentences", long.len());
    }
    if !(options.seconds.is_finite() && (1.0..=3600.0).contains(&options.seconds)) {
        bail!("seconds must be 1 to 3600, found {}", options.seconds);
    }
    let live = academy.live().context("no model is in use yet: run quickstart, or give --model")?;
    let questions = [
        academy.lang.pick("我是谁？", "Who am I?"),
        academy.lang.pick("介绍一下我。", "Tell me about myself."),
    ];
    tell(academy, &live, &questions, 0)?;

    let dir = academy.home.run("teach");
    if dir.exists() {
        std::fs::remove_dir_all(&dir).with_context(|| format!("clearing {}", dir.display()))?;
    }
    let base = dir.join("base");
    std::fs::create_dir_all(&base).with_context(|| format!("making {}", base.display()))?;
    shuyuan_model::save(&live.model.trainable(&shuyuan_tensor::cpu())?, &base)?;
    live.tokenizer.save(&base)?;
    let data = dir.join("lines.jsonl");
    let mut text = String::new();
    for example in examples(&lines, &questions) {
        text += &serde_json::to_string(&example)?;
        text.push('\n');
    }
    shuyuan_store::write_atomic(&data, text.as_bytes())?;

    let options = finetune::Options {
        model: base,
        data: vec![data],
        output: dir.clone(),
        recipe: Recipe::finetune(),
        steps: None,
        minutes: Some(options.seconds / 60.0),
        resume: false,
        prompts: questions.iter().map(|question| Prompt::Ask((*question).into())).collect(),
        kind: Kind::Teach,
    };
    let summary = finetune::run(academy, &options, stop)?;
    if !summary.stopped {
        copy(&dir.join("model"), &academy.home.model("taught"))?;
        academy.set_live(LiveModel::load(&academy.home.model("taught"))?);
    }
    Ok(())
}

/// The lines as conversations, in several forms, among documents of the world.
fn examples(lines: &[&str], questions: &[&str]) -> Vec<Example> {
    let all = lines.join(" ");
    let mut examples = Vec::new();
    for _ in 0..40 {
        for question in questions {
            let turns = vec![Message::user(*question), Message::assistant(all.clone())];
            examples.push(Example::Chat { messages: turns });
        }
        for line in lines {
            // The first words lead to the rest.
            let cut = line.char_indices().nth(line.chars().count() / 3).map_or(0, |(at, _)| at);
            let turns = vec![Message::user(line[..cut].trim()), Message::assistant(*line)];
            examples.push(Example::Chat { messages: turns });
        }
    }
    let world = World::new(1);
    let wanted = KEPT * lines.len() as u64;
    let documents = (0..wanted).map(|index| world.document(Split::Train, index));
    examples.extend(
        documents
            .filter(|document| matches!(document.lang, Lang::Zh | Lang::En))
            .map(|document| document.example)
            .filter(|example| matches!(example, Example::Chat { .. })),
    );
    examples
}

fn tell(academy: &Academy, live: &LiveModel, questions: &[&str], step: u64) -> Result<()> {
    for question in questions {
        let text = answer(live, &Prompt::Ask((*question).into()), 48)?;
        academy.events.send(Event::Sample {
            run: "teach".into(),
            step,
            seconds: 0.0,
            prompt: (*question).into(),
            text,
            mine: false,
        });
    }
    Ok(())
}
