//! Tasks, metrics and reports with standard errors, over anything that generates or scores text.

mod choice;
mod score;
mod trades;

pub use choice::{Choices, choose, read_choices};
pub use score::Score;
pub use trades::{examine, tasks};
