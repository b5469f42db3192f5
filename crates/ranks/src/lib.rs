//! What connects the processes that teach one model together: the ranks.
//!
//! Rank 0 tells the others what to do; numbers go from it to all, and sums of numbers come back. What is said and what the
//! numbers mean is its callers' affair. `Mpi` (feature `mpi`) connects the processes that `mpirun` or `srun`
//! started; whoever else can make these calls can take its place.

#[cfg(feature = "mpi")]
mod mpi;

#[cfg(feature = "mpi")]
pub use self::mpi::Mpi;

use std::time::Duration;

/// The processes of one job. All of them make the same calls in the same order.
///
/// Each call returns when the caller may go on. [`Lost`] is final: no call after it will succeed.
pub trait Ranks: Send + Sync {
    /// Which of them this is, from 0.
    fn rank(&self) -> usize;

    /// How many there are.
    fn size(&self) -> usize;

    /// Sends the orders of rank 0, one for each of the others: the first is for rank 1. Called by rank 0, while the others
    /// [`hear`](Self::hear).
    ///
    /// # Errors
    /// If a rank is lost.
    fn tell(&self, orders: Vec<Vec<u8>>) -> Result<(), Lost>;

    /// The next order of rank 0. Waits for as long as it takes.
    ///
    /// # Errors
    /// If rank 0 is lost.
    fn hear(&self) -> Result<Vec<u8>, Lost>;

    /// The numbers of rank 0; those that the others give, as many, are written over.
    ///
    /// # Errors
    /// If a rank is lost.
    fn broadcast(&self, numbers: Vec<f32>) -> Result<Vec<f32>, Lost>;

    /// For rank 0 the sum of what all give, one by one; for the others what they gave. Rank 0 waits no longer than `patience`.
    ///
    /// # Errors
    /// If a rank is lost, or silent for so long.
    fn sum(&self, numbers: Vec<f32>, patience: Duration) -> Result<Vec<f32>, Lost>;
}

/// Another rank is not there any more.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Lost(
    /// What was noticed.
    pub String,
);
