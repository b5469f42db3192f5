#!/usr/bin/env python3
"""Records what Hugging Face's libraries make of our tokenizer files, for crates/text/tests/hugging_face.rs.

    cargo test --release -p shuyuan-text                     # with SHUYUAN_UPDATE=1: writes ours/ anew
    python goldens/text/record.py                            # transformers 5.23.0, tokenizers 0.23.3

Reads sample.txt and ours/; writes golden.json and qwen2_like.json (a file as Qwen2's is, made by their trainer).
"""

import json
import pathlib
import random
import tempfile

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer

HERE = pathlib.Path(__file__).resolve().parent
PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
           r"|\s*[\r\n]+|\s+(?!\S)|\s+")
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]

TEXTS = [
    "", " ", "\n", "a", "书", "The cat sat on the mat", "我今天吃了狮子头和蔬菜", "红色", "Hello,  world!\n\n  Two  spaces\t\ttabs ",
    "it's IT'S they'LL we've I'd I'm you're 'tis ' 's 'ſ a'ſb", "1234567890 3.14 1,000 ½ Ⅷ ٣ ² 一二三", "\r\n\r\n \r\n x\r\ry",
    "   leading", "trailing   ", "a\u00a0b\u3000c\u2028d\u0085e\u000bf", "🙂👩‍👩‍👧🇨🇳 e\u0301 é 𠀀𠮷 \u200d\ufeff", "\u0000\u0001\u007f\ufffd\U0010ffff",
    "fn f(x: &str) -> usize { x.len() }  // ok", "https://example.org/a?b=c&d=%20", "“你好！”——‘再见’……", "の한국어हिन्दीعربى",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "-----=====-----", "书院" * 40,
    "< |im_end|>", "<|im_end", "|im_end|>", "<|endoftext|", "Ａｆｕｌｌ ｗｉｄｔｈ １２", "ﬁ ǅ \u1e9e \u0130",
]

CHATS = [
    [("user", "你好")],
    [("system", "You are the town's guide."), ("user", "Where does the doctor live?"), ("assistant", "By the river.")],
    [("user", "34 + 27 = ?"), ("assistant", "34 + 27 = 61。"), ("user", "And 61 + 1?"), ("assistant", "62, of course! 🙂\n\n再见")],
    [("user", "  two  spaces \n"), ("assistant", " leading space"), ("user", "\n\nline breaks first"), ("assistant", "")],
    [("assistant", "I speak first."), ("assistant", "And twice.")],
]

WITH_MASK = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}{% else %}"
    "{{ message['content'] + '<|im_end|>' }}{% endif %}{{ '\n' }}{% endfor %}"
)


def random_texts(n):
    """Text of all scripts, half of it from the sample; seeded."""
    r = random.Random(7)
    sample = (HERE / "sample.txt").read_text(encoding="utf-8")
    for _ in range(n):
        parts = []
        for _ in range(r.randrange(1, 12)):
            at = r.randrange(len(sample))
            c = r.choice([r.randrange(0x80), r.randrange(0x3000), r.randrange(0x10000), r.randrange(0x110000)])
            parts.append(r.choice([sample[at:at + r.randrange(1, 9)], "" if 0xD800 <= c <= 0xDFFF else chr(c), " ", "\n"]))
        yield "".join(parts)


def qwen2_like():
    """Qwen2's layout: NFC, ids of bytes in the order of their characters, special tokens after the merges."""
    tok = Tokenizer(models.BPE())
    tok.normalizer = normalizers.NFC()
    byte_level = dict(add_prefix_space=False, use_regex=False)
    tok.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PATTERN), "isolated"), pre_tokenizers.ByteLevel(trim_offsets=False, **byte_level)])
    tok.post_processor = processors.ByteLevel(trim_offsets=False)
    tok.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=500, show_progress=False,
                                  initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    tok.train_from_iterator([(HERE / "sample.txt").read_text(encoding="utf-8")], trainer)
    tok.add_special_tokens(SPECIALS)
    tok.add_tokens(["<think>"])
    return tok


def main():
    theirs = qwen2_like()
    theirs.save(str(HERE / "qwen2_like.json"), pretty=False)
    plain = Tokenizer.from_file(str(HERE / "ours/tokenizer.json"))
    auto = AutoTokenizer.from_pretrained(str(HERE / "ours"))
    # In a model's folder the class could be chosen by the model's type; the ids must not change.
    with tempfile.TemporaryDirectory() as d:
        for f in (HERE / "ours").iterdir():
            (pathlib.Path(d) / f.name).write_bytes(f.read_bytes())
        (pathlib.Path(d) / "config.json").write_text('{"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"]}')
        in_model = AutoTokenizer.from_pretrained(d)

    texts = []
    for text in [*TEXTS, *random_texts(150)]:
        ids = plain.encode(text).ids
        for tok in (auto, in_model):
            assert tok(text)["input_ids"] == ids, (text, tok)
            assert tok.decode(ids) == text, (text, tok)
        texts.append({"text": text, "ids": ids, "qwen2_like": theirs.encode(text).ids})

    chats = []
    for chat in CHATS:
        messages = [{"role": role, "content": content} for role, content in chat]
        render = dict(tokenize=True, return_dict=True)
        ids = auto.apply_chat_template(messages, **render)["input_ids"]
        masked = auto.apply_chat_template(messages, chat_template=WITH_MASK, return_assistant_tokens_mask=True, **render)
        assert masked["input_ids"] == ids
        chats.append({
            "messages": messages,
            "ids": ids,
            "with_prompt": in_model.apply_chat_template(messages, add_generation_prompt=True, **render)["input_ids"],
            "mask": masked["assistant_masks"],
        })
    special = {t: auto.convert_tokens_to_ids(t) for t in SPECIALS}
    assert (auto.eos_token, auto.pad_token) == ("<|im_end|>", "<|endoftext|>"), auto
    with open(HERE / "golden.json", "w", encoding="utf-8") as f:
        f.write("{\n" + f'"special": {json.dumps(special)},\n"texts": [\n')
        f.write(",\n".join(json.dumps(t) for t in texts) + '\n],\n"chats": [\n')
        f.write(",\n".join(json.dumps(c, ensure_ascii=False) for c in chats) + "\n]\n}\n")
    print(f"{len(texts)} texts, {len(chats)} chats, {type(auto).__name__}, {type(in_model).__name__}")


if __name__ == "__main__":
    main()
