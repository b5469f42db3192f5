//! The chat template: a conversation as token ids. ChatML of our own models piece by piece, others by their own Jinja.

use std::ops::Range;

use aho_corasick::AhoCorasick;
use minijinja::Value;

use crate::TokenId;
use crate::added::Segment;
use crate::context::{self, Rendering};
use crate::error::{Error, Result};
use crate::marks::{self, Marks};
use crate::message::{Message, Role};
use crate::template::Jinja;
use crate::tokenizer::{IM_END, IM_START, Tokenizer};

/// The template in the language of `tokenizer_config.json` (Jinja), for other programs that read our models.
pub const CHAT_TEMPLATE: &str = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/// Writes conversations as a model was taught to read them: `<|im_start|>role\ncontent<|im_end|>\n`, turn after turn, or
/// whatever its own template says.
///
/// Contents are plain text: nothing in them becomes a special token, whoever wrote it.
#[derive(Clone, Debug)]
pub struct ChatTemplate {
    tokenizer: Tokenizer,
    way: Way,
    stop_ids: Vec<TokenId>,
}

#[derive(Clone, Debug)]
enum Way {
    /// Our own models: [`CHAT_TEMPLATE`], without the detour over text.
    ChatMl { im_start: TokenId, im_end: TokenId },
    /// The model's template, with another for requests with tools if there is one; and what finds special tokens' texts in
    /// contents, of everybody and of the model itself.
    Jinja { chat: Jinja, tools: Option<Jinja>, others: Option<AhoCorasick>, own: Option<AhoCorasick> },
}

/// Markup in which a model writes, and which its template looks for in what it wrote. Not special tokens of control, so that
/// nothing is forged when it stays a token in the model's own turns.
const OWN_MARKUP: [&str; 8] = [
    "<think>",
    "</think>",
    "<tool_call>",
    "</tool_call>",
    "[THINK]",
    "[/THINK]",
    "<|START_THINKING|>",
    "<|END_THINKING|>",
];

impl ChatTemplate {
    /// The template that came with a tokenizer, or ChatML for one that has none but `<|im_start|>` and `<|im_end|>`.
    ///
    /// Errors: neither, or a template that is not valid Jinja.
    pub fn new(tokenizer: &Tokenizer) -> Result<Self> {
        let roles = tokenizer.roles();
        let chatml = Self::chatml(tokenizer);
        match &roles.chat_template {
            Some(jinja) if jinja != CHAT_TEMPLATE || chatml.is_err() => {
                Self::of(tokenizer, jinja, roles.tool_template.as_deref())
            }
            _ => chatml,
        }
    }

    /// A template in Jinja.
    ///
    /// Errors: not valid Jinja, or longer than a megabyte.
    pub fn from_jinja(tokenizer: &Tokenizer, jinja: &str) -> Result<Self> {
        Self::of(tokenizer, jinja, None)
    }

    fn chatml(tokenizer: &Tokenizer) -> Result<Self> {
        let id = |text: &str| tokenizer.special(text).ok_or_else(|| Error::NoSuchSpecial(text.into()));
        let (im_start, im_end) = (id(IM_START)?, id(IM_END)?);
        let mut it = Self {
            tokenizer: tokenizer.clone(),
            way: Way::ChatMl { im_start, im_end },
            stop_ids: tokenizer.eos_ids().to_vec(),
        };
        it.stops_on(Some(im_end));
        Ok(it)
    }

    fn of(tokenizer: &Tokenizer, jinja: &str, tools: Option<&str>) -> Result<Self> {
        let chat = Jinja::new(jinja)?;
        let tools = tools.map(Jinja::new).transpose()?;
        let specials = || tokenizer.specials().iter();
        let others = marks::matcher(specials().map(|s| s.text.as_str()));
        let not_own = specials().filter(|s| s.control || !OWN_MARKUP.contains(&s.text.as_str()));
        let own = marks::matcher(not_own.map(|s| s.text.as_str()));
        let mut it = Self {
            tokenizer: tokenizer.clone(),
            way: Way::Jinja { chat, tools, others, own },
            stop_ids: tokenizer.eos_ids().to_vec(),
        };
        it.stops_on(it.token_after_answer());
        Ok(it)
    }

