//! Prompts and the trades over anything that generates text.

mod generate;
mod local;
mod trades;

pub use generate::Generate;
pub use local::{ChainError, Ending, Local, Options, Piece, Reply};
pub use trades::{Direction, ask, summarize, translate};
