//! What reads bytes that others made, fed with bytes that nobody would make: each function takes any input and may refuse
//! it, but never panics, loops without end, or asks for memory that the input cannot justify.
//!
//! Two programs call them: `cargo fuzz` (see README.md here), and `tests/million.rs`, which CI runs.

pub mod mutate;

use shuyuan_model::gguf::Gguf;
use shuyuan_model::{Decoder, DecoderConfig};
use shuyuan_text::{
    ChatTemplate, FunctionCall, Json, Message, Rendering, Role, Tokenizer, ToolCall, ToolKind,
};
use std::path::Path;
use std::sync::LazyLock;

/// Numbers in the largest model that is also run: more would only be slow.
const RUN: usize = 1 << 17;

/// A GGUF file: its header, every tensor, the model, its vocabulary and its chat template.
pub fn gguf(bytes: &[u8]) {
    let Ok(file) = Gguf::from_bytes(bytes.to_vec()) else { return };
    for tensor in file.tensors() {
        // Every byte that is promised can be read.
        assert_eq!(tensor.to_f32().len(), tensor.elements(), "{tensor:?}");
    }
    if let Ok(decoder) = Decoder::of_gguf(Path::new("fuzz"), &file) {
        run(&decoder);
    }
    if let Ok(vocabulary) = file.vocabulary()
        && let Ok(tokenizer) = Tokenizer::from_gguf(vocabulary)
    {
        encode(&tokenizer);
        render(ChatTemplate::new(&tokenizer));
    }
}

/// Two bytes that say how long `config.json` is, `config.json`, safetensors.
pub fn safetensors(bytes: &[u8]) {
    let Some((length, rest)) = bytes.split_first_chunk() else { return };
    let Some((config, tensors)) = rest.split_at_checked(u16::from_le_bytes(*length).into()) else { return };
    let Ok(config) = str::from_utf8(config) else { return };
    if let Ok(decoder) = Decoder::of_bytes(config, tensors.to_vec()) {
        run(&decoder);
    }
}

/// A `tokenizer.json`.
pub fn tokenizer(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    if let Ok(tokenizer) = Tokenizer::from_json(text, "fuzz") {
        encode(&tokenizer);
    }
}

/// A chat template in Jinja.
pub fn template(bytes: &[u8]) {
    let Ok(jinja) = str::from_utf8(bytes) else { return };
    render(ChatTemplate::from_jinja(&QWEN3, jinja));
}

/// The body of a request to chat, completions or responses.
pub fn request(bytes: &[u8]) {
    // Refused or not, the server goes on.
    let _ = shuyuan_server::read_body(bytes, &CONFIG);
}

fn run(decoder: &Decoder) {
    if decoder.num_params() > RUN {
        return;
    }
    // More threads would only wait for each other.
    shuyuan_kernels::set_threads(1);
    // What a model of damaged numbers says is not the question, but it says the same once its weights are packed.
    let bits = |logits: Vec<f32>| logits.into_iter().map(f32::to_bits).collect::<Vec<u32>>();
    let (first, second) = (decoder.forward(&[0, 1, 0]), decoder.forward(&[0, 1, 0]));
    assert_eq!(first.map(bits).ok(), second.map(bits).ok());
}

/// Texts to ids and back.
pub fn encode(tokenizer: &Tokenizer) {
    for text in ["", " ", "The cat sat\n\non <s>12 书院 🙂\u{0}", "<|im_end|>[CLS]</s><bos>"] {
        let ids = tokenizer.encode(text);
        tokenizer.decode(&ids);
        tokenizer.decode(&tokenizer.encode_with_specials(text));
    }
    tokenizer.decode(&[tokenizer.prefix(), tokenizer.suffix(), tokenizer.eos_ids(), &[u32::MAX]].concat());
}

fn render(template: shuyuan_text::Result<ChatTemplate>) {
    let Ok(template) = template else { return };
    let (messages, rendering) = &*CONVERSATION;
    // A template may refuse a conversation.
    let _ = template.render(messages, rendering);
    let _ = template.render_for_training(&messages[..3]);
}

static QWEN3: LazyLock<Tokenizer> = LazyLock::new(|| {
    let text = include_str!("../../../goldens/text/families/qwen3/tokenizer.json");
    Tokenizer::from_json(text, "qwen3").unwrap_or_else(|error| panic!("{error}"))
});

static CONFIG: LazyLock<DecoderConfig> = LazyLock::new(|| {
    let text = include_str!("../../../goldens/families/qwen3/config.json");
    DecoderConfig::from_json(text).unwrap_or_else(|error| panic!("{error}"))
});

/// One with everything that templates ask for.
static CONVERSATION: LazyLock<(Vec<Message>, Rendering)> = LazyLock::new(|| {
    let arguments = r#"{"city": "杭州"}"#.to_string();
    let call = ToolCall {
        id: Some("a1b2c3d4e".into()),
        kind: ToolKind::Function,
        function: FunctionCall { name: "weather".into(), arguments },
    };
    let calling = Message { tool_calls: vec![call], ..Message::assistant("") };
    let told = Message { role: Role::Tool, tool_call_id: Some("a1b2c3d4e".into()), ..Message::user("rain") };
    let messages = vec![
        Message::system("Answer briefly."),
        Message::user("西湖下雨吗？"),
        Message { reasoning_content: Some("Look.".into()), ..Message::assistant("I shall see.") },
        calling,
        told,
    ];
    let tool = r#"{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}"#;
    let tools = vec![Json::parse(tool).unwrap_or(Json::Null)];
    (
        messages,
        Rendering { tools, enable_thinking: Some(true), now: Some(1_700_000_000), ..Rendering::answer() },
    )
});
