//! From a folder of files to a model, verb by verb; and what each verb says to input that is none.

mod common;

use common::{json, out, recipe, school, shuyuan};
use std::path::Path;
use std::sync::LazyLock;

const TRAIN: &str = "
batch = 2
tokens = 64
steps = 3
";

/// A folder with a tiny model in `run/model`, a corpus in `corpus`, a tokenizer in `tok`.
static MADE: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    recipe(at, TRAIN);
    school(at, "400");
    out(at, &["corpus", "world", "--docs", "400", "--chats", "--output", "chats.jsonl"]);
    let words = ["pretrain", "--recipe", "recipe.toml", "--corpus", "corpus", "--output", "run", "--json"];
    assert_eq!(json(at, &words)["steps"], 3);
    dir
});

fn made() -> &'static Path {
    MADE.path()
}

#[test]
fn a_folder_becomes_a_model_that_speaks() {
    let at = made();
    let text = "我今天吃了狮子头和蔬菜 \u{1f981}\r\n<|im_end|>";
    std::fs::write(at.join("text.txt"), text).unwrap();
    let encoded = json(at, &["tokenizer", "encode", "--tokenizer", "tok", "--input", "text.txt", "--json"]);
    assert_eq!(encoded["bytes"], text.len());
    let tokenizer = shuyuan_text::Tokenizer::load(at.join("tok")).unwrap();
    let ids: Vec<u32> = serde_json::from_value(encoded["ids"].clone()).unwrap();
    assert_eq!(tokenizer.decode(&ids), text);

    let table = out(at, &["tokenizer", "show", "The cat sat", "--tokenizer", "tok"]);
    assert!(table.contains("Token") && table.contains("ID") && !table.contains('\x1b'), "{table}");
    assert!(out(at, &["corpus", "stats", "corpus"]).contains("tokens to train on"));

    let words = [
        "finetune",
        "--method",
        "sft",
        "--model",
        "run/model",
        "--data",
        "chats.jsonl",
        "--output",
        "tuned",
        "--steps",
        "2",
    ];
    assert!(out(at, &words).contains("2 steps"));

    let generate =
        ["generate", "--model", "tuned/model", "--max-tokens", "5", "--temperature", "0", "--ignore-eos"];
    let by_text = json(at, &[&generate[..], &["--prompt", "The cat", "--json"]].concat());
    assert_eq!(by_text["ids"].as_array().unwrap().len(), 5);
    assert!(by_text["tokens_per_s"].as_f64().unwrap() > 0.0);
    let ids: Vec<String> = tokenizer.encode("The cat").iter().map(u32::to_string).collect();
    let by_ids = json(at, &[&generate[..], &["--prompt-ids", &ids.join(","), "--json"]].concat());
    assert_eq!((&by_text["ids"], &by_text["text"]), (&by_ids["ids"], &by_ids["text"]));
    let plain = out(at, &[&generate[..], &["--prompt", "The cat"]].concat());
    // A terminal is not told to do anything: JSON has what was written, this what can be shown of it.
    let shown = by_text["text"].as_str().unwrap().replace(|c: char| c.is_control() && c != '\n', "");
    assert_eq!(plain.trim_end_matches('\n'), shown.trim_end_matches('\n'));

    for verb in [&["ask", "Who?"][..], &["translate", "你好"], &["summarize", "A story."]] {
        let reply = json(at, &[verb, &["--model", "tuned/model", "--max-tokens", "4", "--json"]].concat());
        assert!(reply["completion_tokens"].as_u64().unwrap() <= 4, "{reply}");
    }
    let question = r#"{"query": "The cat sat on the", "choices": [" mat", " of and"], "gold": 0}"#;
    std::fs::write(at.join("q.jsonl"), question).unwrap();
    let eval = ["eval", "--model", "tuned/model", "--task", "sums", "--limit", "3"];
    let scores = json(at, &[&eval[..], &["--choices", "q.jsonl", "--text", "text.txt", "--json"]].concat());
    assert_eq!((&scores["sums"]["n"], &scores["q"]["n"]), (&3.into(), &1.into()));
    assert!(scores["bits_per_byte"]["score"].as_f64().unwrap() > 0.0);
    assert!(out(at, &eval).contains("sums"));
    let seen = json(at, &["explain", "我今天吃了狮子头", "--model", "run/model", "--json"]);
    assert_eq!((&seen["layers"], &seen["heads"]), (&2.into(), &2.into()));
    let shown =
        out(at, &["explain", "我今天吃了狮子头", "--model", "run/model", "--layer", "2", "--head", "1"]);
    assert!(
        shown.contains("Layer 2, head 1") && shown.contains("accuracy") && !shown.contains('\x1b'),
        "{shown}"
    );
    assert!(out(at, &["explain", "--near", "红色", "--model", "run/model"]).contains("红色"));
    for (words, said) in [
        (&["explain", "我今天吃了狮子头", "--model", "run/model"][..], "第 2 层"),
        (&["model", "info", "run/model"], "词表"),
        (&["runs"], "还没有训练"),
    ] {
        let text = out(at, &[words, &["--lang", "zh"]].concat());
        assert!(text.contains(said), "{words:?}: {text}");
    }
    assert_eq!(json(at, &["model", "info", "run/model", "--json"])["config"]["hidden_size"], 32);
    assert!(json(at, &["doctor", "--json"])["cores"].as_u64().unwrap() >= 1);
    assert!(json(at, &["runs", "--json"]).is_array());
}

