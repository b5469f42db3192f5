//! Tokens become text that never splits a character and never shows a stop text.

use shuyuan_engine::Token;
use shuyuan_text::{StreamDecoder, Tokenizer};
use std::collections::VecDeque;

/// Text that can be shown now, and the tokens that begin in it or before.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Piece {
    pub text: String,
    pub tokens: Vec<Token>,
}

/// Holds back what may turn out to be the beginning of a stop text, and the tokens in it.
pub(crate) struct Speech {
    decoder: StreamDecoder,
    stops: Vec<String>,
    held: String,
    /// Tokens not handed out yet, and where in the text each begins.
    tokens: VecDeque<(usize, Token)>,
    decoded: usize,
    shown: usize,
}

impl Speech {
    pub fn new(tokenizer: &Tokenizer, stops: Vec<String>) -> Self {
        let (held, tokens) = (String::new(), VecDeque::new());
        Self { decoder: StreamDecoder::new(tokenizer), stops, held, tokens, decoded: 0, shown: 0 }
    }

    /// Takes a token; true if a stop text is complete and nothing more is to be said.
    pub fn push(&mut self, token: Token) -> (Piece, bool) {
        let text = self.decoder.push(token.id);
        self.tokens.push_back((self.decoded, token));
        self.decoded += text.len();
        self.held.push_str(&text);
        if let Some(at) = self.stops.iter().filter_map(|stop| self.held.find(stop.as_str())).min() {
            self.held.truncate(at);
            self.decoded = self.shown + at;
            let piece = self.show(at, true);
            self.tokens.clear();
            return (piece, true);
        }
        let open = self.stops.iter().map(|stop| overlap(&self.held, stop)).max().unwrap_or(0);
        (self.show(self.held.len() - open, false), false)
    }

    /// What is left when nothing more comes.
    pub fn finish(&mut self) -> Piece {
        let rest = self.decoder.finish();
        self.held.push_str(&rest);
        self.show(self.held.len(), false)
    }

    /// Hands out `bytes` of what is held. A token within what stays held stays, too; one that only completes a
    /// character later goes at once, unless the text was `cut` there.
    fn show(&mut self, bytes: usize, cut: bool) -> Piece {
        let all = bytes == self.held.len() && !cut;
        let text: String = self.held.drain(..bytes).collect();
        self.shown += bytes;
        let ready = self.tokens.iter().take_while(|(start, _)| all || *start < self.shown).count();
        Piece { text, tokens: self.tokens.drain(..ready).map(|(_, token)| token).collect() }
    }
}

/// The length of the longest end of `text` that begins `stop`.
fn overlap(text: &str, stop: &str) -> usize {
    let possible = stop.char_indices().map(|(at, _)| at).rev();
    possible
        .into_iter()
        .find(|&at| at <= text.len() && text.as_bytes().ends_with(&stop.as_bytes()[..at]))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use shuyuan_text::{TrainConfig, train};
    use std::ops::ControlFlow;

    fn bytes() -> Tokenizer {
        let trained = train([Ok("aa".to_string())], &TrainConfig::new(260), |_| ControlFlow::Continue(()));
        trained.unwrap().tokenizer
    }

    /// The pieces of a text said byte by byte.
    fn said(text: &str, stops: &[&str]) -> (Vec<Piece>, bool) {
        let tokenizer = bytes();
        let mut speech = Speech::new(&tokenizer, stops.iter().map(|stop| stop.to_string()).collect());
        let mut pieces = Vec::new();
        for id in tokenizer.encode(text) {
            let (piece, stopped) = speech.push(Token { id, logprob: 0.0, alternatives: Vec::new() });
            pieces.push(piece);
            if stopped {
                return (pieces, true);
            }
        }
        pieces.push(speech.finish());
        (pieces, false)
    }

    fn text(pieces: &[Piece]) -> String {
        pieces.iter().map(|piece| piece.text.as_str()).collect()
    }

    fn tokens(pieces: &[Piece]) -> usize {
        pieces.iter().map(|piece| piece.tokens.len()).sum()
    }

    #[test]
    fn a_stop_text_is_never_shown_whole_or_in_part() {
        let (pieces, stopped) = said("one END two", &["END"]);
        assert_eq!((text(&pieces).as_str(), stopped, tokens(&pieces)), ("one ", true, 4));
        let (pieces, stopped) = said("one EN two", &["END"]);
        assert_eq!((text(&pieces).as_str(), stopped, tokens(&pieces)), ("one EN two", false, 10));
        let (pieces, stopped) = said("one EN", &["END"]);
        assert_eq!((text(&pieces).as_str(), stopped, tokens(&pieces)), ("one EN", false, 6));
        let (pieces, stopped) = said("aab", &["ab", "aab"]);
        assert_eq!((text(&pieces).as_str(), stopped), ("", true));
        let (pieces, stopped) = said("我吃了。他也", &["。他"]);
        assert_eq!((text(&pieces).as_str(), stopped), ("我吃了", true));
    }

    #[test]
    fn tokens_come_with_or_before_their_text() {
        let (pieces, _) = said("吃E🦁", &["END"]);
        assert_eq!(text(&pieces), "吃E🦁");
        let (mut shown, mut given) = (0, 0);
        for piece in &pieces {
            given += piece.tokens.len();
            shown += piece.text.len();
            assert!(given >= shown);
        }
        // Each byte of a character goes out as it comes.
        assert_eq!(pieces[0].tokens.len(), 1);
        assert_eq!(pieces[0].text, "");
    }
}
