//! One document of a corpus, whatever file it came from.

use serde::{Deserialize, Serialize};
use shuyuan_text::Message;

/// One document: plain text, or a conversation.
///
/// In JSON lines: `{"text": "…"}` or `{"messages": [{"role": "user", "content": "…"}, …]}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Example {
    /// Running text.
    Text {
        /// The text itself.
        text: String,
    },
    /// A conversation.
    Chat {
        /// Its turns, in order.
        messages: Vec<Message>,
    },
}
