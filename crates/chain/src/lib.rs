//! Prompts and the trades over anything that generates text; answers out of documents; vectors of texts.

mod answer;
mod embed;
mod generate;
mod local;
mod reader;
mod trades;

pub use answer::{
    Answer, AnswerOptions, Citation, Sentence, Summary, answer, follow_up, rerank, summarize_document,
};
pub use embed::{Cut, Embedded, Embedder, TooLong, cosine};
pub use generate::Generate;
pub use local::{ChainError, Ending, Local, Options, Piece, Reply};
pub use reader::{Part, Reader};
pub use trades::{Direction, ask, summarize, translate};
