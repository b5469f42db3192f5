#!/usr/bin/env python3
"""Builds small tokenizers of the kinds that people download and records what Hugging Face's libraries make of texts and chats.

    python goldens/text/families.py          # transformers 5.23.0, tokenizers 0.23.3, jinja2 3.1.6

Reads sample.txt; writes families/KIND/ (tokenizer.json, tokenizer_config.json, chat_template.jinja where it chats),
families/cases.json and, for the kinds that GGUF knows, families/KIND/gguf.json with the vocabulary as llama.cpp's converter
would store it. The chat templates are ours, with the features and turns of the models that they are named for.
For crates/text/tests/families.rs and chat_templates.rs.
"""

import datetime
import json
import pathlib
import shutil
import warnings
from collections import Counter

warnings.filterwarnings("ignore")
import transformers.utils.chat_template_utils as chat_utils
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast
from transformers.convert_slow_tokenizer import generate_merges

from chat_templates import CHATS, TEMPLATES

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE / "families"
SAMPLE = (HERE / "sample.txt").read_text(encoding="utf-8")
VOCAB = 420

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
TEKKEN = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?"
          r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")

TEXTS = [
    "", " ", "Hello, world!", "It's 2026, isn't it? I'd say 12345. He'LL, they've 'S", "  two  spaces\n\n\tand a tab ",
    "书院是读书人学习的地方。", "naïve café 🙂 👩‍🔬 Ångström", "def f(x):\n    return x ** 2  # square\n",
    "<|im_start|>user\nhi<|im_end|>\n", "日本語とРусский и العربية", "\u0000\u200b\ufeff", "e\u0301 is not é",
    "<s>a</s> <bos>b<eos><start_of_turn>user [CLS] c [SEP] [INST] d [/INST]<|user|> \n e<|end|>", "a\n\n\nb\n\n \n\nc    d",
    "<table><h1>x</h1></table>", "x<mask> y <mask>z", "[unused1] <0x0A> ▁ ▁▁a", "1 22 333 4444 55555 1.5 ½ ٣", "   lead", "trail   ",
    "The cat sat on the mat, the cat sat on the hat.\r\n\r\nNew", "unbelievably well-known, isn't  it ? Yes .", "HELLO Straße ＡＢＣ ﬁ",
    "<|begin_of_text|>x<|eot_id|><|endoftext|>y<think>z</think>", "\u00a0nbsp\u3000ideographic",
]


def special(*texts, **flags):
    return [AddedToken(t, special=True, normalized=False, **flags) for t in texts]