/// Runs what must fail: not with success, not with a panic, and with each of `named` in the message.
fn refused(dir: &Path, words: &[&str], named: &[&str]) {
    let output = shuyuan(dir, words);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(1 | 2)), "{words:?}: {:?}\n{errors}", output.status);
    assert!(!errors.contains("panicked"), "{words:?}: {errors}");
    assert!(errors.contains("error:"), "{words:?}: {errors}");
    assert!(output.stdout.is_empty(), "{words:?}: {}", String::from_utf8_lossy(&output.stdout));
    for name in named {
        assert!(errors.contains(name), "{words:?}: expected {name:?} in\n{errors}");
    }
}

#[test]
fn files_that_are_none() {
    let at = made();
    std::fs::write(at.join("empty.txt"), "").unwrap();
    std::fs::write(at.join("binary.bin"), [0xff, 0xfe, 0x00, 0x80].repeat(1000)).unwrap();
    std::fs::write(at.join("bad.txt"), b"The cat \xff sat").unwrap();
    let encode = |input| ["tokenizer", "encode", "--tokenizer", "tok", "--input", input];
    refused(at, &encode("missing.txt"), &["missing.txt"]);
    refused(at, &encode("empty.txt"), &["empty.txt", "empty"]);
    refused(at, &encode("binary.bin"), &["binary.bin", "UTF-8"]);
    refused(at, &encode("bad.txt"), &["bad.txt", "byte 8"]);
    refused(at, &encode("tok"), &["tok", "folder"]);
    refused(at, &["tokenizer", "encode", "--tokenizer", "nowhere", "--input", "world.jsonl"], &["nowhere"]);

    let train =
        |input, size| ["tokenizer", "train", "--input", input, "--vocab-size", size, "--output", "tok2"];
    refused(at, &train("missing.txt", "600"), &["missing.txt"]);
    refused(at, &train("empty.txt", "600"), &["empty"]);
    refused(at, &train("binary.bin", "600"), &[]);
    refused(at, &train("world.jsonl", "100"), &["100", "256"]);
    refused(at, &train("world.jsonl", "99999999999"), &["99999999999"]);
    assert!(!at.join("tok2").exists());

    let build = |input, tokenizer| {
        ["corpus", "build", "--input", input, "--tokenizer", tokenizer, "--output", "corpus2"]
    };
    refused(at, &build("missing.txt", "tok"), &["missing.txt"]);
    refused(at, &build("empty.txt", "tok"), &[]);
    refused(at, &build("binary.bin", "tok"), &[]);
    refused(at, &build("world.jsonl", "nowhere"), &["nowhere"]);
    let weights = [&build("world.jsonl", "tok")[..], &["--weight", "1", "2"]].concat();
    refused(at, &weights, &["--weight", "1", "2"]);
    refused(at, &["corpus", "stats", "run"], &["run"]);

    for words in [&["ask", "Who?", "--context"][..], &["summarize", "--file"], &["translate", "--file"]] {
        for (file, named) in [("missing.txt", "missing.txt"), ("empty.txt", "empty"), ("binary.bin", "UTF-8")]
        {
            refused(at, &[words, &[file, "--model", "run/model"]].concat(), &[named]);
        }
    }
    refused(at, &["quickstart", "--no-serve", "--input", "missing.txt"], &["missing.txt"]);
    refused(
        at,
        &["finetune", "--model", "run/model", "--data", "missing.jsonl", "--output", "t2"],
        &["missing.jsonl"],
    );
    refused(
        at,
        &["finetune", "--model", "run/model", "--data", "empty.txt", "--output", "t2"],
        &["empty.txt"],
    );
    refused(at, &["eval", "--model", "run/model", "--choices", "missing.jsonl"], &["missing.jsonl"]);
    refused(at, &["generate", "--model", "nowhere", "--prompt", "a"], &["nowhere"]);
    refused(at, &["generate", "--prompt", "a"], &["quickstart", "--model"]);
}

