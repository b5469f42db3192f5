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

impl Example {
    /// Bytes of its text, or of all that is said.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Text { text } => text.len(),
            Self::Chat { messages } => messages.iter().map(|m| m.content.len()).sum(),
        }
    }

    /// Its text; of a conversation, what is said, turn after turn on lines of their own.
    pub fn into_text(self) -> String {
        match self {
            Self::Text { text } => text,
            Self::Chat { messages } => {
                messages.iter().map(|m| m.content.as_str()).collect::<Vec<_>>().join("\n")
            }
        }
    }
}
