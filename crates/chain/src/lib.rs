//! Prompts and the trades over anything that generates text; vectors of texts.

mod embed;
mod generate;
mod local;
mod trades;

pub use embed::{Cut, Embedded, Embedder, TooLong, cosine};
pub use generate::Generate;
pub use local::{ChainError, Ending, Local, Options, Piece, Reply};
pub use trades::{Direction, ask, summarize, translate};
