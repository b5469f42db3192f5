//! Files changed at random: an error or a tokenizer, never a panic.

use std::path::PathBuf;

use shuyuan_text::{ChatTemplate, GgufVocabulary, Message, Rendering, Tokenizer};

/// The same numbers on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((self.0 >> 33) as usize) % n
    }
}

fn read(kind: &str, file: &str) -> String {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../goldens/text/families").join(kind).join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

const WORDS: [&str; 20] = [
    "null",
    "0",
    "-1",
    "4294967295",
    "1e9",
    "\"\"",
    "\"a\"",
    "[]",
    "{}",
    "true",
    "false",
    "\"▁\"",
    "\"<unk>\"",
    "\"type\"",
    "\"Sequence\"",
    "\"BPE\"",
    "\"Metaspace\"",
    "\"[\"",
    ",",
    ":",
];

/// Replaces a few values of a JSON text by others: mostly valid JSON still, so that what is behind the parser is reached.
fn change(text: &str, random: &mut Random) -> String {
    let mut text = text.to_string();
    for _ in 0..1 + random.below(3) {
        let at = (random.below(text.len())..text.len())
            .find(|&at| text.is_char_boundary(at) && matches!(text.as_bytes()[at], b':' | b',' | b'['));
        let Some(at) = at else { continue };
        let rest = &text[at + 1..];
        let end = rest.find([',', '}', ']']).map_or(text.len(), |end| at + 1 + end);
        text.replace_range(at + 1..end, WORDS[random.below(WORDS.len())]);
    }
    text
}

fn use_it(tokenizer: &Tokenizer) {
    for text in ["", " ", "The cat sat\n\non <s>12 书院 🙂\u{0}", "<|im_end|>[CLS]</s><bos>"] {
        let ids = tokenizer.encode(text);
        tokenizer.decode(&ids);
        tokenizer.decode(&tokenizer.encode_with_specials(text));
    }
    tokenizer.decode(&[tokenizer.prefix(), tokenizer.suffix(), tokenizer.eos_ids(), &[u32::MAX]].concat());
}

#[test]
fn tokenizer_files() {
    let mut random = Random(21);
    for kind in
        ["smollm", "llama3", "qwen3", "tekken", "llama2", "mistral", "phi3", "gemma", "bert", "roberta", "t5"]
    {
        let file = read(kind, "tokenizer.json");
        // The vocabulary is most of the file; what is around it is more interesting.
        let head = file.find("\"model\"").expect("a model");
        let mut loaded = 0;
        for round in 0..200 {
            let changed = if round % 4 == 0 {
                change(&file, &mut random)
            } else {
                change(&file[..head], &mut random) + &file[head..]
            };
            if let Ok(tokenizer) = Tokenizer::from_json(&changed, "changed") {
                use_it(&tokenizer);
                loaded += 1;
            }
        }
        assert!(loaded > 0, "{kind}");
    }
}

#[test]
fn vocabularies_of_gguf() {
    let mut random = Random(22);
    for kind in ["gpt2", "smollm", "llama3", "qwen2", "tekken", "llama2", "gemma", "bert"] {
        let file = read(kind, "gguf.json");
        for _ in 0..150 {
            let Ok(vocabulary) = serde_json::from_str::<GgufVocabulary>(&change(&file, &mut random)) else {
                continue;
            };
            if let Ok(tokenizer) = Tokenizer::from_gguf(&vocabulary) {
                use_it(&tokenizer);
            }
        }
    }
}

#[test]
fn templates() {
    let mut random = Random(23);
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
