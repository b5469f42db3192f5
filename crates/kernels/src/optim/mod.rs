//! Optimizer steps, in place, and the norm of the gradients that clips them.

mod adamw;
mod muon;
mod orthogonal;
mod sum_of_squares;

pub use adamw::adamw;
pub use muon::{MuonMoments, SECOND as MUON_SECOND, muon_apply, muon_direction};
pub use orthogonal::{STEPS as MUON_STEPS, flops as muon_flops};
pub use sum_of_squares::sum_of_squares;
