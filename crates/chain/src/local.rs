//! Text generation by a model in this process: messages or a text in, text out.

use serde::{Deserialize, Serialize};
use shuyuan_engine::{
    Cancel, Constraint, Engine, EngineError, Finish, Grammar, Overflow, PrefixScope, Reason, Request,
    Sampling, TokenTable,
};
use shuyuan_text::{
    ChatTemplate, END_OF_TEXT, IM_END, Message, Rendering, Role, StreamDecoder, TokenId, Tokenizer,
};
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};

/// Why nothing was generated.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// The engine refuses the request.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The tokenizer has no chat tokens.
    #[error(transparent)]
    Text(#[from] shuyuan_text::Error),
    /// The model cannot read the text.
    #[error(transparent)]
    Model(#[from] shuyuan_model::ModelError),
    /// The knowledge base cannot be read.
    #[error(transparent)]
    Knowledge(#[from] shuyuan_knowledge::KnowledgeError),
}

/// How to generate.
#[derive(Clone, Debug)]
pub struct Options {
    /// The most tokens to write.
    pub max_tokens: usize,
    /// How to choose them.
    pub sampling: Sampling,
    /// Texts before which to end; they are not given out.
    pub stop: Vec<String>,
    /// How many likely tokens to tell beside each chosen one.
    pub alternatives: usize,
    /// Tokens with which the answer begins already; they are not given out again.
    pub continue_ids: Vec<TokenId>,
    /// Go on after the end-of-text token.
    pub ignore_eos: bool,
    /// What the answer must be like, what is in `continue_ids` not counted.
    pub grammar: Option<Grammar>,
    /// Whose request it is: owners take turns, and by default share what was read with themselves alone.
    pub owner: u64,
    /// Whose prompts it may share what was read with.
    pub prefix: PrefixScope,
    /// What happens where the context is full. A conversation that may slide keeps its instructions, whatever is said here.
    pub overflow: Overflow,
    /// Ends the work from elsewhere.
    pub cancel: Cancel,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_tokens: 256,
            sampling: Sampling::default(),
            stop: Vec::new(),
            alternatives: 0,
            continue_ids: Vec::new(),
            ignore_eos: false,
            grammar: None,
            owner: 0,
            prefix: PrefixScope::default(),
            overflow: Overflow::default(),
            cancel: Cancel::default(),
        }
    }
}

/// A token that was written, and the text that became complete with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    /// Text to show now; empty while a character or a possible stop text is incomplete.
    pub text: String,
    /// The token; none for text that was held back until the end.
    pub token: Option<shuyuan_engine::Token>,
}

/// Why an answer ended, in OpenAI's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// The model ended it, or a stop text came.
    Stop,
    /// It is as long as was allowed.
    Length,
    /// The listener wanted no more.
    Cancelled,
}

/// A finished answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// Its text.
    pub text: String,
    /// Its tokens.
    pub ids: Vec<TokenId>,
    /// Why it ended.
    pub ending: Ending,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// What the engine tells of the work, where it is one of this process: its prompt includes the tokens with which the
    /// answer began already.
    pub finish: Option<Finish>,
}

/// A model of this process with its tokenizer and template. Cheap to clone.
#[derive(Clone)]
pub struct Local {
    engine: Engine,
    tokenizer: Arc<Tokenizer>,
    /// For conversations; read when the first comes.
    template: Arc<OnceLock<ChatTemplate>>,
    /// For constraints; made when the first comes.
    table: Arc<OnceLock<TokenTable>>,
}

type Listener<'a> = &'a mut dyn FnMut(&Piece) -> ControlFlow<()>;

impl Local {
    /// A model and the tokenizer that it was trained with.
    pub fn new(engine: Engine, tokenizer: Arc<Tokenizer>) -> Self {
        Self { engine, tokenizer, template: Arc::default(), table: Arc::default() }
    }

    /// Its engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Its tokenizer.
    pub fn tokenizer(&self) -> &Arc<Tokenizer> {
        &self.tokenizer
    }

