//! What a trade hands back: a document, and what else may stand for its last answer.

use shuyuan_text::Message;

use super::Lang;
use super::cast::Cast;
use crate::Example;

/// A document as its trade wrote it.
pub(crate) struct Draft {
    pub lang: Lang,
    pub example: Example,
    /// Other answers that are as right as the last turn.
    pub alternatives: Vec<String>,
}

impl Draft {
    /// The text written so far.
    pub fn text(cast: &mut Cast) -> Self {
        Self { lang: cast.lang, example: Example::Text { text: cast.take() }, alternatives: Vec::new() }
    }

    /// A conversation.
    pub fn chat(lang: Lang, messages: Vec<Message>) -> Self {
        Self { lang, example: Example::Chat { messages }, alternatives: Vec::new() }
    }

    /// One question and its answer.
    pub fn answered(lang: Lang, question: String, answer: String, alternatives: Vec<String>) -> Self {
        let messages = vec![Message::user(question), Message::assistant(answer)];
        Self { lang, example: Example::Chat { messages }, alternatives }
    }

    /// One more question and its answer.
    pub fn go_on(&mut self, question: String, answer: String) {
        if let Example::Chat { messages } = &mut self.example {
            messages.extend([Message::user(question), Message::assistant(answer)]);
        }
    }
}
