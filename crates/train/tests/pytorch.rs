//! A run beside PyTorch's: the same weights, batches and rates, for a hundred steps.

mod common;

use common::TOKENIZER;
use shuyuan_corpus::{Batch, Cursor};
use shuyuan_model::Qwen3ForCausalLM;
use shuyuan_train::{Data, Job, Metric, Observer, OptimizerKind, OptimizerRecipe, Recipe, run};
use std::path::Path;
use std::sync::atomic::AtomicBool;

const STEPS: u64 = 100;
const VOCAB: u32 = 96;

/// The batches of goldens/training/record.py.
struct Rule {
    state: u64,
    at: u64,
}

impl Rule {
    fn draw(&mut self, n: u32) -> u32 {
        self.state =
            self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.state >> 33) % u64::from(n)) as u32
    }
}

impl Data for Rule {
    fn next_batch(&mut self) -> shuyuan_corpus::Result<Option<Batch>> {
        let (batch, tokens) = (8, 32);
        let (mut inputs, mut targets) = (Vec::new(), Vec::new());
        for _ in 0..batch {
            let mut row = vec![self.draw(VOCAB)];
            for t in 0..tokens {
                let next = (5 * row[t] + 17 + self.draw(3)) % VOCAB;
                row.push(next);
            }
            inputs.extend(&row[..tokens]);
            targets.extend(&row[1..]);
        }
        self.at += 1;
        Ok(Some(Batch { batch, tokens, inputs, targets, starts: vec![0; batch * tokens], pairs: None }))
    }

    fn cursor(&self) -> Cursor {
        Cursor { epoch: 0, document: 0, row: self.at, stream: 1 }
    }

    fn resume(&mut self, _: Cursor) -> shuyuan_corpus::Result<()> {
        unreachable!("nothing is resumed here")
    }

    fn tokens_per_epoch(&self) -> u64 {
        1
    }

    fn epoch(&self) -> u64 {
        0
    }
}

struct Losses(Vec<f64>);

impl Observer for Losses {
    fn step(&mut self, metric: &Metric, _: f64) {
        self.0.push(metric.loss);
    }

    fn moment(&mut self, _: &Qwen3ForCausalLM, _: &Metric) {}
}

/// The losses of a run; from the recorded weights, or from those of `seed`.
fn losses(precision: &str, seed: Option<u64>) -> Vec<f64> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../goldens/model/tied");
    let device = shuyuan_tensor::cpu_autodiff();
    let mut model = shuyuan_model::load(&root, &device).unwrap();
    if let Some(seed) = seed {
        model = Qwen3ForCausalLM::init(model.config(), seed, &device).unwrap();
    }
    let mut recipe = Recipe::default();
    recipe.train.steps = Some(STEPS);
    recipe.train.precision = precision.into();
    recipe.train.validate_every = 0;
    recipe.optimizer = OptimizerRecipe {
        kind: OptimizerKind::AdamW,
        matrix_lr: 1e-2,
        embedding_lr: 1e-2,
        norm_lr: 1e-2,
        betas: [0.9, 0.95],
        weight_decay: 0.1,
        clip: 1.0,
        warmup_steps: 10,
        warmdown: 0.5,
        ..OptimizerRecipe::default()
    };
    let dir = tempfile::tempdir().unwrap();
    let job = Job {
        recipe: &recipe,
        model,
        tokenizer: &TOKENIZER,
        data: Box::new(Rule { state: 1, at: 0 }),
        validation: None,
        floor: None,
        output: dir.path(),
        resume: false,
        stop: &AtomicBool::new(false),
        ranks: None,
        cards: &[],
    };
    let mut seen = Losses(Vec::new());
    run(job, &mut seen).unwrap();
    seen.0
}

#[test]
fn f32_follows_pytorch_for_a_hundred_steps() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../goldens/training/losses.json");
    let golden: Vec<f64> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let ours = losses("f32", None);
    assert_eq!(ours.len(), golden.len());
    let off = |(ours, golden): (&f64, &f64)| (ours - golden).abs() / golden;
    let worst = ours.iter().zip(&golden).map(off).fold(0.0, f64::max);
    println!("worst {worst:e}, last {} and {}", ours[99], golden[99]);
    assert!(worst < 1e-5, "losses part by {worst} of their size");
    assert!(golden[99] < 0.5 * golden[0], "the rule was learned: {} to {}", golden[0], golden[99]);
}

#[test]
fn bf16_stays_within_the_spread_of_seeds() {
    let end = |losses: Vec<f64>| losses[80..].iter().sum::<f64>() / 20.0;
    let seeds: Vec<f64> = (1..=3).map(|seed| end(losses("f32", Some(seed)))).collect();
    let low = end(losses("bf16", Some(1)));
    let (least, most) = seeds.iter().fold((f64::MAX, f64::MIN), |(a, b), x| (a.min(*x), b.max(*x)));
    println!("f32 {seeds:?}, bf16 {low}");
    assert!(
        (least..=most).contains(&low) || (low - seeds[0]).abs() < 0.2 * (most - least),
        "{seeds:?} {low}"
    );
}
