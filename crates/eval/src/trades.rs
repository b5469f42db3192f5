//! The trades of the built-in world, asked about combinations that training never showed.

use crate::Score;
use shuyuan_chain::{ChainError, Local, Options, Piece};
use shuyuan_corpus::world::{TASKS, World, accepts};
use std::ops::ControlFlow;

/// The longest answer that is waited for, in tokens.
const MAX_TOKENS: usize = 96;

/// The names of the trades that can be examined.
pub fn tasks() -> &'static [&'static str] {
    &TASKS
}

/// Puts the first `n` questions of `task` to the model, always taking its likeliest answer.
///
/// `asked` is called after each; a break ends early, and the result is then none.
///
/// # Errors
/// If the model cannot be asked at all.
pub fn examine(
    model: &Local,
    world: &World,
    task: &str,
    n: usize,
    asked: &mut dyn FnMut() -> ControlFlow<()>,
) -> Result<Option<Score>, ChainError> {
    let items = world.items(task, n);
    let options = Options { max_tokens: MAX_TOKENS, ..Options::default() };
    let mut right = 0;
    for item in &items {
        let reply = model.chat(&item.messages, &options, &mut |_: &Piece| ControlFlow::Continue(()))?;
        right += usize::from(accepts(item, &reply.text));
        if asked().is_break() {
            return Ok(None);
        }
    }
    Ok(Some(Score::new(right, items.len(), world.baseline(task))))
}
