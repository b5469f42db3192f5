//! Where in a row of tokens the scored text begins.
//!
//! Context and choice are encoded as one text, as in training: apart, a word that spans the border (Chinese
//! punctuation goes with what follows it) would be cut in a way that the model never saw. What is scored then is every
//! token that holds a byte of the choice; among choices with one context, from the first token in which any two differ
//! or any choice has a byte, so that all are scored from the same place.

use shuyuan_text::{TokenId, Tokenizer};

/// How many tokens lie wholly within the first `bytes` bytes of the text.
fn within(tokenizer: &Tokenizer, ids: &[TokenId], bytes: usize) -> usize {
    let mut end = 0;
    ids.iter()
        .take_while(|id| {
            end += tokenizer.token_bytes(**id).len();
            end <= bytes
        })
        .count()
}

/// Encodes (context, text) pairs; returns each row and its first scored token, which is 0 where there is no context.
pub(crate) fn rows(tokenizer: &Tokenizer, pairs: &[(String, String)]) -> Vec<(Vec<TokenId>, usize)> {
    let mut rows: Vec<(Vec<TokenId>, usize)> = pairs
        .iter()
        .map(|(context, text)| {
            let ids = tokenizer.encode(&format!("{context}{text}"));
            let from = within(tokenizer, &ids, context.len());
            (ids, from)
        })
        .collect();
    let one_context = pairs.windows(2).all(|pair| pair[0].0 == pair[1].0);
    if one_context && let Some((first, others)) = rows.split_first() {
        let shared =
            others.iter().map(|(ids, _)| first.0.iter().zip(ids).take_while(|(a, b)| a == b).count());
        let least = shared.chain(rows.iter().map(|(_, from)| *from)).min().unwrap_or(0);
        rows.iter_mut().for_each(|(_, from)| *from = least);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use shuyuan_text::{TrainConfig, train};
    use std::ops::ControlFlow;

    fn of(tokenizer: &Tokenizer, pairs: &[(&str, &str)]) -> Vec<(Vec<TokenId>, usize)> {
        let pairs: Vec<_> = pairs.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
        rows(tokenizer, &pairs)
    }

    #[test]
    fn all_choices_of_a_context_are_scored_from_one_place() {
        let text = "答案:cat，答案:cat，答案:cat the cat the cat".to_string();
        let tokenizer =
            train([Ok(text)], &TrainConfig::new(300), |_| ControlFlow::Continue(())).unwrap().tokenizer;
        // :cat is one token, :bird is not: the colon is scored with both.
        let rows = of(&tokenizer, &[("答案:", "cat"), ("答案:", "bird")]);
        let colon = tokenizer.decode(&rows[0].0[..rows[0].1]);
        assert!(colon.len() < "答案:".len(), "{colon}");
        assert_eq!(rows[0].1, rows[1].1);
        assert_eq!(rows[0].0[..rows[0].1], rows[1].0[..rows[1].1]);
        // What the choices have in common is scored too.
        let rows = of(&tokenizer, &[("the cat", " the a"), ("the cat", " the b")]);
        assert_eq!(tokenizer.decode(&rows[0].0[..rows[0].1]), "the cat");
        // Two contexts, each with a border of its own.
        let rows = of(&tokenizer, &[("the cat", " x"), ("the cat the", " x")]);
        assert_eq!(tokenizer.decode(&rows[1].0[rows[1].1..]), " x");
        assert!(rows[0].1 < rows[1].1);
    }
}
