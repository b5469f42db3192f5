//! What the tests of runs share.

use shuyuan_text::{Tokenizer, TrainConfig};
use std::ops::ControlFlow;
use std::sync::LazyLock;

/// Of a few words.
pub static TOKENIZER: LazyLock<Tokenizer> = LazyLock::new(|| {
    let text = Ok("the cat sat on the mat. ".repeat(20));
    shuyuan_text::train([text], &TrainConfig::new(270), |_| ControlFlow::Continue(())).unwrap().tokenizer
});
