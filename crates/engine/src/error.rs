//! What a request can get wrong.

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
}
