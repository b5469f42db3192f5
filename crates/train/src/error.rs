//! What can stop a run.

use std::path::PathBuf;

/// A run that cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A recipe that is not one.
    #[error("recipe {path}: {what}", path = path.display())]
    Recipe {
        /// Its file.
        path: PathBuf,
        /// What is wrong, and what would be right.
        what: String,
    },
    /// A first part with other rows, for data that is not cut.
    #[error(
        "train.first: rows of conversations and pairs have one length, since they are not cut; remove it from the recipe"
    )]
    RowsAreFixed,
    /// A step taken for its speed came to no numbers.
    #[error(
        "the step that was timed came to loss {loss} and gradient norm {norm}: the kernels are wrong on this machine"
    )]
    NotFinite {
        /// Its loss.
        loss: f64,
        /// The norm of its gradients.
        norm: f64,
    },
    /// The loss or the gradients of a run are no longer numbers.
    #[error(
        "the {what} of step {step} is {value}: training cannot go on (learning rate {lr}). Its batch is in {batch}. \
         {remedy}. If it comes again, begin anew in another --output with lower rates or more warmup_steps",
        batch = batch.display()
    )]
    Diverged {
        /// "loss" or "gradient norm".
        what: &'static str,
        /// The step.
        step: u64,
        /// What it was.
        value: f64,
        /// The learning rate of the matrices.
        lr: f64,
        /// The file with the batch.
        batch: PathBuf,
        /// Which checkpoints there are, and how to go on from them.
        remedy: String,
    },
    /// The folder is no longer where it was.
    #[error(
        "{path} was moved, removed or replaced during the run: nothing was written to what is there now. If it was \
         moved, go on there with --resume",
        path = path.display()
    )]
    Vanished {
        /// The run's folder.
        path: PathBuf,
    },
    /// A parameter that nothing taught.
    #[error("parameter {0} got no gradient: it would silently stay as it is")]
    NoGradient(String),
    /// The folder holds a run already.
    #[error("{path} holds a run of {step} steps already: go on with --resume, or choose another --output", path = path.display())]
    Exists {
        /// The run's folder.
        path: PathBuf,
        /// Where it stands.
        step: u64,
    },
    /// A checkpoint that does not belong to this run.
    #[error("cannot resume {path}: {what}", path = path.display())]
    Resume {
        /// The checkpoint.
        path: PathBuf,
        /// Why not, and what to do.
        what: String,
    },
    /// It does not fit.
    #[error(
        "this run needs about {need_mib} MiB for {batch} x {tokens} tokens at a time, {have_mib} MiB are free: {}",
        match fits {
            Some(tokens) => format!("train.tokens = {tokens} would fit"),
            None => "only a smaller model would fit (`shuyuan doctor` says which)".into(),
        }
    )]
    Memory {
        /// MiB.
        need_mib: u64,
        /// MiB.
        have_mib: u64,
        /// Rows of a batch.
        batch: usize,
        /// Tokens of a row.
        tokens: usize,
        /// Tokens of a row, by halving, that would fit, if any would.
        fits: Option<usize>,
    },
    /// Another rank is gone.
    #[error("{lost}. {}", match saved {
        Some(step) => format!("The run is saved at step {step}: go on with --resume, with any number of ranks"),
        None => "What was learned until then, rank 0 has saved".into(),
    })]
    Ranks {
        /// What was noticed.
        lost: shuyuan_ranks::Lost,
        /// The step of the checkpoint, where this rank writes them.
        saved: Option<u64>,
    },
    /// A device fails.
    #[error("the device where the model lies: {0}")]
    Device(String),
    /// The system gives no threads for the cards.
    #[error("the threads of the cards do not start: {0}")]
    Threads(String),
    /// A message between ranks that is none.
    #[error("rank 0 sent what this rank does not know ({0}): all ranks must run the same version of shuyuan")]
    Order(String),
    /// The data ended or broke.
    #[error(transparent)]
    Corpus(#[from] shuyuan_corpus::Error),
    /// The model's files.
    #[error(transparent)]
    Model(#[from] shuyuan_model::ModelError),
    /// Storage.
    #[error(transparent)]
    Store(#[from] shuyuan_store::StoreError),
    /// A file of the run.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl From<shuyuan_ranks::Lost> for TrainError {
    fn from(lost: shuyuan_ranks::Lost) -> Self {
        Self::Ranks { lost, saved: None }
    }
}
