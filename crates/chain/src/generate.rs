//! What all that answers has in common: a model in this process, one behind an API, a fixed answer in a test.

use crate::{ChainError, Local, Options, Piece, Reply};
use shuyuan_text::Message;
use std::ops::ControlFlow;

/// Something that answers conversations.
pub trait Generate {
    /// Answers a conversation, and tells each piece to `on` as it comes; a break ends the answer there.
    ///
    /// # Errors
    /// A number out of bounds, a conversation longer than what can be read.
    fn chat(
        &self,
        messages: &[Message],
        options: &Options,
        on: &mut dyn FnMut(&Piece) -> ControlFlow<()>,
    ) -> Result<Reply, ChainError>;
}

impl Generate for Local {
    fn chat(
        &self,
        messages: &[Message],
        options: &Options,
        on: &mut dyn FnMut(&Piece) -> ControlFlow<()>,
    ) -> Result<Reply, ChainError> {
        Local::chat(self, messages, options, on)
    }
}
