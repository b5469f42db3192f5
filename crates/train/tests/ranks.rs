//! Several ranks teach what one alone would. Here they are threads; `crates/cli/tests/mpi.sh` has real processes.

mod common;

use common::TOKENIZER;
use shuyuan_corpus::{Batch, Cursor};
use shuyuan_model::{Qwen3ForCausalLM, for_each_param};
use shuyuan_ranks::{Lost, Ranks};
use shuyuan_tensor::Device;
use shuyuan_train::{
    Data, Job, Metric, Observer, OptimizerKind, Recipe, Summary, TrainError, dismiss, exchange_seconds,
    read_metrics, run, serve,
};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

const TOKENS: usize = 24;
const STEPS: u64 = 20;

/// Threads as ranks.
struct Threads {
    rank: usize,
    /// Rank 0 has a line to each of the others, which have one to it.
    lines: Vec<Line>,
    /// Orders that are heard before this rank dies.
    dies_after: Option<Mutex<usize>>,
}

struct Line(Sender<Message>, Mutex<Receiver<Message>>);

enum Message {
    Order(Vec<u8>),
    Numbers(Vec<f32>),
}

impl Line {
    fn send(&self, message: Message) -> Result<(), Lost> {
        self.0.send(message).map_err(|_| Lost("a thread is gone".into()))
    }

    fn receive(&self) -> Result<Message, Lost> {
        self.1.lock().unwrap().recv().map_err(|_| Lost("a thread is gone".into()))
    }

    fn numbers(&self) -> Result<Vec<f32>, Lost> {
        match self.receive()? {
            Message::Numbers(numbers) => Ok(numbers),
            Message::Order(_) => panic!("an order among numbers"),
        }
    }
}

impl Ranks for Threads {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        assert!(self.rank == 0, "only rank 0 asks");
        1 + self.lines.len()
    }

    fn tell(&self, orders: Vec<Vec<u8>>) -> Result<(), Lost> {
        assert_eq!(orders.len(), self.lines.len());
        self.lines.iter().zip(orders).try_for_each(|(line, order)| line.send(Message::Order(order)))
    }

    fn hear(&self) -> Result<Vec<u8>, Lost> {
        if let Some(orders) = &self.dies_after {
            let mut orders = orders.lock().unwrap();
            if *orders == 0 {
                return Err(Lost("this rank dies here".into()));
            }
            *orders -= 1;
        }
        match self.lines[0].receive()? {
            Message::Order(order) => Ok(order),
            Message::Numbers(_) => panic!("numbers among orders"),
        }
    }

    fn broadcast(&self, numbers: Vec<f32>) -> Result<Vec<f32>, Lost> {
        if self.rank == 0 {
            self.lines.iter().try_for_each(|line| line.send(Message::Numbers(numbers.clone())))?;
            return Ok(numbers);
        }
        let given = self.lines[0].numbers()?;
        assert_eq!(given.len(), numbers.len());
        Ok(given)
    }

    fn sum(&self, mut numbers: Vec<f32>, _: Duration) -> Result<Vec<f32>, Lost> {
        if self.rank > 0 {
            self.lines[0].send(Message::Numbers(numbers.clone()))?;
            return Ok(numbers);
        }
        for line in &self.lines {
            let given = line.numbers()?;
            assert_eq!(given.len(), numbers.len());
            numbers.iter_mut().zip(given).for_each(|(sum, x)| *sum += x);
        }
        Ok(numbers)
    }
}

/// `size` ranks, of which the last dies after so many orders, if any.
fn threads(size: usize, dies_after: Option<usize>) -> Vec<Threads> {
    let (mut lines, mut others) = (Vec::new(), Vec::new());
    for rank in 1..size {
        let ((there, from), (back, to)) = (channel(), channel());
        lines.push(Line(there, Mutex::new(to)));
        let dies_after = dies_after.filter(|_| rank + 1 == size).map(Mutex::new);
        others.push(Threads { rank, lines: vec![Line(back, Mutex::new(from))], dies_after });
    }
    let mut all = vec![Threads { rank: 0, lines, dies_after: None }];
    all.append(&mut others);
    all
}

/// Rows in which each id follows from the one before, most of the time; a row ends early now and then, so that batches
/// differ in what they teach.
struct Rows {
    batch: usize,
    at: u64,
    /// The rows that there are.
    end: u64,
}

