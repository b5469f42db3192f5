//! The tokens of a text, by the tokenizer in a model's folder:
//! `cargo run --release -p shuyuan-text --example tokens -- FOLDER "a text"`.
//!
//! A file that ends in `gguf.json` is read as the vocabulary of a GGUF file. Without a text, lines of standard input are JSON
//! strings, and what comes out are their ids as JSON, as a user's text and as trusted text, and what these decode to; a line
//! that is a list of messages is rendered by the model's chat template, to ids and text.

use std::error::Error;
use std::io::BufRead;

use shuyuan_text::{ChatTemplate, Message, Rendering, Tokenizer};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("which folder? expected: tokens FOLDER [TEXT]")?;
    let tokenizer = if path.ends_with("gguf.json") {
        Tokenizer::from_gguf(serde_json::from_str(&std::fs::read_to_string(&path)?)?)?
    } else {
        Tokenizer::load(&path)?
    };
    if let Some(text) = arguments.next() {
        println!("{tokenizer:?}, before a text {:?}, after {:?}", tokenizer.prefix(), tokenizer.suffix());
        for token in tokenizer.show(&text) {
            println!("{:>8}  {:?}", token.id, token.text);
        }
        return Ok(());
    }
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        if line.starts_with('[') {
            let messages: Vec<Message> = serde_json::from_str(&line)?;
            let template = ChatTemplate::new(&tokenizer)?;
            let ids = template.render(&messages, &Rendering::answer())?;
            println!("{}", serde_json::json!([ids, template.render_text(&messages, &Rendering::answer())?]));
            continue;
        }
        let text: String = serde_json::from_str(&line)?;
        let (plain, trusted) = (tokenizer.encode(&text), tokenizer.encode_with_specials(&text));
        println!("{}", serde_json::json!([plain, trusted, tokenizer.decode(&plain)]));
    }
    Ok(())
}
