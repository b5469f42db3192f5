//! What a run keeps, what it says when something goes wrong, and the way back.

mod common;

use burn::tensor::Tensor;
use common::TOKENIZER;
use shuyuan_corpus::{Batch, Cursor};
use shuyuan_model::{ParamMapper, Qwen3ForCausalLM, map_params};
use shuyuan_text::{TokenId, Tokenizer};
use shuyuan_train::{
    Data, Job, Metric, Observer, Recipe, Rewind, Summary, TrainError, Trouble, TroubleKind, Validation,
    read_metrics, read_trouble, rewind, run,
};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// A token whose embedding is no number: whoever reads it has a loss that is none.
const POISON: TokenId = 7;

fn recipe(steps: u64) -> Recipe {
    let mut recipe: Recipe = toml::from_str(
        "
[model]
hidden_size = 32
intermediate_size = 64
num_hidden_layers = 1
num_attention_heads = 2
num_key_value_heads = 1
head_dim = 16
max_position_embeddings = 64
tie_word_embeddings = false

[train]
batch = 2
tokens = 16
validate_every = 5
checkpoint_every = 10

[optimizer]
warmup_steps = 5
",
    )
    .unwrap();
    recipe.train.steps = Some(steps);
    recipe
}

/// The same few words again and again, but for the batches that are strange.
struct Lesson {
    at: u64,
    strange: fn(u64) -> Option<TokenId>,
    folder: Option<(u64, PathBuf)>,
}

impl Lesson {
    fn new(strange: fn(u64) -> Option<TokenId>) -> Self {
        Self { at: 0, strange, folder: None }
    }
}

fn batch(at: u64, strange: Option<TokenId>) -> Batch {
    let ids =
        TOKENIZER.encode("the cat sat on the mat. the cat sat on the mat. the cat sat on the mat. the cat");
    let from = (at % 5) as usize;
    let mut inputs = ids[from..from + 16].repeat(2);
    let mut targets = ids[from + 1..from + 17].repeat(2);
    if let Some(token) = strange {
        inputs[3] = token;
        targets.fill(token);
    }
    Batch { batch: 2, tokens: 16, inputs, targets, starts: vec![0; 32], pairs: None }
}

impl Data for Lesson {
    fn next_batch(&mut self) -> shuyuan_corpus::Result<Option<Batch>> {
        if let Some((at, folder)) = &self.folder
            && *at == self.at
        {
            std::fs::rename(folder, folder.with_extension("moved")).unwrap();
        }
        self.at += 1;
        Ok(Some(batch(self.at - 1, (self.strange)(self.at - 1))))
    }

    fn cursor(&self) -> Cursor {
        Cursor { epoch: 0, document: 0, row: self.at, stream: 1 }
    }

    fn resume(&mut self, cursor: Cursor) -> shuyuan_corpus::Result<()> {
        self.at = cursor.row;
        Ok(())
    }

    fn tokens_per_epoch(&self) -> u64 {
        1
    }

    fn epoch(&self) -> u64 {
        0
    }
}

#[derive(Default)]
struct Seen {
    spikes: Vec<(u64, PathBuf)>,
    /// Stops the run after this step.
    stop: Option<(u64, &'static AtomicBool)>,
}

impl Observer for Seen {
    fn step(&mut self, metric: &Metric, _: f64) {
        if let Some((step, stop)) = self.stop {
            stop.store(metric.step >= step, std::sync::atomic::Ordering::Relaxed);
        }
    }

    fn moment(&mut self, _: &Qwen3ForCausalLM, _: &Metric) {}