    fn stops_on(&mut self, id: Option<TokenId>) {
        self.stop_ids.extend(id);
        self.stop_ids.sort_unstable();
        self.stop_ids.dedup();
    }

    /// The special token that the template writes behind an answer.
    fn token_after_answer(&self) -> Option<TokenId> {
        const ANSWER: &str = "Jackdaws";
        let messages = [Message::user("Hello"), Message::assistant(ANSWER)];
        let text = self.text(&messages, &Rendering::default()).ok()?.0;
        let rest = text[text.rfind(ANSWER)? + ANSWER.len()..].trim_start();
        match self.tokenizer.segments(rest).first() {
            Some(&Segment::Special(id)) => Some(id),
            _ => None,
        }
    }

    /// The ids that end the model's turn, on which generation stops. Ascending; empty only if neither the template nor the
    /// tokenizer knows any.
    pub fn stop_ids(&self) -> &[TokenId] {
        &self.stop_ids
    }

    /// The ids of a conversation. The same as Hugging Face's `apply_chat_template` for contents without special tokens'
    /// texts.
    ///
    /// Errors, for templates in Jinja only: the template refuses the conversation or fails, or the text would be longer than
    /// 8 MB.
    pub fn render(&self, messages: &[Message], rendering: &Rendering) -> Result<Vec<TokenId>> {
        let mut ids = Vec::new();
        match &self.way {
            Way::ChatMl { .. } => self.chatml_ids(messages, rendering.add_generation_prompt, &mut ids),
            Way::Jinja { .. } => {
                let (text, plain) = self.text(messages, rendering)?;
                self.tokenizer.encode_around(&text, &plain, true, &mut ids);
            }
        }
        Ok(ids)
    }

    /// The text of a conversation, to be looked at: in it a special token's text and the same text in a content look alike.
    ///
    /// Errors: as [`ChatTemplate::render`].
    pub fn render_text(&self, messages: &[Message], rendering: &Rendering) -> Result<String> {
        Ok(self.text(messages, rendering)?.0)
    }

    /// The ids of a conversation, and for each whether the model is to learn it: true on what the assistant says and on the
    /// token after it that ends the turn.
    ///
    /// What the assistant says is encoded apart from the line before it, as generation will have it; this differs from
    /// [`ChatTemplate::render`] only if it begins with a line break.
    ///
    /// Errors: as [`ChatTemplate::render`]; also a template in Jinja that writes earlier turns otherwise once later ones
    /// follow, so that no answer is learned as it is generated.
    pub fn render_for_training(&self, messages: &[Message]) -> Result<(Vec<TokenId>, Vec<bool>)> {
        let (mut ids, mut mask) = (Vec::new(), Vec::new());
        let Way::ChatMl { im_start, im_end } = self.way else {
            return self.jinja_for_training(messages);
        };
        for message in messages {
            if message.role != Role::Assistant {
                self.chatml_ids(std::slice::from_ref(message), false, &mut ids);
                mask.resize(ids.len(), false);
                continue;
            }
            self.open_assistant(im_start, &mut ids);
            mask.resize(ids.len(), false);
            self.tokenizer.encode_part(&message.content, false, &mut ids);
            mask.resize(ids.len() + 1, true);
            self.close(im_end, &mut ids);
            mask.resize(ids.len(), false);
        }
        Ok((ids, mask))
    }

    fn chatml_ids(&self, messages: &[Message], add_generation_prompt: bool, ids: &mut Vec<TokenId>) {
        let Way::ChatMl { im_start, im_end } = self.way else { return };
        for message in messages {
            ids.push(im_start);
            let text = [message.role.name(), "\n", &message.content].concat();
            self.tokenizer.encode_part(&text, false, ids);
            self.close(im_end, ids);
        }
        if add_generation_prompt {
            self.open_assistant(im_start, ids);
        }
    }

    fn open_assistant(&self, im_start: TokenId, ids: &mut Vec<TokenId>) {
        ids.push(im_start);
        self.tokenizer.encode_part("assistant\n", false, ids);
    }

    fn close(&self, im_end: TokenId, ids: &mut Vec<TokenId>) {
        ids.push(im_end);
        self.tokenizer.encode_part("\n", false, ids);
    }