def byte_level(pre, specials, markers=(), nfc=False, ignore_merges=False, extra_vocab=()):
    tok = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    tok.pre_tokenizer = pre
    tok.decoder = decoders.ByteLevel()
    if nfc:
        tok.normalizer = normalizers.NFC()
    trainer = trainers.BpeTrainer(vocab_size=VOCAB, show_progress=False,
                                  initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    tok.train_from_iterator([SAMPLE], trainer)
    if extra_vocab:
        # Whole words that no merge makes: what ignore_merges is for.
        spec = json.loads(tok.to_str())
        for word in extra_vocab:
            spec["model"]["vocab"][word] = len(spec["model"]["vocab"])
        tok = Tokenizer.from_str(json.dumps(spec))
    tok.add_special_tokens(special(*specials))
    tok.add_tokens([AddedToken(t, special=False, normalized=False) for t in markers])
    return tok


def split(pattern):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"),
                                    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def bos_template(tok, bos, eos=None):
    return processors.TemplateProcessing(
        single=[t for t in (bos, "$A", eos) if t],
        special_tokens=[(t, tok.token_to_id(t)) for t in (bos, eos) if t])


def sentence_piece(head, words, tail=(), space="prepend", **flags):
    """BPE by scores: merges as transformers derives them. `words` are found in text before the model sees it."""
    to_bar = normalizers.Replace(" ", "▁")
    prepend = space == "prepend"
    draft = Tokenizer(models.BPE())
    draft.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), to_bar])
    draft.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    lines = [line for line in SAMPLE.split("\n") if line]
    count = Counter("".join(lines).replace(" ", "▁"))
    alphabet = sorted(count, key=lambda c: (-count[c], c))[:110]
    draft.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=VOCAB, limit_alphabet=110, initial_alphabet=alphabet,
                                                         show_progress=False))
    # Merged tokens first, the alphabet last, as SentencePiece orders them.
    learned = sorted(draft.get_vocab(), key=draft.get_vocab().get)
    learned = [t for t in learned if len(t) > 1] + [t for t in learned if len(t) == 1]
    fixed = [*head, *(f"<0x{b:02X}>" for b in range(256)), *words]
    tokens = fixed + [t for t in learned if t not in fixed]
    ids = {t: i for i, t in enumerate(tokens)}
    scores = {t: 0.0 if i < len(fixed) else float(len(fixed) - 1 - i) for t, i in ids.items()}
    plain = {t: s for t, s in scores.items() if t not in head and not t.startswith("<0x")}
    tok = Tokenizer(models.BPE(ids, generate_merges(ids, plain, skip_tokens=list(head)), unk_token="<unk>", fuse_unk=True,
                               byte_fallback=True))
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    if prepend:
        tok.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), to_bar])
        tok.decoder = decoders.Sequence([*steps, decoders.Strip(" ", 1, 0)])
    elif space == "first":
        tok.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=False)
        tok.decoder = decoders.Sequence([*steps, decoders.Strip(" ", 1, 0)])
    else:
        tok.normalizer = to_bar
        tok.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
        tok.decoder = decoders.Sequence(steps)
    tok.add_special_tokens(special(*head))
    tok.add_tokens([AddedToken(t, special=False, normalized=False) for t in words])
    tok.add_special_tokens(special(*tail, **flags))
    return tok, scores


def pieces(inside, n):
    """Words, parts and characters of the sample, the frequent ones first: the trainers of these kinds break ties by chance.

    With `inside` before what does not begin a word, or without it '▁' before what does.
    """
    count = Counter()
    for word in SAMPLE.lower().split():
        for start in range(len(word)):
            for end in range(start + 1, min(len(word), start + 6) + 1):
                first = start == 0
                text = word[start:end] if inside == "" or first else inside + word[start:end]
                count["▁" + text if inside == "" and first else text] += (end - start) ** 2
                if end == start + 1 and first:
                    count[text if inside == "" else inside + text] += 0
    if not inside:
        count["▁"] += 1000
    chars = sorted((t for t in count if len(t.removeprefix(inside).removeprefix("▁")) <= 1 and t.isascii()), key=lambda t: (-count[t], t))
    rest = sorted((t for t in count if t not in chars), key=lambda t: (-count[t], t))
    return [*chars, *rest][:n]


def bert():
    head = ["[PAD]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    ids = {t: i for i, t in enumerate([*head, *pieces("##", VOCAB - len(head))])}
    tok = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    tok.normalizer = normalizers.BertNormalizer(lowercase=True)
    tok.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tok.decoder = decoders.WordPiece()
    tok.add_special_tokens(special("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"))
    tok.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(t, tok.token_to_id(t)) for t in ("[CLS]", "[SEP]")])
    return tok


def t5():
    head = ["<pad>", "</s>", "<unk>"]
    vocab = [(t, 0.0) for t in head] + [(t, -3 - i / 64) for i, t in enumerate(pieces("", VOCAB - len(head)))]
    tok = Tokenizer(models.Unigram(vocab, head.index("<unk>"), False))
    tok.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    tok.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    tok.decoder = decoders.Metaspace()
    tok.add_special_tokens(special(*head))
    tok.add_special_tokens(special("<extra_id_0>", "<extra_id_1>"))
    tok.post_processor = bos_template(tok, None, "</s>")
    return tok


