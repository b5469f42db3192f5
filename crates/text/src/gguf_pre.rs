//! The split patterns that llama.cpp knows by name (`tokenizer.ggml.pre`), each as Hugging Face's file of the model has it.
//! Source: llama.cpp, `src/llama-vocab.cpp` and `conversion/base.py`.

use serde_json::{Value, json};

use crate::hub_load::{Refusal, unsupported};
use crate::split::{LLAMA3_PATTERN, SPLIT_PATTERN};

/// What a name stands for.
pub(crate) struct Pre {
    /// The `pre_tokenizer` of `tokenizer.json`.
    pub(crate) steps: Value,
    pub(crate) nfc: bool,
    pub(crate) ignore_merges: bool,
}

/// Mistral's Tekken: words by small and capital letters.
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// GPT-4o's, which Phi-4-mini has as well.
const GPT_4O: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Errors: a name that is not known.
pub(crate) fn pre_tokenizer(name: &str) -> Result<Pre, Refusal> {
    let pre = |steps: Value, nfc: bool, ignore_merges: bool| Ok(Pre { steps, nfc, ignore_merges });
    let split = |pattern: &str| json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false});
    let bytes = |use_regex: bool| json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": use_regex});
    let sequence = |steps: Vec<Value>| json!({"type": "Sequence", "pretokenizers": steps});
    match name {
        "gpt-2" | "phi-2" | "roberta-bpe" | "jina-v2-code" | "mpt" | "olmo" | "trillion" | "exaone4" => {
            pre(bytes(true), false, false)
        }
        "llama-bpe" | "llama3" | "llama-v3" | "falcon3" | "pixtral" => {
            pre(sequence(vec![split(LLAMA3_PATTERN), bytes(false)]), false, true)
        }
        "dbrx" | "smaug-bpe" | "glm4" | "chatglm-bpe" => {
            pre(sequence(vec![split(LLAMA3_PATTERN), bytes(false)]), false, false)
        }
        "qwen2" | "deepseek-r1-qwen" | "megrez" => {
            pre(sequence(vec![split(SPLIT_PATTERN), bytes(false)]), true, false)
        }
        "stablelm2" | "hunyuan" | "solar-open" => {
            pre(sequence(vec![split(SPLIT_PATTERN), bytes(false)]), false, false)
        }
        "smollm" | "starcoder" | "refact" | "command-r" | "codeshell" => {
            let digits = json!({"type": "Digits", "individual_digits": true});
            pre(sequence(vec![digits, bytes(true)]), name == "command-r", false)
        }
        "tekken" => pre(sequence(vec![split(TEKKEN), bytes(false)]), false, true),
        "gpt-4o" | "llama4" => pre(sequence(vec![split(GPT_4O), bytes(false)]), false, false),
        "falcon" => {
            let marks = split(r"[\p{P}\$\+<=>\^~\|`]+");
            pre(sequence(vec![marks, bytes(true), split("[0-9][0-9][0-9]")]), false, false)
        }
        "default" => {
            let marks = split(r"[\p{P}\$\+<=>\^~\|]+");
            let words = split(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+");
            let steps = vec![marks, words, split(r"\p{N}+"), split("[0-9][0-9][0-9]"), bytes(false)];
            pre(sequence(steps), false, false)
        }
        "" => unsupported("tokenizer.ggml.pre is not given, so how text is cut into words is not known"),
        other => unsupported(format!("tokenizer.ggml.pre {other:?}")),
    }
}

/// Whether llama.cpp puts the beginning-of-text token before texts of such models when the file does not say.
pub(crate) fn begins_with_bos(name: &str) -> bool {
    matches!(name, "llama3" | "llama-v3" | "llama-bpe" | "falcon3" | "falcon-h1" | "pixtral" | "tekken")
}

/// One name for each pattern that is written, the usual one where there are several.
const WRITTEN: [&str; 9] =
    ["qwen2", "llama-bpe", "dbrx", "smollm", "gpt-2", "tekken", "gpt-4o", "falcon", "default"];

/// The name of the steps of a `pre_tokenizer`. llama.cpp composes no characters (NFC), whatever the name, so that is not asked.
pub(crate) fn name_of(steps: &Value, ignore_merges: bool) -> Option<&'static str> {
    let wanted = essence(steps)?;
    let same =
        |pre: &Pre| pre.ignore_merges == ignore_merges && essence(&pre.steps).as_ref() == Some(&wanted);
    WRITTEN.into_iter().find(|name| pre_tokenizer(name).is_ok_and(|pre| same(&pre)))
}

/// The steps with what decides how they cut. `None` for a step that no named pattern has.
fn essence(steps: &Value) -> Option<Vec<Value>> {
    let list = steps["pretokenizers"].as_array();
    let list = list.map_or(std::slice::from_ref(steps), Vec::as_slice);
    let one = |step: &Value| match step["type"].as_str()? {
        "ByteLevel" => Some(json!(["bytes", step["add_prefix_space"] != false, step["use_regex"] != false])),
        "Split" if step["behavior"] == "Isolated" && step["invert"] != true => {
            Some(json!(["split", step["pattern"]["Regex"].as_str()?]))
        }
        "Digits" => Some(json!(["digits", step["individual_digits"] == true])),
        _ => None,
    };
    list.iter().map(one).collect()
}