    /// The text of a conversation, and the parts of it that are plain although they look like special tokens.
    fn text(&self, messages: &[Message], rendering: &Rendering) -> Result<(String, Vec<Range<usize>>)> {
        let Way::Jinja { .. } = &self.way else {
            let mut text = String::new();
            for message in messages {
                text += &[IM_START, message.role.name(), "\n", &message.content, IM_END, "\n"].concat();
            }
            if rendering.add_generation_prompt {
                text += &[IM_START, "assistant\n"].concat();
            }
            return Ok((text, Vec::new()));
        };
        let (others, own) = self.marks(messages, rendering)?;
        let marked = self.marked(messages, rendering, &others, &own)?;
        Ok(others.unmark(&marked))
    }

    fn marks(&self, messages: &[Message], rendering: &Rendering) -> Result<(Marks<'_>, Marks<'_>)> {
        let Way::Jinja { chat, tools, others, own } = &self.way else {
            return Err(Error::Rendering("ChatML has no marks".into()));
        };
        let templates = [Some(chat), tools.as_ref()].into_iter().flatten().map(Jinja::source);
        let texts = context::texts(messages, rendering);
        let others = Marks::absent_from(texts.into_iter().chain(templates), others.as_ref())
            .ok_or_else(|| Error::Rendering("it has every private-use character there is".into()))?;
        let own = others.with(own.as_ref());
        Ok((others, own))
    }

    /// The text with marks around special tokens' texts in contents.
    fn marked(&self, messages: &[Message], r: &Rendering, others: &Marks, own: &Marks) -> Result<String> {
        let Way::Jinja { chat, tools, .. } = &self.way else {
            return Err(Error::Rendering("ChatML has no marks".into()));
        };
        let jinja = tools.as_ref().filter(|_| !r.tools.is_empty()).unwrap_or(chat);
        let roles = self.tokenizer.roles();
        let mut context = context::of(messages, r, others, own);
        for (name, id) in [
            ("bos_token", roles.bos),
            ("eos_token", roles.eos),
            ("unk_token", roles.unk),
            ("pad_token", roles.pad),
        ] {
            if let Some(special) = self.tokenizer.specials().iter().find(|s| Some(s.id) == id) {
                context.push((name.into(), Value::from(special.text.as_str())));
            }
        }
        jinja.render(Value::from_pairs(context), r.now)
    }

    fn jinja_for_training(&self, messages: &[Message]) -> Result<(Vec<TokenId>, Vec<bool>)> {
        let plain = Rendering::default();
        let (others, own) = self.marks(messages, &plain)?;
        let whole = self.marked(messages, &plain, &others, &own)?;
        // Where what the model learns begins and ends, by turn.
        let mut spans: Vec<Range<usize>> = Vec::new();
        for at in (0..messages.len()).filter(|&at| messages[at].role == Role::Assistant) {
            let before = self.marked(&messages[..at], &Rendering::answer(), &others, &own)?;
            let after = self.marked(&messages[..=at], &plain, &others, &own)?;
            if !after.starts_with(&before) || !whole.starts_with(&after) {
                return Err(Error::Rendering(format!(
                    "it writes turn {} differently once more turns follow, so it cannot be learned as it will be \
                     generated; train on conversations that end there",
                    at + 1
                )));
            }
            spans.push(before.len()..after.len());
        }
        let (mut ids, mut mask, mut done) = (Vec::new(), Vec::new(), 0);
        for span in spans {
            self.append(&others, &whole[done..span.start], &mut ids, done == 0);
            mask.resize(ids.len(), false);
            self.append(&others, &whole[span.clone()], &mut ids, span.start == 0);
            // Line breaks after the token that ends the turn belong to the next.
            let learned = ids[mask.len()..].iter().rposition(|&id| self.tokenizer.is_special(id));
            let learned = learned.map_or(ids.len(), |at| mask.len() + at + 1);
            mask.resize(learned, true);
            mask.resize(ids.len(), false);
            done = span.end;
        }
        self.append(&others, &whole[done..], &mut ids, done == 0);
        mask.resize(ids.len(), false);
        Ok((ids, mask))
    }

    fn append(&self, marks: &Marks, marked: &str, ids: &mut Vec<TokenId>, first: bool) {
        let (text, plain) = marks.unmark(marked);
        self.tokenizer.encode_around(&text, &plain, first, ids);
    }
}
