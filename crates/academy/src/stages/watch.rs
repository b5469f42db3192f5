//! What a training stage shows while it runs: steps as events, and the weights of the moment answering.

use super::pretrain::name_of;
use super::samples::{Prompt, answer, default_prompts};
use crate::{Academy, Event, Lang, Level, LiveModel};
use serde::Serialize;
use shuyuan_model::{Decoder, Qwen3ForCausalLM};
use shuyuan_text::Tokenizer;
use shuyuan_train::{Kind, Metric, Observer, Recall, Trouble};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Turns what the trainer reports into events, and keeps the samples in the run's folder.
pub(crate) struct Watch<'a> {
    academy: &'a Academy,
    kind: Kind,
    run: &'static str,
    name: String,
    tokenizer: Arc<Tokenizer>,
    prompts: Vec<Prompt>,
    samples: PathBuf,
    pub(super) every_seconds: f64,
    told: Instant,
    /// Step and seconds of training at the last report.
    since: Option<(u64, f64)>,
    /// Steps a second that would keep the machine wholly busy.
    peak_steps_per_s: f64,
}

impl<'a> Watch<'a> {
    /// Watches the run in `output`; with no prompts, a few of our own are asked. `peak_steps_per_s` would keep the
    /// machine wholly busy.
    pub(crate) fn new(
        academy: &'a Academy,
        kind: Kind,
        output: &Path,
        tokenizer: Arc<Tokenizer>,
        prompts: &[Prompt],
        peak_steps_per_s: f64,
    ) -> Self {
        Self {
            academy,
            kind,
            run: kind.name(),
            name: name_of(output),
            tokenizer,
            prompts: if prompts.is_empty() { default_prompts() } else { prompts.to_vec() },
            samples: output.join("samples.jsonl"),
            every_seconds: 20.0,
            told: Instant::now(),
            since: None,
            peak_steps_per_s,
        }
    }
}

/// A line of `samples.jsonl`.
#[derive(Serialize)]
struct Sample<'a> {
    step: u64,
    seconds: f64,
    prompt: &'a str,
    text: &'a str,
    mine: bool,
}

impl Observer for Watch<'_> {
    fn step(&mut self, metric: &Metric, progress: f64) {
        // Ten a second are plenty for the eye; the file has them all.
        let looked = metric.validation_bits_per_byte.is_some() || metric.validation_recall.is_some();
        let rare = metric.step == 1 || progress >= 1.0 || metric.spike || looked;
        if !rare && self.told.elapsed().as_secs_f64() < 0.1 {
            return;
        }
        self.told = Instant::now();
        let utilisation = self.since.map(|(step, seconds)| {
            (metric.step - step) as f64 / (metric.seconds - seconds).max(1e-9) / self.peak_steps_per_s
        });
        self.since = Some((metric.step, metric.seconds));
        let events = &self.academy.events;
        events.send(Event::Loss {
            run: self.run.into(),
            step: metric.step,
            tokens: metric.tokens,
            seconds: metric.seconds,
            loss: metric.loss,
            floor: metric.floor,
            lr: metric.lr,
            grad_norm: metric.grad_norm,
            tokens_per_s: metric.tokens_per_s,
            utilisation,
            spike: metric.spike,
        });
        if let Some(bits_per_byte) = metric.validation_bits_per_byte {
            events.send(Event::Validation { run: self.run.into(), step: metric.step, bits_per_byte });
        }
        if let Some(Recall { at_1, at_5, mrr, passages, .. }) = metric.validation_recall {
            events.send(Event::Recall { run: self.run.into(), step: metric.step, at_1, at_5, mrr, passages });
        }
        let total = (metric.tokens as f64 / progress.max(1e-6)) as u64;
        events.send(Event::Progress {
            stage: self.run.into(),
            done: metric.tokens,
            total,
            unit: self.academy.lang.pick("词元", "tokens").into(),
            per_second: metric.tokens as f64 / metric.seconds.max(1e-3),
            seconds_left: Some(metric.seconds * (1.0 - progress) / progress.max(1e-6)),
        });
    }

    fn every_seconds(&self) -> f64 {
        self.every_seconds
    }

    fn moment(&mut self, model: &Qwen3ForCausalLM, metric: &Metric) {
        if self.kind == Kind::Embed {
            return; // It does not write.
        }
        let live = LiveModel::new(self.name.clone(), Decoder::of(model), self.tokenizer.clone());
        self.academy.set_live(live.clone());
        let mine = self.academy.my_prompt().map(Prompt::Ask);
        let mut file = File::options().append(true).create(true).open(&self.samples);
        for (prompt, mine) in
            self.prompts.iter().map(|prompt| (prompt, false)).chain(mine.iter().map(|prompt| (prompt, true)))
        {
            let text = match answer(&live, prompt, 48) {
                Ok(text) => text,
                Err(error) => format!("({error:#})"),
            };
            let sample = Sample {
                step: metric.step,
                seconds: metric.seconds,
                prompt: prompt.text(),
                text: &text,
                mine,
            };
            if let Ok(file) = &mut file
                && let Ok(line) = serde_json::to_string(&sample)
            {
                // Samples are for looking at: a full disk will stop the run at the next checkpoint, with its reason.
                let _ = writeln!(file, "{line}");
            }
            self.academy.events.send(Event::Sample {
                run: self.run.into(),
                step: metric.step,
                seconds: metric.seconds,
                prompt: prompt.text().into(),
                text,
                mine,
            });
        }
    }

    fn spike(&mut self, trouble: &Trouble, file: &Path) {
        let (step, file) = (trouble.step, file.display());
        let [loss, usual] = [trouble.loss, trouble.usual].map(Option::unwrap_or_default);
        let text = match self.academy.lang {
            Lang::Zh => {
                format!("第 {step} 步损失突然到 {loss:.2}(平常 {usual:.2});这一批存在 {file},训练继续。")
            }
            Lang::En => format!(
                "The loss jumped to {loss:.2} at step {step} (usual: {usual:.2}); the batch is in {file}, training goes on."
            ),
        };
        self.academy.events.message(Level::Warn, text);
    }
}
