//! What a training stage shows while it runs: steps as events, and the weights of the moment answering.

use super::samples::{Prompt, answer};
use crate::{Academy, Event, LiveModel};
use serde::Serialize;
use shuyuan_model::Qwen3ForCausalLM;
use shuyuan_text::Tokenizer;
use shuyuan_train::{Metric, Observer};
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// Turns what the trainer reports into events, and keeps the samples in the run's folder.
pub(crate) struct Watch<'a> {
    pub(crate) academy: &'a Academy,
    pub(crate) run: &'static str,
    pub(crate) name: String,
    pub(crate) tokenizer: Arc<Tokenizer>,
    pub(crate) prompts: Vec<Prompt>,
    pub(crate) samples: PathBuf,
    pub(crate) every_seconds: f64,
    pub(crate) told: Instant,
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
        if metric.step > 1 && progress < 1.0 && self.told.elapsed().as_secs_f64() < 0.1 {
            return;
        }
        self.told = Instant::now();
        let events = &self.academy.events;
        events.send(Event::Loss {
            run: self.run.into(),
            step: metric.step,
            tokens: metric.tokens,
            seconds: metric.seconds,
            loss: metric.loss,
            floor: metric.floor,
            lr: metric.lr,
            tokens_per_s: metric.tokens_per_s,
        });
        if let Some(bits_per_byte) = metric.validation_bits_per_byte {
            events.send(Event::Validation { run: self.run.into(), step: metric.step, bits_per_byte });
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
        let live = LiveModel {
            name: self.name.clone(),
            model: Arc::new(model.clone()),
            tokenizer: self.tokenizer.clone(),
        };
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
}