impl Data for Rows {
    fn next_batch(&mut self) -> shuyuan_corpus::Result<Option<Batch>> {
        if self.at >= self.end {
            return Ok(None);
        }
        let (mut inputs, mut targets) = (Vec::new(), Vec::new());
        for _ in 0..self.batch {
            let mut state = self.at.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
            self.at += 1;
            let mut row = vec![(state % 200) as u32];
            for _ in 0..TOKENS {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let noise = if (state >> 40).is_multiple_of(8) { (state >> 50) as u32 } else { 0 };
                row.push((row[row.len() - 1] * 5 + 3 + noise) % 200);
            }
            inputs.extend_from_slice(&row[..TOKENS]);
            let taught = TOKENS - (state >> 60) as usize;
            targets.extend(
                row[1..].iter().enumerate().map(|(t, id)| if t < taught { *id } else { Batch::IGNORE }),
            );
        }
        let starts = vec![0; self.batch * TOKENS];
        Ok(Some(Batch { batch: self.batch, tokens: TOKENS, inputs, targets, starts, pairs: None }))
    }

    fn cursor(&self) -> Cursor {
        Cursor { epoch: 0, document: 0, row: self.at, stream: 1 }
    }

    fn resume(&mut self, cursor: Cursor) -> shuyuan_corpus::Result<()> {
        self.at = cursor.row;
        Ok(())
    }

    fn tokens_per_epoch(&self) -> u64 {
        u64::MAX
    }

    fn epoch(&self) -> u64 {
        0
    }
}

struct Nobody;

impl Observer for Nobody {
    fn step(&mut self, _: &Metric, _: f64) {}
    fn moment(&mut self, _: &Qwen3ForCausalLM, _: &Metric) {}
}

fn recipe(kind: OptimizerKind, batch: usize, accumulation: usize) -> Recipe {
    let mut recipe = Recipe::default();
    let model = &mut recipe.model;
    (model.hidden_size, model.intermediate_size, model.num_hidden_layers) = (32, 64, 2);
    (model.num_attention_heads, model.num_key_value_heads, model.head_dim) = (2, 1, 16);
    let train = &mut recipe.train;
    (train.batch, train.tokens, train.accumulation, train.steps) = (batch, TOKENS, accumulation, Some(STEPS));
    (train.precision, train.validate_every, train.checkpoint_every) = ("f32".into(), 0, 1000);
    recipe.optimizer.kind = kind;
    recipe
}

/// A run of this process and as many more devices, in `output`, on so many rows.
fn teach_on(output: &Path, recipe: &Recipe, cards: &[Device], rows: u64) -> Summary {
    let stop = AtomicBool::new(false);
    let data = Rows { batch: recipe.train.batch, at: 0, end: rows };
    run(Job { cards, ..job(output, recipe, data, &stop) }, &mut Nobody).unwrap()
}

fn job<'a>(output: &'a Path, recipe: &'a Recipe, data: Rows, stop: &'a AtomicBool) -> Job<'a> {
    let config = recipe.config(TOKENIZER.vocab_size());
    Job {
        recipe,
        model: Qwen3ForCausalLM::init(&config, 3, &shuyuan_tensor::cpu_autodiff()).unwrap(),
        tokenizer: &TOKENIZER,
        data: Box::new(data),
        validation: None,
        floor: None,
        output,
        resume: false,
        stop,
        ranks: None,
        cards: &[],
    }
}

/// A run of `size` ranks in `output`, to its end or until the last of them dies.
fn teach(
    output: &Path,
    recipe: &Recipe,
    size: usize,
    dies_after: Option<usize>,
    resume: bool,
) -> Result<Summary, TrainError> {
    let mut ranks = threads(size, dies_after);
    let first = ranks.remove(0);
    let stop = AtomicBool::new(false);
    // Rank 0 moves in: its lines end with the run, and so do the others.
    std::thread::scope(move |scope| {
        for other in ranks {
            scope.spawn(move || {
                let end = serve(&other, &shuyuan_tensor::cpu());
                assert_eq!(end.is_ok(), dies_after.is_none(), "{end:?}");
            });
        }
        let data = Rows { batch: recipe.train.batch, at: 0, end: u64::MAX };
        let summary =
            run(Job { resume, ranks: Some(&first), ..job(output, recipe, data, &stop) }, &mut Nobody);
        if dies_after.is_none() {
            dismiss(&first).unwrap();
        }
        summary
    })
}

/// Loss and norm of the gradients, step by step.
fn losses(run: &Path) -> Vec<f64> {
    read_metrics(run).unwrap().iter().flat_map(|metric| [metric.loss, metric.grad_norm]).collect()
}

fn numbers(model: &Qwen3ForCausalLM) -> Vec<f32> {
    let mut numbers = Vec::new();
    for_each_param(model, |_, _, data| numbers.extend_from_slice(data));
    numbers
}

fn root_mean_square(numbers: impl Iterator<Item = f32>) -> f64 {
    let (count, sum) = numbers.fold((0, 0.0), |(count, sum), x| (count + 1, sum + f64::from(x).powi(2)));
    (sum / f64::from(count)).sqrt()
}

