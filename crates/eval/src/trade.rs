//! The trades of the built-in world: questions about what training never showed, answered in text.

use crate::{EvalError, Progress, Score, TaskResult};
use shuyuan_chain::{Generate, Options, Piece};
use shuyuan_corpus::world::{TASKS, World, accepts};
use std::ops::ControlFlow;

/// The trades that have a right answer.
pub const TRADES: [&str; 5] = TASKS;

/// The longest answer that is waited for, in tokens.
const MAX_TOKENS: usize = 96;

/// Puts the first `n` questions of a trade to whatever generates, taking the likeliest token at each step. `baseline` is the
/// most common right answer's share.
///
/// # Errors
/// An unknown trade, no questions, what the generator refuses, a stop.
pub fn trade(
    generate: &dyn Generate,
    world: &World,
    task: &str,
    n: usize,
    on: Progress,
) -> Result<TaskResult, EvalError> {
    if !TRADES.contains(&task) {
        return Err(EvalError::UnknownTask { found: task.into(), known: TRADES.map(String::from).to_vec() });
    }
    let items = world.items(task, n);
    if items.is_empty() {
        return Err(EvalError::NoQuestions { task: task.into() });
    }
    let options = Options { max_tokens: MAX_TOKENS, ..Options::default() };
    let mut right = 0;
    for (nth, item) in items.iter().enumerate() {
        let reply = generate.chat(&item.messages, &options, &mut |_: &Piece| ControlFlow::Continue(()))?;
        right += usize::from(accepts(item, &reply.text));
        let (done, total) = (nth + 1, items.len());
        if on(done, total).is_break() && done < total {
            return Err(EvalError::Stopped { task: task.into(), done, total });
        }
    }
    let score = Score::of(right, items.len());
    Ok(TaskResult::new(task, "accuracy", score, world.baseline(task), items.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use shuyuan_chain::{ChainError, Ending, Reply};
    use shuyuan_text::Message;
    use std::collections::HashMap;

    /// Knows the answers to some questions.
    struct Known(HashMap<String, String>);

    impl Generate for Known {
        fn chat(
            &self,
            messages: &[Message],
            _: &Options,
            _: &mut dyn FnMut(&Piece) -> ControlFlow<()>,
        ) -> Result<Reply, ChainError> {
            let text = messages.last().and_then(|m| self.0.get(&m.content)).cloned().unwrap_or_default();
            Ok(Reply { text, ids: Vec::new(), ending: Ending::Stop, prompt_tokens: 0, finish: None })
        }
    }

    #[test]
    fn who_knows_the_answers_is_right() {
        let world = World::new(3);
        for task in TRADES {
            let items = world.items(task, 40);
            let known = |count: usize| {
                let first = items.iter().take(count);
                Known(first.map(|i| (i.messages[0].content.clone(), i.answer.clone())).collect())
            };
            let mut calls = 0;
            let result = trade(&known(40), &world, task, 40, &mut |_, _| {
                calls += 1;
                ControlFlow::Continue(())
            });
            let result = result.unwrap();
            assert_eq!((result.score, result.stderr, result.n, calls), (1.0, 0.0, 40, 40));
            assert!(result.baseline < 0.3, "{task}: {}", result.baseline);
            let half = trade(&known(20), &world, task, 40, &mut |_, _| ControlFlow::Continue(())).unwrap();
            assert!((0.5..0.7).contains(&half.score), "{task}: {}", half.score);
        }
    }

    #[test]
    fn bad_requests_are_named() {
        let (world, nobody) = (World::new(3), Known(HashMap::new()));
        let mut on = |_, _| ControlFlow::Continue(());
        let error = trade(&nobody, &world, "cooking", 3, &mut on).unwrap_err().to_string();
        assert!(error.contains("cooking") && error.contains("two_facts"), "{error}");
        assert!(trade(&nobody, &world, "sums", 0, &mut on).is_err());
        let error = trade(&nobody, &world, "sums", 3, &mut |_, _| ControlFlow::Break(())).unwrap_err();
        assert!(error.to_string().contains("after 1 of 3"), "{error}");
    }
}