    /// How conversations are written for the model.
    ///
    /// # Errors
    /// A tokenizer without a template and without chat tokens, a template that is not valid.
    pub fn template(&self) -> Result<&ChatTemplate, shuyuan_text::Error> {
        if let Some(template) = self.template.get() {
            return Ok(template);
        }
        let template = ChatTemplate::new(&self.tokenizer)?;
        Ok(self.template.get_or_init(|| template))
    }

    /// What makes an answer be like `grammar`.
    ///
    /// # Errors
    /// What is wrong with the grammar, that it is too large, a tokenizer without tokens that end a text.
    pub fn constraint(&self, grammar: &Grammar) -> Result<Constraint, EngineError> {
        let table = match self.table.get() {
            Some(table) => table,
            None => {
                let table = token_table(&self.tokenizer)?;
                self.table.get_or_init(|| table)
            }
        };
        table.constraint(grammar)
    }

    /// Answers a conversation.
    ///
    /// # Errors
    /// A number out of bounds, a conversation longer than the context, a tokenizer without chat tokens.
    pub fn chat(&self, messages: &[Message], options: &Options, on: Listener) -> Result<Reply, ChainError> {
        let template = self.template()?;
        let rendering = Rendering::answer();
        let ids = template.render(messages, &rendering)?;
        let overflow = match options.overflow {
            Overflow::Refuse => Overflow::Refuse,
            Overflow::Slide { .. } => self.slide(template, messages, &rendering, &ids),
        };
        self.answer_ids(ids, template.stop_ids(), &Options { overflow, ..options.clone() }, on)
    }

    /// Lets a conversation of `ids` lose its middle where it is longer than the context, but not the messages of the system at
    /// its beginning, nor the tools.
    pub fn slide(
        &self,
        template: &ChatTemplate,
        messages: &[Message],
        rendering: &Rendering,
        ids: &[TokenId],
    ) -> Overflow {
        let count = messages.iter().take_while(|message| message.role == Role::System).count();
        let rendering = Rendering { add_generation_prompt: false, ..rendering.clone() };
        // A template may refuse a conversation in which nobody says anything.
        let alone = template.render(&messages[..count], &rendering).unwrap_or_default();
        let same = alone.iter().zip(ids).take_while(|(alone, all)| alone == all).count();
        Overflow::Slide { keep: same.min(self.engine.model().config().max_position_embeddings / 2) }
    }

    /// Goes on with a text.
    ///
    /// # Errors
    /// As [`Local::chat`].
    pub fn complete(&self, prompt: &str, options: &Options, on: Listener) -> Result<Reply, ChainError> {
        let ids = [self.tokenizer.prefix(), &self.tokenizer.encode(prompt)].concat();
        self.complete_ids(ids, options, on)
    }

    /// Goes on with ids.
    ///
    /// # Errors
    /// As [`Local::chat`].
    pub fn complete_ids(
        &self,
        ids: Vec<TokenId>,
        options: &Options,
        on: Listener,
    ) -> Result<Reply, ChainError> {
        self.answer_ids(ids, self.tokenizer.special(IM_END).as_slice(), options, on)
    }