    fn spike(&mut self, trouble: &Trouble, file: &Path) {
        self.spikes.push((trouble.step, file.to_path_buf()));
    }
}

struct Poison;

impl ParamMapper for Poison {
    fn map<const D: usize>(&mut self, name: &str, value: Tensor<D>) -> Tensor<D> {
        if !name.contains("embed_tokens") {
            return value;
        }
        let row = POISON as usize * 32;
        shuyuan_tensor::update(value, |numbers| numbers[row..row + 32].fill(f32::NAN))
    }
}

fn teach(
    output: &Path,
    recipe: &Recipe,
    data: Lesson,
    resume: bool,
    seen: &mut Seen,
) -> Result<Summary, TrainError> {
    static NEVER: AtomicBool = AtomicBool::new(false);
    let device = shuyuan_tensor::cpu_autodiff();
    let model = Qwen3ForCausalLM::init(&recipe.config(TOKENIZER.vocab_size()), 1, &device).unwrap();
    let token_bytes = (0..TOKENIZER.vocab_size() as u32).map(|id| TOKENIZER.token_bytes(id).len() as u32);
    let job = Job {
        recipe,
        model: map_params(model, &mut Poison),
        tokenizer: &TOKENIZER,
        data: Box::new(data),
        validation: Some(Validation { batches: vec![batch(1, None)], token_bytes: token_bytes.collect() }),
        floor: None,
        output,
        resume,
        stop: seen.stop.map_or(&NEVER, |(_, stop)| stop),
        ranks: None,
        cards: &[],
    };
    run(job, seen)
}

fn folders(run: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(run.join("checkpoints")).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn state(dir: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(dir.join("state.json")).unwrap()).unwrap()
}

fn weights(dir: &Path) -> Vec<u8> {
    std::fs::read(dir.join("model.safetensors")).unwrap()
}

#[test]
fn passes_end_a_run() {
    let dir = tempfile::tempdir().unwrap();
    let mut recipe = recipe(34);
    // A step reads 32 tokens, and this data has one.
    recipe.train.passes = Some(320.0);
    let summary = teach(&dir.path().join("run"), &recipe, Lesson::new(|_| None), false, &mut Seen::default());
    let summary = summary.unwrap();
    assert_eq!((summary.steps, summary.stopped), (10, false));
}

#[test]
fn the_last_few_and_the_best_are_kept_as_models() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    teach(&run, &recipe(34), Lesson::new(|_| None), false, &mut Seen::default()).unwrap();
    assert_eq!(folders(&run), ["step-000030", "step-000034"]);
    assert_eq!(state(&run.join("checkpoint"))["step"], 34);
    let metrics = read_metrics(&run).unwrap();
    let looks = metrics.iter().filter_map(|metric| Some((metric.validation_bits_per_byte?, metric.step)));
    let (bits, step) = looks.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
    let best = state(&run.join("best"));
    assert_eq!((&best["step"], &best["validation_bits_per_byte"]), (&step.into(), &bits.into()));
    for folder in ["checkpoint", "checkpoints/step-000030", "best"].map(|name| run.join(name)) {
        shuyuan_model::load(&folder, &shuyuan_tensor::cpu()).unwrap();
        assert_eq!(Tokenizer::load(&folder).unwrap().vocab_size(), TOKENIZER.vocab_size());
        assert!(folder.join("optimizer.safetensors").exists());
    }
    assert!(weights(&run.join("checkpoints/step-000034")) == weights(&run.join("checkpoint")));
    assert!(weights(&run.join("checkpoints/step-000030")) != weights(&run.join("checkpoint")));

    // None is kept where none is wanted; a run may go on with another wish.
    let mut fewer = recipe(44);
    fewer.train.keep_checkpoints = 0;
    rewind(&run, Rewind::Step(30)).unwrap();
    teach(&run, &fewer, Lesson::new(|_| None), true, &mut Seen::default()).unwrap();
    assert_eq!(folders(&run), [""; 0]);
    assert_eq!(state(&run.join("checkpoint"))["step"], 44);
}

