//! What a request can get wrong, and what can go wrong with it.

/// A request that cannot be answered.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A number out of its bounds.
    #[error("{field} must be {expected}, found {found}")]
    Field {
        /// Which.
        field: &'static str,
        /// Its bounds.
        expected: &'static str,
        /// What was given.
        found: String,
    },
    /// The model refuses the ids.
    #[error(transparent)]
    Model(#[from] shuyuan_model::ModelError),
    /// As many requests wait as may.
    #[error("{waiting} requests wait already, as many as may: try again in {retry_after_s} s")]
    Busy {
        /// How many wait.
        waiting: usize,
        /// After how many seconds it may be worth trying again, by how long requests took lately.
        retry_after_s: u64,
    },
    /// A grammar that cannot be used, or that became too costly on the way.
    #[error("the constraint: {what}")]
    Constraint {
        /// What is wrong with it.
        what: String,
    },
    /// A defect of ours ended the work. Later requests are answered again.
    #[error("generation failed inside, please report this: {what}")]
    Failed {
        /// What the failed part said.
        what: String,
    },
}
