//! What is kept of a conversation.

use serde::{Deserialize, Serialize};
use shuyuan_text::{Message, Role};

/// Characters of a title.
const TITLE: usize = 80;

/// What a list shows of a conversation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConversationInfo {
    /// Its number, never given again.
    pub id: i64,
    /// What it was named, or else its first question.
    pub title: String,
    /// Grows with each save.
    pub version: i64,
    /// When it began, in seconds since 1970.
    pub created: f64,
    /// When it was saved last; a new title does not count.
    pub changed: f64,
}

/// A conversation: what was said, by which model, asked how.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Conversation {
    /// The name of the model that speaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How it is asked.
    #[serde(flatten)]
    pub settings: Settings,
    /// What was said, in order; the system prompt is among the settings.
    pub messages: Vec<Said>,
}

/// How a model is asked: kept as it was set, also where a request with it would be refused.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The system prompt; empty: none.
    #[serde(default)]
    pub system: String,
    /// Tools as JSON text; empty: none.
    #[serde(default)]
    pub tools: String,
    /// As in a request; none: the server's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// As in a request; none: the server's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// As in a request; none: the server's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<i64>,
    /// As in a request; none: by chance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
}

/// A message, and for an answer how it ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// Who said what, thinking and calls included.
    #[serde(flatten)]
    pub message: Message,
    /// `stop`, `length`, `tool_calls`; none: it was cut off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<String>,
}

impl Conversation {
    /// The first question.
    pub(super) fn title(&self) -> String {
        let first = self.messages.iter().find(|said| said.message.role == Role::User);
        first.map_or_else(String::new, |said| first_line(&said.message.content))
    }

    /// Whether `text`, in lower case, was said or thought.
    pub(super) fn says(&self, text: &str) -> bool {
        let has = |said: &str| said.to_lowercase().contains(text);
        self.messages.iter().any(|said| {
            has(&said.message.content) || said.message.reasoning_content.as_deref().is_some_and(has)
        })
    }
}

/// The first line that is not empty, as long as a title may be.
pub(super) fn first_line(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    match line.char_indices().nth(TITLE) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None => line.into(),
    }
}