def build(kind):
    """The tokenizer, its roles, and the vocabulary for GGUF if there is one."""
    gguf = None
    if kind == "gpt2":
        tok = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False), ["<|endoftext|>"])
        roles = {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
        gguf = {"pre": "gpt-2"}
    elif kind == "smollm":
        pre = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
        tok = byte_level(pre, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
        roles = {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "pad_token": "<|im_end|>"}
        gguf = {"pre": "smollm"}
    elif kind == "llama3":
        tok = byte_level(split(LLAMA3), ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>",
                                         "<|eot_id|>", "<|python_tag|>"], ignore_merges=True,
                         extra_vocab=["Ġunbelievably", "Hello", "ĠStraÃŁe"])
        tok.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=True), bos_template(tok, "<|begin_of_text|>")])
        roles = {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"}
        gguf = {"pre": "llama-bpe"}
    elif kind in ("qwen2", "qwen3"):
        markers = ["<tool_call>", "</tool_call>"]
        markers += ["<tool_response>", "</tool_response>", "<think>", "</think>"] if kind == "qwen3" else []
        tok = byte_level(split(QWEN2), ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], markers, nfc=True)
        tok.post_processor = processors.ByteLevel(trim_offsets=False)
        roles = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
        gguf = {"pre": "qwen2"}
    elif kind == "tekken":
        tok = byte_level(split(TEKKEN), ["<unk>", "<s>", "</s>", "[INST]", "[/INST]"], ignore_merges=True)
        tok.post_processor = bos_template(tok, "<s>")
        roles = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
        gguf = {"pre": "tekken"}
    elif kind in ("llama2", "mistral", "phi3"):
        head = ["<unk>", "<s>", "</s>"]
        tail, flags = [], {}
        if kind == "mistral":
            head += ["[INST]", "[/INST]", "[TOOL_CALLS]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]"]
        if kind == "phi3":
            tail, flags = ["<|endoftext|>", "<|assistant|>", "<|system|>", "<|end|>", "<|user|>"], {"rstrip": True}
        tok, scores = sentence_piece(head, [], tail, "first" if kind == "mistral" else "prepend", **flags)
        tok.post_processor = bos_template(tok, "<s>")
        roles = {"bos_token": "<s>", "eos_token": "<|end|>" if kind == "phi3" else "</s>", "unk_token": "<unk>"}
        if kind == "llama2":
            gguf = {"scores": scores, "add_space_prefix": True}
    elif kind == "gemma":
        head = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"]
        words = ["\n\n", "\n\n\n", "▁▁", "▁▁▁▁", "<table>", "</table>", "<h1>", "</h1>"]
        tok, scores = sentence_piece(head, words, space="none")
        tok.post_processor = bos_template(tok, "<bos>")
        roles = {"bos_token": "<bos>", "eos_token": "<eos>", "unk_token": "<unk>", "pad_token": "<pad>"}
        gguf = {"scores": scores, "add_space_prefix": False}
    elif kind == "bert":
        tok = bert()
        roles = {"unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]"}
        gguf = {}
    elif kind == "roberta":
        tok = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False), ["<s>", "<pad>", "</s>", "<unk>"])
        tok.add_special_tokens(special("<mask>", lstrip=True))
        tok.post_processor = processors.RobertaProcessing(("</s>", tok.token_to_id("</s>")), ("<s>", tok.token_to_id("<s>")),
                                                          add_prefix_space=False)
        roles = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    elif kind == "t5":
        tok = t5()
        roles = {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    return tok, roles, gguf


def gguf_vocabulary(kind, tok, roles, extra):
    """What llama.cpp's converter stores."""
    spec = json.loads(tok.to_str())
    added = {t["id"]: t for t in spec["added_tokens"]}
    tokens = [tok.id_to_token(i) for i in range(tok.get_vocab_size())]
    types = [1 if i not in added else 3 if added[i]["special"] else 4 for i in range(len(tokens))]
    ids = {k: tok.token_to_id(v) for k, v in roles.items()}
    out = {"model": "gpt2", "tokens": tokens, "types": types}
    if kind == "bert":
        out["model"] = "bert"
        out["tokens"] = [t if t.startswith("[") and t.endswith("]") else t[2:] if t.startswith("##") else "▁" + t for t in tokens]
    elif "scores" in extra:
        out["model"] = "llama"
        # Ids after the scored ones are control tokens.
        out["scores"] = [extra["scores"].get(t, -1000.0) for t in tokens]
        out["types"] = [6 if t.startswith("<0x") and len(t) == 6 else 2 if t == "<unk>" else k for t, k in zip(tokens, types)]
        out["add_space_prefix"] = extra["add_space_prefix"]
    else:
        out["pre"] = extra["pre"]
        out["merges"] = [m if isinstance(m, str) else " ".join(m) for m in spec["model"]["merges"]]
    for role in ("bos", "eos", "unk", "sep", "pad", "cls"):
        if f"{role}_token" in roles and not (out["model"] == "gpt2" and role == "unk"):
            out[role] = ids[f"{role}_token"]
    out["add_bos"] = tok.encode("a").ids[0] == ids.get("bos_token", -1)
    if kind in TEMPLATES:
        out["chat_template"] = TEMPLATES[kind]
    return out


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2026, 11, 27, 12, 0, 0)


