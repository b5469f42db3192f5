//! Files changed at random: an error or a tokenizer, never a panic.

use std::path::PathBuf;

use shuyuan_fuzz::encode;
use shuyuan_fuzz::mutate::{Random, replace_value};
use shuyuan_text::{ChatTemplate, GgufVocabulary, Message, Rendering, Tokenizer};

fn read(kind: &str, file: &str) -> String {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../goldens/text/families").join(kind).join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Replaces a few values of a JSON text by others.
fn change(text: &str, random: &mut Random) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..1 + random.below(3) {
        let at = random.below(bytes.len());
        replace_value(&mut bytes, at, random);
    }
    String::from_utf8(bytes).expect("values begin and end beside ASCII")
}

#[test]
fn tokenizer_files() {
    let mut random = Random::new(21);
    for kind in
        ["smollm", "llama3", "qwen3", "tekken", "llama2", "mistral", "phi3", "gemma", "bert", "roberta", "t5"]
    {
        let file = read(kind, "tokenizer.json");
        // The vocabulary is most of the file; what is around it is more interesting.
        let head = file.find("\"model\"").expect("a model");
        let mut loaded = 0;
        for round in 0..400 {
            let changed = if round % 4 == 0 {
                change(&file, &mut random)
            } else {
                change(&file[..head], &mut random) + &file[head..]
            };
            if let Ok(tokenizer) = Tokenizer::from_json(&changed, "changed") {
                encode(&tokenizer);
                loaded += 1;
            }
        }
        assert!(loaded > 0, "{kind}");
    }
}

#[test]
fn vocabularies_of_gguf() {
    let mut random = Random::new(22);
    for kind in ["gpt2", "smollm", "llama3", "qwen2", "tekken", "llama2", "gemma", "bert"] {
        let file = read(kind, "gguf.json");
        for _ in 0..150 {
            let Ok(vocabulary) = serde_json::from_str::<GgufVocabulary>(&change(&file, &mut random)) else {
                continue;
            };
            if let Ok(tokenizer) = Tokenizer::from_gguf(vocabulary.clone()) {
                encode(&tokenizer);
            }
        }
    }
}

#[test]
fn templates() {
    let mut random = Random::new(23);
    let tokenizer = Tokenizer::from_json(&read("qwen3", "tokenizer.json"), "qwen3").expect("loads");
    let pieces = [
        "{{", "}}", "{%", "%}", "{#", "-", "messages", "[0]", ".role", "|", "tojson", "for", "x in",
        "endfor", "if", "\"", "(", ")", "~", "'",
    ];
    let messages = [Message::system("a"), Message::user("b"), Message::assistant("c")];
    for kind in ["gpt2", "llama3", "qwen3", "mistral", "gemma"] {
        let file = read(kind, "chat_template.jinja");
        for _ in 0..300 {
            let mut text = file.clone();
            for _ in 0..1 + random.below(4) {
                let at =
                    (random.below(text.len())..text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(0);
                let end = (at + random.below(12)..=text.len())
                    .find(|&end| text.is_char_boundary(end))
                    .unwrap_or(at);
                text.replace_range(at..end, pieces[random.below(pieces.len())]);
            }
            if let Ok(template) = ChatTemplate::from_jinja(&tokenizer, &text) {
                let _ = template.render(&messages, &Rendering::answer());
                let _ = template.render_for_training(&messages);
            }
        }
    }
}