#[test]
fn a_batch_that_is_no_number_is_saved_and_can_be_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let [one, two] = ["one", "two"].map(|name| dir.path().join(name));
    let poisoned: fn(u64) -> Option<TokenId> = |at| (at == 24).then_some(POISON);
    for output in [&one, &two] {
        let error =
            teach(output, &recipe(40), Lesson::new(poisoned), false, &mut Seen::default()).unwrap_err();
        let text = error.to_string();
        for named in ["step 25", "NaN", "trouble/step-000025.json", "step 20", "--rewind", "10, 20"] {
            assert!(text.contains(named), "expected {named:?} in {text}");
        }
    }
    let trouble = read_trouble(&one).unwrap();
    assert_eq!((trouble.len(), trouble[0].step, trouble[0].what), (1, 25, TroubleKind::NotFinite));
    let rows = &trouble[0].rows;
    assert_eq!((rows.len(), rows[0].tokens.len(), rows[0].tokens[3]), (2, 16, POISON));
    assert!(rows[1].text.contains("cat sat on"), "{:?}", rows[1].text);

    // Without rewinding the same happens again.
    let resumed = Lesson::new(poisoned);
    let again = teach(&one, &recipe(40), resumed, true, &mut Seen::default()).unwrap_err();
    assert!(matches!(again, TrainError::Diverged { step: 25, .. }), "{again}");

    assert!(rewind(&one, Rewind::Step(15)).unwrap_err().to_string().contains("10, 20"));
    let rewound = rewind(&one, Rewind::BeforeTrouble).unwrap();
    assert_eq!((rewound.step, rewound.skipped), (20, 1));
    assert!(rewind(&one, Rewind::BeforeTrouble).unwrap_err().to_string().contains("nothing went wrong"));
    assert!(one.join("trouble/skipped-000025.json").exists());
    let whole = teach(&one, &recipe(40), Lesson::new(poisoned), true, &mut Seen::default()).unwrap();
    assert_eq!(whole.steps, 40);
    let steps = read_metrics(&one).unwrap().into_iter().map(|metric| metric.step);
    assert!(steps.eq(1..=40));

    // From further back, stopped before and after the batch: it stays left out, and the bits are the same.
    assert_eq!(rewind(&two, Rewind::Step(10)).unwrap().step, 10);
    for stop in [22, 31, 1000] {
        static STOP: AtomicBool = AtomicBool::new(false);
        STOP.store(false, std::sync::atomic::Ordering::Relaxed);
        let mut seen = Seen { stop: Some((stop, &STOP)), ..Seen::default() };
        teach(&two, &recipe(40), Lesson::new(poisoned), true, &mut seen).unwrap();
    }
    assert!(weights(&one.join("checkpoint")) == weights(&two.join("checkpoint")));
}

#[test]
fn a_way_that_was_given_up_does_not_push_out_the_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let lesson = || Lesson::new(|_| None);
    teach(&run, &recipe(40), lesson(), false, &mut Seen::default()).unwrap();
    assert_eq!(folders(&run), ["step-000030", "step-000040"]);
    assert_eq!(rewind(&run, Rewind::Step(30)).unwrap().step, 30);
    assert_eq!(folders(&run), ["step-000030", "step-000040"], "nothing is lost before the run goes on");
    teach(&run, &recipe(35), lesson(), true, &mut Seen::default()).unwrap();
    assert_eq!(folders(&run), ["step-000030", "step-000035"]);
    let best = state(&run.join("best"))["step"].as_u64().unwrap();
    assert_eq!(rewind(&run, Rewind::Best).unwrap().step, best);
    teach(&run, &recipe(best + 1), lesson(), true, &mut Seen::default()).unwrap();
    assert!(rewind(&dir.path().join("none"), Rewind::Best).unwrap_err().to_string().contains("no run"));
    assert!(!dir.path().join("none").exists());
}

#[test]
fn a_jump_of_the_loss_is_recorded_and_the_run_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let mut seen = Seen::default();
    let strange: fn(u64) -> Option<TokenId> = |at| (at == 59).then_some(200);
    let summary = teach(&run, &recipe(70), Lesson::new(strange), false, &mut seen).unwrap();
    assert_eq!(summary.steps, 70);
    assert_eq!(seen.spikes, [(60, run.join("trouble/step-000060.json"))]);
    let flagged: Vec<u64> =
        read_metrics(&run).unwrap().iter().filter(|metric| metric.spike).map(|metric| metric.step).collect();
    assert_eq!(flagged[0], 60);
    let trouble = &read_trouble(&run).unwrap()[0];
    assert!(trouble.what == TroubleKind::Spike && trouble.loss > trouble.usual, "{trouble:?}");
    assert_eq!(trouble.rows[0].tokens[3], 200);
}

