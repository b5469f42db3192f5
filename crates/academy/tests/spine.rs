//! The whole path once: raw text, tokenizer, corpus, fifty steps, fine-tuning, an answer; and what a run must keep.

use shuyuan_academy::stages::{
    Prompt, answer, corpus, finetune, pretrain, quickstart, report::Report, tokenizer, world,
};
use shuyuan_academy::{Academy, Event, Home, Lang, LiveModel};
use shuyuan_corpus::world::Split;
use shuyuan_train::{FirstRecipe, Kind, Recipe, read_metrics};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

const RECIPE: &str = "
[model]
hidden_size = 64
intermediate_size = 128
num_hidden_layers = 2
num_attention_heads = 4
num_key_value_heads = 2
head_dim = 16
max_position_embeddings = 256

[train]
batch = 4
tokens = 128
validate_every = 25
checkpoint_every = 10
";

fn recipe() -> Recipe {
    toml::from_str(RECIPE).unwrap()
}

/// A home with tokenizer and corpus, from `docs` documents.
fn school(dir: &Path, docs: u64) -> Academy {
    let academy = Academy::new(Home::open(dir).unwrap(), Lang::En);
    let text = dir.join("world.jsonl");
    world::write_file(7, docs, Split::Train, world::Kind::All, &text).unwrap();
    let stop = AtomicBool::new(false);
    let options = tokenizer::Options {
        inputs: vec![text.clone()],
        vocab_size: 1024,
        limit: None,
        output: academy.home.tokenizer("t"),
    };
    tokenizer::train(&academy, &options, &stop).unwrap();
    let options = corpus::Options {
        inputs: vec![(text, 1.0)],
        tokenizer: academy.home.tokenizer("t"),
        output: academy.home.corpus("c"),
        decontaminate: Vec::new(),
        validation_share: 0.02,
        clean: true,
    };
    corpus::build(&academy, &options, &stop).unwrap();
    academy
}

fn options(academy: &Academy, run: &str, steps: u64, resume: bool) -> pretrain::Options {
    pretrain::Options {
        recipe: Some(recipe()),
        corpus: academy.home.corpus("c"),
        output: academy.home.run(run),
        steps: Some(steps),
        minutes: None,
        resume,
        prompts: vec![Prompt::GoOn("今天".into())],
        floor_per_byte: None,
        hurried: false,
    }
}

fn weights(run: &Path) -> Vec<u8> {
    std::fs::read(run.join("checkpoint/model.safetensors")).unwrap()
}

#[test]
fn raw_text_becomes_a_model_that_answers() {
    let dir = tempfile::tempdir().unwrap();
    let academy = school(dir.path(), 4_000);
    let stop = AtomicBool::new(false);
    let (_, events) = academy.events.subscribe();
    let summary = pretrain::run(&academy, &options(&academy, "r", 50, false), &stop).unwrap();
    assert_eq!((summary.steps, summary.stopped), (50, false));

    let run = academy.home.run("r");
    let metrics = read_metrics(&run).unwrap();
    assert_eq!(metrics.len(), 50);
    // It starts at guessing, ln(1024) = 6.93, and has learned by step 50: 4.4 nats was measured.
    assert!((metrics[0].loss - 1024f64.ln()).abs() < 0.2, "first loss {}", metrics[0].loss);
    assert!(metrics[49].loss < 5.2, "last loss {}", metrics[49].loss);
    let bits: Vec<f64> = metrics.iter().filter_map(|metric| metric.validation_bits_per_byte).collect();
    assert!(bits.len() == 2 && bits[1] < bits[0], "validation {bits:?}");
    assert!(run.join("loss.svg").exists() && run.join("recipe.json").exists());
    let events: Vec<Event> = events.try_iter().collect();
    assert!(events.iter().any(|event| matches!(event, Event::Sample { .. })));
    let looks = events.iter().filter(|event| matches!(event, Event::Validation { .. }));
    assert_eq!(looks.count(), 2, "each look at held-out text is told");
    let busy = |event: &Event| matches!(event, Event::Loss { utilisation: Some(part), .. } if *part > 0.0);
    assert!(events.iter().any(busy));

    let chats = dir.path().join("chats.jsonl");
    world::write_file(8, 500, Split::Train, world::Kind::Chats, &chats).unwrap();
    let tune = finetune::Options {
        model: run.join("model"),
        data: vec![chats],
        output: academy.home.run("f"),
        recipe: recipe(),
        steps: Some(100),
        minutes: None,
        resume: false,
        prompts: Vec::new(),
        kind: Kind::Finetune,
    };
    finetune::run(&academy, &tune, &stop).unwrap();
    let tuned = read_metrics(&academy.home.run("f")).unwrap();
    let mean = |metrics: &[shuyuan_train::Metric]| {
        metrics.iter().map(|m| m.loss).sum::<f64>() / metrics.len() as f64
    };
    let (first, last) = (mean(&tuned[..5]), mean(&tuned[95..]));
    assert!(last < first - 0.3, "fine-tuning went from {first} to {last}");
    let live = LiveModel::load(&academy.home.run("f").join("model")).unwrap();
    assert!(!answer(&live, &Prompt::Ask("24加89等于几？".into()), 24).unwrap().is_empty());
}

