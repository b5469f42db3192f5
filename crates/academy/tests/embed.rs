//! Teaching a model to find: it finds what it was not taught, goes on to the same bits, and is an embedder wherever it lies.

use shuyuan_academy::stages::embed::{self, Options};
use shuyuan_academy::{Academy, Event, Home, Lang, LiveEmbedder};
use shuyuan_model::{Qwen3ForCausalLM, SentenceConfig};
use shuyuan_text::TrainConfig;
use shuyuan_train::{Recipe, read_metrics};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

const RECIPE: &str = "
[model]
hidden_size = 32
intermediate_size = 64
num_hidden_layers = 2
num_attention_heads = 2
num_key_value_heads = 1
head_dim = 16
max_position_embeddings = 128

[train]
batch = 16
tokens = 64
validate_every = 60
checkpoint_every = 5

[optimizer]
matrix_lr = 0.02
embedding_lr = 0.03
warmup_steps = 5

[embed]
query_tokens = 32
passage_tokens = 64
";

const WHO: [&str; 10] = ["Anna", "Bob", "Carol", "David", "Emma", "李明", "王芳", "张伟", "赵敏", "陈静"];
const WHAT: [&str; 10] =
    ["a cat", "a dog", "a horse", "a bird", "a fish", "一本书", "一把伞", "一辆车", "一只鸟", "一棵树"];
const WHERE: [&str; 10] = ["Paris", "Rome", "Oslo", "Cairo", "Lima", "北京", "上海", "广州", "成都", "西安"];

/// A thousand facts in pairs, and a few documents.
fn data(dir: &Path) {
    let mut lines = String::new();
    for (w, who) in WHO.iter().enumerate() {
        for (t, what) in WHAT.iter().enumerate() {
            for (p, place) in WHERE.iter().enumerate() {
                let n = w * 100 + t * 10 + p;
                let passage = format!("{place}: {who}, {what}. {}", ["", "Yes.", "好的。"][n % 3]);
                let line =
                    serde_json::json!({ "query": format!("{what}? {who} {place}"), "passage": passage });
                lines += &format!("{line}\n");
            }
        }
    }
    std::fs::write(dir.join("pairs.jsonl"), lines).unwrap();
    let documents = "# Cats\n\nA cat is in Rome. A dog is in Oslo. The bird is Anna's.\n\n# 书\n\n北京有一本书。李明有一把伞。\n";
    std::fs::write(dir.join("documents.md"), documents.repeat(5)).unwrap();
}

fn recipe() -> Recipe {
    toml::from_str(RECIPE).unwrap()
}

fn academy(dir: &Path, tied: bool) -> Academy {
    data(dir);
    let text = std::fs::read_to_string(dir.join("pairs.jsonl")).unwrap();
    let trained =
        shuyuan_text::train([Ok(text)], &TrainConfig::new(512), |_| ControlFlow::Continue(())).unwrap();
    let mut recipe = recipe();
    recipe.model.tie_word_embeddings = tied;
    let config = recipe.config(trained.tokenizer.vocab_size());
    let model = Qwen3ForCausalLM::init(&config, 1, &shuyuan_tensor::cpu()).unwrap();
    let base = dir.join("base");
    std::fs::create_dir(&base).unwrap();
    shuyuan_model::save(&model, &base).unwrap();
    trained.tokenizer.save(&base).unwrap();
    Academy::new(Home::open(dir).unwrap(), Lang::En)
}

fn options(dir: &Path, run: &str, steps: u64, resume: bool) -> Options {
    Options {
        model: dir.join("base"),
        data: vec![dir.join("pairs.jsonl"), dir.join("documents.md")],
        output: dir.join(run),
        recipe: recipe(),
        steps: Some(steps),
        minutes: None,
        resume,
    }
}

#[test]
fn it_finds_what_it_was_not_taught() {
    let dir = tempfile::tempdir().unwrap();
    let academy = academy(dir.path(), false);
    let (_, events) = academy.events.subscribe();
    let summary =
        embed::run(&academy, &options(dir.path(), "r", 240, false), &AtomicBool::new(false)).unwrap();
    let recall = summary.recall.unwrap();
    // Chance is 1 in 50 or so; .9 was measured.
    assert!(recall.passages > 25 && recall.queries > 25, "{recall:?}");
    assert!(recall.at_1 > 0.5 && recall.at_5 > 0.8 && recall.mrr > 0.6, "{recall:?}");
    let metrics = read_metrics(&dir.path().join("r")).unwrap();
    assert_eq!(metrics.iter().filter(|metric| metric.validation_recall.is_some()).count(), 4);
    let events: Vec<Event> = events.try_iter().collect();
    assert_eq!(events.iter().filter(|event| matches!(event, Event::Recall { .. })).count(), 4);
    let says = |words: &str| {
        events.iter().any(|event| matches!(event, Event::Message { text, .. } if text.contains(words)))
    };
    assert!(says("no output layer") && says("1000 pairs as given; 1 documents"));

    // The model, and each checkpoint: vectors of length 1, by the token that the tokenizer puts at the end.
    for folder in ["r/model", "r/checkpoint", "r/best", "r/checkpoints/step-000240"] {
        let folder = dir.path().join(folder);
        let embedder = LiveEmbedder::load(&folder).unwrap().embedder;
        assert_eq!(embedder.max_tokens(), 64);
        let vectors = embedder.embed(&["a cat? Anna Rome", "一本书? 李明 北京"]).unwrap();
        for vector in &vectors {
            assert!((vector.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5);
        }
        let tokenizer = embedder.tokenizer();
        let ids = [tokenizer.encode("a cat? Anna Rome"), vec![tokenizer.special("<|endoftext|>").unwrap()]]
            .concat();
        assert_eq!(embedder.embed_ids(&[ids]).unwrap().vectors[0], vectors[0]);
        let sentence = SentenceConfig::of_folder(&folder).unwrap().unwrap();
        assert_eq!(sentence, summary_sentence());
    }
}

fn summary_sentence() -> SentenceConfig {
    recipe().embed.unwrap().sentence()
}

#[test]
fn a_resumed_run_is_bit_equal_to_an_uninterrupted_one() {
    let dir = tempfile::tempdir().unwrap();
    let academy = academy(dir.path(), true);
    let stop = AtomicBool::new(false);
    embed::run(&academy, &options(dir.path(), "whole", 24, false), &stop).unwrap();
    let (_, events) = academy.events.subscribe();
    let stopper = &stop;
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let seven = |event: &Event| matches!(event, Event::Loss { step, .. } if *step >= 7);
            if events.iter().any(|event| seven(&event)) {
                stopper.store(true, Ordering::Relaxed);
            }
        });
        let summary = embed::run(&academy, &options(dir.path(), "parts", 24, false), &stop).unwrap();
        // However late the stop came in, the run below must end at the same bits.
        assert!(summary.steps >= 7);
    });
    stop.store(false, Ordering::Relaxed);
    embed::run(&academy, &options(dir.path(), "parts", 24, true), &stop).unwrap();
    let weights = |run: &str| std::fs::read(dir.path().join(run).join("model/model.safetensors")).unwrap();
    assert!(weights("whole") == weights("parts"));

    // Other data, other pairs: not a run to go on with.
    std::fs::write(dir.path().join("documents.md"), "One is here. Two is there.").unwrap();
    let error = embed::run(&academy, &options(dir.path(), "parts", 48, true), &stop).unwrap_err();
    assert!(format!("{error:#}").contains("one of these pairs"), "{error:#}");
}