    /// Goes on with ids until one of `stop_ids`, such as a chat template's, or one that ends every text.
    ///
    /// # Errors
    /// As [`Local::chat`].
    pub fn answer_ids(
        &self,
        mut ids: Vec<TokenId>,
        stop_ids: &[TokenId],
        options: &Options,
        on: Listener,
    ) -> Result<Reply, ChainError> {
        let prompt_tokens = ids.len();
        ids.extend(&options.continue_ids);
        let mut ends = stop_ids.to_vec();
        ends.extend(self.tokenizer.special(END_OF_TEXT));
        ends.extend(self.tokenizer.eos_ids());
        ends.extend(&self.engine.model().config().eos_token_ids);
        let mut decoder = StreamDecoder::new(&self.tokenizer);
        for &id in &options.continue_ids {
            decoder.push(id); // A character may begin in what is there already.
        }
        let request = Request {
            ids,
            max_tokens: options.max_tokens,
            sampling: options.sampling.clone(),
            stop_ids: if options.ignore_eos { Vec::new() } else { ends },
            alternatives: options.alternatives,
            owner: options.owner,
            prefix: options.prefix,
            overflow: options.overflow,
            constraint: options.grammar.as_ref().map(|grammar| self.constraint(grammar)).transpose()?,
            cancel: options.cancel.clone(),
        };
        let mut hold = Hold::new(&options.stop);
        let (mut text_so_far, mut ids) = (String::new(), Vec::new());
        let mut stopped = false;
        let finish = self.engine.generate(&request, &mut |token| {
            ids.push(token.id);
            let (text, stop) = hold.push(&decoder.push(token.id));
            text_so_far += &text;
            stopped = stop;
            let flow = on(&Piece { text, token: Some(token.clone()) });
            if stop { ControlFlow::Break(()) } else { flow }
        })?;
        if !stopped {
            let (mut text, stop) = hold.push(&decoder.finish());
            stopped = stop;
            if !stop {
                text += &hold.rest();
            }
            if !text.is_empty() {
                text_so_far += &text;
                // Nothing comes after this: the listener's answer is of no use.
                let _ = on(&Piece { text, token: None });
            }
        }
        let ending = match finish.reason {
            _ if stopped => Ending::Stop,
            Reason::Stop => Ending::Stop,
            Reason::Length => Ending::Length,
            Reason::Cancelled => Ending::Cancelled,
        };
        Ok(Reply { text: text_so_far, ids, ending, prompt_tokens, finish: Some(finish) })
    }
}

/// The bytes of a tokenizer's tokens. Control tokens write no text, and the two that end a text or a turn end a constraint.
fn token_table(tokenizer: &Tokenizer) -> Result<TokenTable, EngineError> {
    let control: HashSet<TokenId> =
        tokenizer.specials().iter().filter(|special| special.control).map(|special| special.id).collect();
    let bytes = |id| if control.contains(&id) { Vec::new() } else { tokenizer.token_bytes(id).to_vec() };
    let named = [IM_END, END_OF_TEXT].into_iter().filter_map(|text| tokenizer.special(text));
    let mut ends: Vec<TokenId> = named.chain(tokenizer.eos_ids().iter().copied()).collect();
    ends.sort_unstable();
    ends.dedup();
    TokenTable::new((0..tokenizer.vocab_size() as TokenId).map(bytes).collect(), &ends)
}

/// Holds back text that may be the beginning of a stop text.
struct Hold<'a> {
    stop: Vec<&'a str>,
    held: String,
}

impl<'a> Hold<'a> {
    fn new(stop: &'a [String]) -> Self {
        Self {
            stop: stop.iter().map(String::as_str).filter(|s| !s.is_empty()).collect(),
            held: String::new(),
        }
    }

    /// Text that can be shown now, and whether a stop text came.
    fn push(&mut self, text: &str) -> (String, bool) {
        self.held += text;
        if let Some(at) = self.stop.iter().filter_map(|stop| self.held.find(stop)).min() {
            self.held.truncate(at);
            return (std::mem::take(&mut self.held), true);
        }
        let open = |at: &usize| {
            self.held.is_char_boundary(*at)
                && self.stop.iter().any(|stop| stop.starts_with(&self.held[*at..]))
        };
        let longest = self.stop.iter().map(|stop| stop.len()).max().unwrap_or(0);
        let from = self.held.len().saturating_sub(longest);
        let at = (from..self.held.len()).find(open).unwrap_or(self.held.len());
        let rest = self.held.split_off(at);
        (std::mem::replace(&mut self.held, rest), false)
    }

    fn rest(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_texts_may_come_in_pieces_and_are_never_shown() {
        let stop = ["停止。".to_string(), "END".to_string()];
        let mut hold = Hold::new(&stop);
        let mut shown = String::new();
        let mut stopped = false;
        for piece in ["一停", "下E", "N. 停止", "。后面"] {
            let (text, stop) = hold.push(piece);
            shown += &text;
            stopped |= stop;
        }
        assert!(stopped);
        assert_eq!(shown, "一停下EN. ");
    }

    #[test]
    fn without_stop_texts_nothing_is_held() {
        let mut hold = Hold::new(&[]);
        assert_eq!(hold.push("abc"), ("abc".into(), false));
        assert_eq!(hold.rest(), "");
    }
}