#[test]
fn a_resumed_run_is_bit_equal_to_an_uninterrupted_one() {
    let dir = tempfile::tempdir().unwrap();
    let academy = school(dir.path(), 1_500);
    let stop = AtomicBool::new(false);
    // Rows are short for half of the run: it is stopped before they grow, and goes on past that.
    let options = |run: &str, resume| {
        let mut options = options(&academy, run, 30, resume);
        let mut recipe = recipe();
        recipe.train.first = Some(FirstRecipe { part: 0.5, batch: 8, tokens: 64 });
        options.recipe = Some(recipe);
        options
    };
    pretrain::run(&academy, &options("whole", false), &stop).unwrap();

    // Stopped by a user after the first event of step 7 or later.
    let (_, events) = academy.events.subscribe();
    let stopper = &stop;
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let seven = |event: &Event| matches!(event, Event::Loss { step, .. } if *step >= 7);
            if events.iter().any(|event| seven(&event)) {
                stopper.store(true, Ordering::Relaxed);
            }
        });
        let summary = pretrain::run(&academy, &options("parts", false), &stop).unwrap();
        // However late the stop came in, the run below must end at the same bits.
        assert!(summary.steps >= 7);
    });
    stop.store(false, Ordering::Relaxed);
    let error = pretrain::run(&academy, &options("parts", false), &stop).unwrap_err();
    assert!(error.to_string().contains("--resume"), "{error}");
    // A run from before recipe.json said what it is for goes on, too.
    let path = academy.home.run("parts").join("recipe.json");
    let recipe = std::fs::read_to_string(&path).unwrap();
    let old = recipe.replace("  \"kind\": \"pretrain\",\n", "");
    assert_ne!(old, recipe);
    std::fs::write(&path, old).unwrap();
    pretrain::run(&academy, &options("parts", true), &stop).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), recipe);
    assert!(weights(&academy.home.run("whole")) == weights(&academy.home.run("parts")));
}

#[test]
fn accumulated_batches_teach_like_one() {
    let dir = tempfile::tempdir().unwrap();
    let academy = school(dir.path(), 1_500);
    let stop = AtomicBool::new(false);
    let mut one = options(&academy, "one", 5, false);
    let mut two = options(&academy, "two", 5, false);
    let mut exact = recipe();
    exact.train.precision = "f32".into();
    one.recipe = Some(exact.clone());
    (exact.train.batch, exact.train.accumulation) = (2, 2);
    two.recipe = Some(exact);
    let losses: Vec<f64> =
        [one, two].iter().map(|options| pretrain::run(&academy, options, &stop).unwrap().loss).collect();
    // The same rows in f32, summed in another order.
    assert!((losses[0] - losses[1]).abs() < 1e-3, "{losses:?}");
}

#[test]
fn without_a_recipe_the_size_follows_from_the_time() {
    let dir = tempfile::tempdir().unwrap();
    let academy = school(dir.path(), 1_500);
    let stop = AtomicBool::new(false);
    let (_, events) = academy.events.subscribe();
    let mut chosen = options(&academy, "chosen", 1, false);
    (chosen.recipe, chosen.steps, chosen.minutes) = (None, None, Some(0.03));
    let summary = pretrain::run(&academy, &chosen, &stop).unwrap();
    assert_eq!(summary.model.config().hidden_size, 128, "two seconds are for the smallest");
    let said = |event| matches!(event, Event::Message { text, .. } if text.contains("recipes/2m.toml"));
    assert!(events.try_iter().any(said), "which, and why");
    let run = shuyuan_train::recipe_of(&chosen.output).unwrap();
    assert_eq!(run.train.minutes, Some(0.03));
    assert!(run.train.first.is_some(), "its rows are short at first");
}

#[test]
fn a_wrong_checkpoint_recipe_or_length_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let academy = school(dir.path(), 300);
    let stop = AtomicBool::new(false);
    let mut endless = options(&academy, "e", 1, false);
    endless.steps = None;
    let error = pretrain::run(&academy, &endless, &stop).unwrap_err().to_string();
    assert!(error.contains("--steps"), "{error}");
    endless.recipe = None;
    let error = pretrain::run(&academy, &endless, &stop).unwrap_err().to_string();
    assert!(error.contains("--minutes") && error.contains("--recipe"), "{error}");

    pretrain::run(&academy, &options(&academy, "r", 2, false), &stop).unwrap();
    let mut other = options(&academy, "r", 4, true);
    let mut hotter = recipe();
    hotter.optimizer.matrix_lr = 0.5;
    other.recipe = Some(hotter);
    let error = pretrain::run(&academy, &other, &stop).unwrap_err().to_string();
    assert!(error.contains("recipe differs"), "{error}");

    let state: PathBuf = academy.home.run("r").join("checkpoint/optimizer.safetensors");
    std::fs::write(&state, b"junk").unwrap();
    let error = pretrain::run(&academy, &options(&academy, "r", 4, true), &stop).unwrap_err().to_string();
    assert!(error.contains("optimizer.safetensors"), "{error}");
}

#[test]
fn quickstart_goes_all_the_way_and_then_opens_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let academy = Academy::new(Home::open(dir.path()).unwrap(), Lang::Zh);
    let stop = AtomicBool::new(false);
    let options = quickstart::Options { minutes: 0.1, inputs: Vec::new(), seed: 1, questions: 4 };
    quickstart::run(&academy, &options, &stop).unwrap();
    let report = Report::read(&academy.home).unwrap();
    for name in ["tokenizer", "corpus", "pretrain", "finetune", "eval"] {
        assert!(report.seconds.contains_key(name), "{name} is missing in {report:?}");
    }
    for task in ["one_fact", "two_facts", "sums", "translation", "summary"] {
        assert!(report.scores[task].n == 4 && report.scores[task].baseline < 0.2, "{report:?}");
    }
    assert_eq!(academy.live().unwrap().name, "academy");
    quickstart::run(&academy, &options, &stop).unwrap();
    assert_eq!(Report::read(&academy.home).unwrap().seconds["pretrain"], report.seconds["pretrain"]);
}