#[test]
fn a_checkpoint_that_is_not_whole_is_refused_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    teach(&run, &recipe(20), Lesson::new(|_| None), false, &mut Seen::default()).unwrap();
    let (checkpoint, whole) = (run.join("checkpoint"), run.join("checkpoints/step-000010"));
    let restore = || {
        shuyuan_store::link_dir(&run.join("checkpoints/step-000020"), &checkpoint).unwrap();
    };
    let replace =
        |name: &str, bytes: &[u8]| shuyuan_store::write_atomic(&checkpoint.join(name), bytes).unwrap();
    let read = |path: PathBuf| std::fs::read(path).unwrap();
    let model = read(checkpoint.join("model.safetensors"));
    let harms: [(&str, &dyn Fn(), &str); 6] = [
        ("state.json", &|| std::fs::remove_file(checkpoint.join("state.json")).unwrap(), "copied in part"),
        ("model.safetensors", &|| replace("model.safetensors", &model[..model.len() / 2]), "copied in part"),
        ("model.safetensors", &|| std::fs::remove_file(checkpoint.join("model.safetensors")).unwrap(), ""),
        (
            "optimizer.safetensors",
            &|| std::fs::remove_file(checkpoint.join("optimizer.safetensors")).unwrap(),
            "",
        ),
        // The files of an older checkpoint, whole as they are, over those of a newer one.
        (
            "model.safetensors",
            &|| replace("model.safetensors", &read(whole.join("model.safetensors"))),
            "--rewind",
        ),
        (
            "optimizer.safetensors",
            &|| replace("optimizer.safetensors", &read(whole.join("optimizer.safetensors"))),
            "--rewind",
        ),
    ];
    for (name, harm, named) in harms {
        harm();
        let error = teach(&run, &recipe(30), Lesson::new(|_| None), true, &mut Seen::default()).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(name) && text.contains(named), "{name}, {named:?}: {text}");
        assert_eq!(read_metrics(&run).unwrap().len(), 20, "{name}");
        restore();
    }
    std::fs::remove_dir_all(&checkpoint).unwrap();
    for resume in [true, false] {
        let text = teach(&run, &recipe(30), Lesson::new(|_| None), resume, &mut Seen::default()).unwrap_err();
        assert!(text.to_string().contains("--rewind STEP") && text.to_string().contains("10, 20"), "{text}");
    }
    assert_eq!(folders(&run), ["step-000010", "step-000020"]);
    restore();
    // With what is left of the newest, an older one is the way back.
    std::fs::remove_file(checkpoint.join("state.json")).unwrap();
    assert_eq!(rewind(&run, Rewind::Step(10)).unwrap().step, 10);
    assert_eq!(
        teach(&run, &recipe(30), Lesson::new(|_| None), true, &mut Seen::default()).unwrap().steps,
        30
    );
}

#[test]
fn a_folder_that_goes_away_ends_the_run_and_stays_whole() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let lesson = Lesson { folder: Some((14, run.clone())), ..Lesson::new(|_| None) };
    let error = teach(&run, &recipe(30), lesson, false, &mut Seen::default()).unwrap_err();
    assert!(matches!(error, TrainError::Vanished { .. }), "{error}");
    assert!(error.to_string().contains("moved") && error.to_string().contains("--resume"), "{error}");
    assert!(!run.exists(), "nothing was written where the folder had been");
    let moved = run.with_extension("moved");
    assert_eq!(
        teach(&moved, &recipe(30), Lesson::new(|_| None), true, &mut Seen::default()).unwrap().steps,
        30
    );
}
