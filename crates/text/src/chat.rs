//! The chat template: a conversation as token ids, ChatML as Qwen writes it.

use crate::TokenId;
use crate::error::{Error, Result};
use crate::message::{Message, Role};
use crate::tokenizer::{IM_END, IM_START, Tokenizer};

/// The template in the language of `tokenizer_config.json` (Jinja), for other programs that read our models.
pub const CHAT_TEMPLATE: &str = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/// Writes conversations as `<|im_start|>role\ncontent<|im_end|>\n`, turn after turn.
///
/// Contents are plain text: nothing in them becomes a special token.
#[derive(Clone, Debug)]
pub struct ChatTemplate {
    tokenizer: Tokenizer,
    im_start: TokenId,
    im_end: TokenId,
}

impl Role {
    /// Its name in a conversation: `system`, `user` or `assistant`.
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

impl ChatTemplate {
    /// Of a tokenizer with `<|im_start|>` and `<|im_end|>`; one without is an error.
    pub fn new(tokenizer: &Tokenizer) -> Result<Self> {
        let id = |text: &str| tokenizer.special(text).ok_or_else(|| Error::NoSuchSpecial(text.into()));
        Ok(Self { im_start: id(IM_START)?, im_end: id(IM_END)?, tokenizer: tokenizer.clone() })
    }

    /// The id that ends the model's turn, on which generation stops.
    pub fn end_of_turn(&self) -> TokenId {
        self.im_end
    }

    /// The ids of a conversation; with `add_generation_prompt` the beginning of the model's turn after it. The same as Hugging
    /// Face's `apply_chat_template` for contents without special tokens' texts.
    pub fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Vec<TokenId> {
        let mut ids = Vec::new();
        for message in messages {
            ids.push(self.im_start);
            let text = [message.role.name(), "\n", &message.content].concat();
            self.tokenizer.encode_into(&text, &mut ids);
            self.close(&mut ids);
        }
        if add_generation_prompt {
            self.open_assistant(&mut ids);
        }
        ids
    }

    /// The ids of a conversation, and for each whether the model is to learn it: true on what the assistant says and on the
    /// `<|im_end|>` after it.
    ///
    /// What the assistant says is encoded apart from the line before it, as generation will have it; this differs from
    /// [`ChatTemplate::render`] only if it begins with a line break.
    pub fn render_for_training(&self, messages: &[Message]) -> (Vec<TokenId>, Vec<bool>) {
        let (mut ids, mut mask) = (Vec::new(), Vec::new());
        for message in messages {
            if message.role != Role::Assistant {
                ids.extend(self.render(std::slice::from_ref(message), false));
                mask.resize(ids.len(), false);
                continue;
            }
            self.open_assistant(&mut ids);
            mask.resize(ids.len(), false);
            self.tokenizer.encode_into(&message.content, &mut ids);
            mask.resize(ids.len() + 1, true);
            self.close(&mut ids);
            mask.resize(ids.len(), false);
        }
        (ids, mask)
    }

    fn open_assistant(&self, ids: &mut Vec<TokenId>) {
        ids.push(self.im_start);
        self.tokenizer.encode_into("assistant\n", ids);
    }

    fn close(&self, ids: &mut Vec<TokenId>) {
        ids.push(self.im_end);
        self.tokenizer.encode_into("\n", ids);
    }
}