#[test]
fn models_that_are_none() {
    let at = made();
    let copy = |name: &str| {
        let to = at.join(name);
        std::fs::create_dir_all(&to).unwrap();
        for entry in std::fs::read_dir(at.join("run/model")).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
        to
    };
    let generate = |model| ["generate", "--model", model, "--prompt", "a"];
    let random: Vec<u8> = (0..10_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::fs::write(copy("random").join("model.safetensors"), random).unwrap();
    refused(at, &generate("random"), &["random/model.safetensors"]);
    std::fs::remove_file(copy("weightless").join("model.safetensors")).unwrap();
    refused(at, &generate("weightless"), &["weightless/model.safetensors"]);
    let weights = std::fs::read(at.join("run/model/model.safetensors")).unwrap();
    std::fs::write(copy("short").join("model.safetensors"), &weights[..weights.len() / 2]).unwrap();
    refused(at, &generate("short"), &["short/model.safetensors"]);
    let config = std::fs::read_to_string(at.join("run/model/config.json")).unwrap();
    let wide = config.replace("\"intermediate_size\": 64", "\"intermediate_size\": 96");
    assert_ne!(wide, config);
    std::fs::write(copy("wide").join("config.json"), wide).unwrap();
    refused(at, &generate("wide"), &["misshapen", "gate_proj", "96", "64"]);
    std::fs::write(copy("wordless").join("tokenizer.json"), "{}").unwrap();
    refused(at, &generate("wordless"), &["wordless", "tokenizer.json"]);
    refused(at, &["serve", "--model", "random", "--port", "0"], &["random/model.safetensors"]);
    refused(at, &["model", "info", "corpus"], &["config.json"]);
}

#[test]
fn numbers_that_are_none() {
    let at = made();
    let generate = |more: &[&'static str]| [&["generate", "--model", "run/model"], more].concat();
    let long = "a cat ".repeat(200);
    refused(at, &["generate", "--model", "run/model", "--prompt", &long], &["tokens", "256"]);
    refused(at, &generate(&["--prompt", ""]), &["empty"]);
    refused(at, &generate(&["--prompt-ids", "1,2,600"]), &["600"]);
    refused(at, &generate(&["--prompt-ids", "1,2,-3"]), &["--prompt-ids", "-3"]);
    refused(at, &generate(&["--prompt-ids", "1,x"]), &["--prompt-ids", "x"]);
    refused(at, &generate(&["--prompt", "a", "--max-tokens", "-1"]), &["--max-tokens"]);
    refused(at, &generate(&["--prompt", "a", "--temperature", "-1"]), &["temperature", "-1"]);
    refused(at, &generate(&["--prompt", "a", "--temperature", "nan"]), &["temperature"]);
    refused(at, &generate(&["--prompt", "a", "--top-p", "2"]), &["top_p", "2"]);
    refused(at, &generate(&["--prompt", "a", "--alternatives", "1000"]), &["1000"]);
    refused(at, &["explain", "a", "--model", "run/model", "--layer", "9"], &["--layer 9", "2"]);
    refused(at, &["explain", &long, "--model", "run/model"], &["tokens"]);
    refused(at, &["explain", "", "--model", "run/model"], &["empty"]);
    refused(at, &["eval", "--model", "run/model", "--task", "cooking"], &["cooking"]);
    refused(at, &["quickstart", "--minutes", "-2", "--no-serve"], &["--minutes", "-2"]);
    refused(at, &["serve", "--host", "0.0.0.0", "--model", "run/model"], &["--api-key"]);

    for (key, named) in [
        ("[train]\nbacth = 2\n", "bacth"),
        ("[train]\nbatch = -2\n", "-2"),
        ("[trian]\n", "trian"),
        ("[optimizer]\nkind = \"sgd\"\n", "sgd"),
        ("[model]\nhidden_size = 0\n", "hidden_size"),
        ("", "--steps"),
    ] {
        std::fs::write(at.join("bad.toml"), key).unwrap();
        refused(
            at,
            &["pretrain", "--recipe", "bad.toml", "--corpus", "corpus", "--output", "bad-run"],
            &[named],
        );
    }
    let pretrain = |more: &[&'static str]| {
        [&["pretrain", "--recipe", "recipe.toml", "--corpus", "corpus", "--output"], more].concat()
    };
    refused(at, &pretrain(&["r2", "--steps", "0"]), &["--steps"]);
    refused(at, &pretrain(&["r2", "--minutes", "-1"]), &["--minutes"]);
    refused(at, &pretrain(&["run"]), &["run", "--resume"]);
    refused(
        at,
        &["pretrain", "--recipe", "gone.toml", "--corpus", "corpus", "--output", "r2"],
        &["gone.toml"],
    );
    refused(at, &["pretrain", "--recipe", "recipe.toml", "--corpus", "tok", "--output", "r2"], &["tok"]);
}
