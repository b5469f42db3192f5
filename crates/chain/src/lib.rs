//! Prompts and the trades over anything that generates text; answers out of documents; vectors of texts.

mod answer;
mod embed;
mod generate;
mod local;
mod reader;
mod tools;
mod trades;

pub use answer::{
    Answer, AnswerOptions, By, Call, Citation, Considered, Evidence, Followed, History, LiveSources,
    Sentence, Summary, answer, follow_up, rerank, summarize_document,
};
pub use embed::{Cut, Embedded, Embedder, TooLong, cosine};
pub use generate::Generate;
pub use local::{ChainError, Ending, Local, Options, Piece, Reply};
pub use reader::{Part, Reader};
pub use tools::{Taught, answer_grammar, call_beginning, call_grammar, described, tool_name};
pub use trades::{Direction, ask, summarize, translate};