def chats(kind, fast):
    chat_utils.datetime = Clock
    for name, chat in CHATS.items():
        if kind not in chat.get("kinds", [kind]):
            continue
        options = chat.get("options", {})
        for prompt in (False, True):
            case = {"name": name, "messages": chat["messages"], "add_generation_prompt": prompt, "options": options}
            # Arguments are objects for a template; OpenAI's form, which is ours, has them as text.
            messages = json.loads(json.dumps(chat["messages"]))
            for message in messages:
                for call in message.get("tool_calls", []):
                    call["function"]["arguments"] = json.loads(call["function"]["arguments"])
            try:
                case["text"] = fast.apply_chat_template(messages, tokenize=False, add_generation_prompt=prompt, **options)
                case["ids"] = fast(case["text"], add_special_tokens=False)["input_ids"]
            except Exception as error:
                case["refusal"] = str(error)
            yield case


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    cases = {}
    for kind in ["gpt2", "smollm", "llama3", "qwen2", "qwen3", "tekken", "llama2", "mistral", "phi3", "gemma", "bert", "roberta", "t5"]:
        tok, roles, gguf = build(kind)
        out = OUT / kind
        out.mkdir(parents=True)
        fast = PreTrainedTokenizerFast(tokenizer_object=tok, clean_up_tokenization_spaces=False, **roles)
        if kind in TEMPLATES:
            fast.chat_template = TEMPLATES[kind]
        fast.save_pretrained(out)
        (out / "tokenizer.json").write_text(json.dumps(json.loads(tok.to_str()), ensure_ascii=False) + "\n")
        if gguf is not None:
            (out / "gguf.json").write_text(json.dumps(gguf_vocabulary(kind, tok, roles, gguf), ensure_ascii=False) + "\n")
        tok = Tokenizer.from_file(str(out / "tokenizer.json"))
        # What a user types becomes neither a special token nor markup beyond the learned vocabulary (<think>).
        spec = json.loads(tok.to_str())
        spec["added_tokens"] = [t for t in spec["added_tokens"] if t["special"] or t["content"] in spec["model"]["vocab"]]
        if kind == "t5":
            # Hugging Face's Unigram finds </s> among its words, even when it is told not to look for special tokens.
            spec["model"]["vocab"] = [[f"\ufdd0 {t}" if t in ("</s>", "<pad>") else t, s] for t, s in spec["model"]["vocab"]]
        user = Tokenizer.from_str(json.dumps(spec))
        user.encode_special_tokens = True
        texts = []
        for text in TEXTS:
            trusted = tok.encode(text, add_special_tokens=False).ids
            whole = tok.encode(text).ids
            plain = user.encode(text, add_special_tokens=False).ids
            texts.append({"text": text, "plain": plain, "trusted": trusted, "whole": whole,
                          "decoded": tok.decode(plain, skip_special_tokens=False)})
        cases[kind] = {"vocab_size": tok.get_vocab_size(), "texts": texts,
                       "chats": list(chats(kind, fast)) if kind in TEMPLATES else []}
        print(kind, tok.get_vocab_size(), sum(f.stat().st_size for f in out.iterdir()) // 1000, "KB",
              [c["refusal"] for c in cases[kind]["chats"] if "refusal" in c])
    (OUT / "cases.json").write_text(json.dumps(cases, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