#[test]
fn ranks_follow_one_with_all_rows() {
    // Muon multiplies in bf16: where sums differ in their last bit, its directions differ by one in bf16's.
    for (kind, most) in [(OptimizerKind::AdamW, 2e-6), (OptimizerKind::Muon, 2e-3)] {
        let dir = tempfile::tempdir().unwrap();
        let run = |name: &str, size, batch, accumulation| {
            let output = dir.path().join(name);
            let summary = teach(&output, &recipe(kind, batch, accumulation), size, None, false).unwrap();
            (losses(&output), numbers(&summary.model), summary.tokens)
        };
        let alone = run("alone", 1, 12, 1);
        let last = alone.0.len() - 2;
        assert!(alone.0[last] < 0.9 * alone.0[0], "it learns: {:?}", alone.0);
        for (name, size, batch, accumulation) in [("two", 2, 6, 1), ("three", 3, 2, 2), ("four", 4, 1, 3)] {
            let shared = run(name, size, batch, accumulation);
            assert_eq!(shared.2, alone.2, "the same tokens");
            let off = alone.0.iter().zip(&shared.0).map(|(a, b)| (a - b).abs() / a).fold(0.0, f64::max);
            let apart = root_mean_square(alone.1.iter().zip(&shared.1).map(|(a, b)| a - b));
            let apart = apart / root_mean_square(alone.1.iter().copied());
            println!("{kind:?} {name}: losses {off:.1e}, weights {apart:.1e}");
            assert!(off < most && apart < 5.0 * most, "{kind:?} {name}: losses {off:e}, weights {apart:e}");
        }
    }
}

/// Cards that cannot add up between themselves, which is what a CPU is: on the first, then.
#[test]
fn cards_follow_one_with_all_rows() {
    let dir = tempfile::tempdir().unwrap();
    let run = |name: &str, cards: &[Device], batch, rows| {
        let output = dir.path().join(name);
        let summary = teach_on(&output, &recipe(OptimizerKind::AdamW, batch, 1), cards, rows);
        (losses(&output), numbers(&summary.model), summary.steps)
    };
    let more = [shuyuan_tensor::cpu(), shuyuan_tensor::cpu()];
    let (alone, shared) = (run("alone", &[], 12, u64::MAX), run("shared", &more, 4, u64::MAX));
    assert_eq!((alone.2, shared.2), (STEPS, STEPS));
    let off = alone.0.iter().zip(&shared.0).map(|(a, b)| (a - b).abs() / a).fold(0.0, f64::max);
    let apart = root_mean_square(alone.1.iter().zip(&shared.1).map(|(a, b)| a - b));
    let apart = apart / root_mean_square(alone.1.iter().copied());
    assert!(off < 2e-6 && apart < 1e-5, "losses {off:e}, weights {apart:e}");
    // Eight steps of three cards with four rows each; in the ninth two of them have none.
    assert_eq!(run("end", &more, 4, 100).2, 9);
}

#[test]
fn a_run_that_lost_a_rank_goes_on_with_any_number() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = recipe(OptimizerKind::Muon, 4, 1);
    // An order begins the run, one a step follows: the third rank is gone in the eighth step.
    let error = teach(dir.path(), &recipe, 3, Some(8), false).unwrap_err();
    assert!(matches!(error, TrainError::Ranks { saved: Some(7), .. }), "{error}");
    assert!(
        error.to_string().contains("saved at step 7") && error.to_string().contains("--resume"),
        "{error}"
    );
    let state = std::fs::read(dir.path().join("checkpoint/state.json")).unwrap();
    let state: serde_json::Value = serde_json::from_slice(&state).unwrap();
    // Seven steps of three ranks with four rows each.
    assert_eq!((state["step"].as_u64(), state["cursor"]["row"].as_u64()), (Some(7), Some(84)));
    let summary = teach(dir.path(), &recipe, 2, None, true).unwrap();
    assert_eq!(summary.steps, STEPS);
    assert_eq!(losses(dir.path()).len() as u64, 2 * STEPS);
    // Before anything was learned there is nothing to save.
    let other = tempfile::tempdir().unwrap();
    let error = teach(other.path(), &recipe, 2, Some(1), false).unwrap_err();
    assert!(matches!(error, TrainError::Ranks { saved: None, .. }), "{error}");
    assert!(!other.path().join("checkpoint").exists());
}

#[test]
fn the_way_between_ranks_is_timed_and_no_order_is_guessed() {
    let mut ranks = threads(2, None);
    let (other, first) = (ranks.remove(1), ranks.remove(0));
    std::thread::scope(|scope| {
        let served = scope.spawn(move || serve(&other, &shuyuan_tensor::cpu()));
        assert!(exchange_seconds(&first, 1000).unwrap() > 0.0);
        first.tell(vec![b"{\"Sing\":{}}".to_vec()]).unwrap();
        let error = served.join().unwrap().unwrap_err().to_string();
        assert!(error.contains("same version"), "{error}");
    });
}
