//! What to examine becomes tasks, each ready to be taken: what is not there is refused before anything begins.

use crate::{
    EvalError, Items, Progress, Scorer, TRADES, TaskResult, bits_per_byte, multiple_choice, read_items,
    texts_of, trade,
};
use shuyuan_chain::Generate;
use shuyuan_corpus::world::World;
use std::path::{Path, PathBuf};

/// What to examine. Without trades, choices and text: all trades.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Trades of the built-in world.
    pub trades: Vec<String>,
    /// Files of questions, JSON lines (also .zst).
    pub choices: Vec<PathBuf>,
    /// Files or folders of text, for bits per byte.
    pub text: Vec<PathBuf>,
    /// The most questions of a task.
    pub limit: usize,
    /// About how many bytes of text are read.
    pub bytes: usize,
    /// The built-in world's seed.
    pub seed: u64,
}

impl Default for Plan {
    fn default() -> Self {
        let (trades, choices, text) = Default::default();
        // 100 questions: a standard error of .05 at most. After a million bytes the third digit stands still.
        Self { trades, choices, text, limit: 100, bytes: 1_000_000, seed: 1 }
    }
}

/// One task of a plan, with its questions.
#[derive(Clone, Debug)]
pub struct Task {
    name: String,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Trade { seed: u64, n: usize },
    Choices(Items),
    Text(Vec<String>),
}

impl Plan {
    /// The tasks: trades, then files of questions, then text.
    ///
    /// # Errors
    /// An unknown trade, a file without questions or text, two tasks of one name.
    pub fn tasks(&self) -> Result<Vec<Task>, EvalError> {
        let all = self.trades.is_empty() && self.choices.is_empty() && self.text.is_empty();
        let trades = if all { TRADES.map(String::from).to_vec() } else { self.trades.clone() };
        let mut tasks: Vec<Task> = Vec::new();
        for name in trades {
            if !TRADES.contains(&name.as_str()) {
                let known = TRADES.map(String::from).to_vec();
                return Err(EvalError::UnknownTask { found: name, known });
            }
            tasks.push(Task { name, kind: Kind::Trade { seed: self.seed, n: self.limit } });
        }
        for path in &self.choices {
            let kind = Kind::Choices(read_items(path, Some(self.limit))?);
            tasks.push(Task { name: stem(path), kind });
        }
        if !self.text.is_empty() {
            let kind = Kind::Text(texts_of(&self.text, self.bytes)?);
            tasks.push(Task { name: "bits_per_byte".into(), kind });
        }
        for (nth, task) in tasks.iter().enumerate() {
            if tasks[..nth].iter().any(|other| other.name == task.name) {
                return Err(EvalError::SameName { name: task.name.clone() });
            }
        }
        Ok(tasks)
    }
}

impl Task {
    /// A trade, a file's name up to the first dot, or "bits_per_byte".
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Questions, or texts.
    pub fn parts(&self) -> usize {
        match &self.kind {
            Kind::Trade { n, .. } => *n,
            Kind::Choices(items) => items.items.len(),
            Kind::Text(texts) => texts.len(),
        }
    }

    /// Whether its parts are texts.
    pub fn reads_text(&self) -> bool {
        matches!(self.kind, Kind::Text(_))
    }

    /// Takes it.
    ///
    /// # Errors
    /// What the engine or the generator refuses, a stop.
    pub fn take(
        &self,
        scorer: &Scorer,
        generate: &dyn Generate,
        on: Progress,
    ) -> Result<TaskResult, EvalError> {
        match &self.kind {
            Kind::Trade { seed, n } => trade(generate, &World::new(*seed), &self.name, *n, on),
            Kind::Choices(items) => multiple_choice(scorer, &self.name, items, on),
            Kind::Text(texts) => bits_per_byte(scorer, texts, on),
        }
    }
}

/// "piqa_dev" of /data/piqa_dev.jsonl.zst.
fn stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    name.split('.').next().unwrap_or_default().to_string()
}
