#!/usr/bin/env python3
"""What shuyuan-eval computes by likelihood, computed with transformers, one row at a time and without a cache.

    python goldens/eval/reference.py record        # writes model/ and golden.json beside questions.jsonl and texts.jsonl
    python goldens/eval/reference.py MODEL [--choices F.jsonl[.zst] …] [--texts F.jsonl …] [--limit N]
    python goldens/eval/reference.py MODEL … --compare OURS.json      # OURS: what `cargo run --example score` printed

Prints JSON: by file the ln p and bytes of each choice, the accuracies; bits per byte of the texts. float32 on the CPU.
torch 2.15.0, transformers 5.23.0. The fixture's model is random, its questions and texts are written for it.
"""

import argparse
import collections
import io
import json
import math
import pathlib
import re

import torch
from transformers import AutoTokenizer, Qwen3Config, Qwen3ForCausalLM

HERE = pathlib.Path(__file__).resolve().parent
WIDE = re.compile("[\u2e80-\u9fff\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\U00020000-\U0003ffff]")


def lines(path):
    data = pathlib.Path(path).read_bytes()
    if str(path).endswith(".zst"):
        import zstandard
        data = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data)).read()
    return [json.loads(line) for line in data.decode("utf-8").split("\n") if line.strip()]


def first(item, names):
    return next((item[n] for n in names if item.get(n) is not None), None)


def joined(before, after):
    before, after = before.rstrip(), after.strip()
    wide = before and WIDE.match(before[-1]) or WIDE.match(after[0])
    return before, after if wide else " " + after


def question(item):
    """A question as [(context, scored text)] and the index of the right one."""
    if "context_options" in item:
        choices = item["context_options"]
        pairs = [joined(option, item["continuation"]) for option in choices]
    else:
        choices = first(item, ["choices", "endings", "options"])
        body = next((item[n] for n in ["query", "ctx", "passage", "context"] if (item.get(n) or "").strip()), "").rstrip()
        ask = (item.get("question") or "").strip()
        if ask:
            words = ("问题：", "答案：") if WIDE.search(body + ask) else ("Question: ", "Answer:")
            prompt = (body + "\n" if body else "") + words[0] + ask + "\n" + words[1]
        else:
            prompt = body + "\nAnswer:" if "Question:" in body and not body.endswith("Answer:") else body
        pairs = [joined(prompt, choice) for choice in choices]
    gold = first(item, ["gold", "label", "answer"])
    if isinstance(gold, str):
        stripped = [choice.strip() for choice in choices]
        gold = stripped.index(gold) if gold in stripped else ord(gold) - ord("A")
    return pairs, gold


class Model:
    def __init__(self, folder):
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = Qwen3ForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        self.context = self.model.config.max_position_embeddings

    def encode(self, text):
        return self.tokenizer.encode(text, add_special_tokens=False)

    def bytes(self, token):
        return len(self.tokenizer.convert_ids_to_tokens(token))  # one character of a byte-level token is one byte

    @torch.no_grad()
    def logprobs(self, ids):
        """ln p of ids[1:], each given all before."""
        logits = self.model(torch.tensor([ids[:-1]])).logits[0].double()
        return torch.log_softmax(logits, -1).gather(1, torch.tensor(ids[1:])[:, None])[:, 0]

    def choices(self, pairs):
        rows, starts = [], []
        for context, text in pairs:
            ids, end, start, size = self.encode(context + text), 0, 0, len(context.encode())
            for start, token in enumerate(ids):
                end += self.bytes(token)
                if end > size:
                    break
            rows.append(ids)
            starts.append(start)
        if len({context for context, _ in pairs}) == 1:
            shared = 0
            while all(len(row) > shared and row[shared] == rows[0][shared] for row in rows):
                shared += 1
            starts = [min(shared, *starts)] * len(rows)
        for i, start in enumerate(starts):
            if start == 0:
                rows[i], starts[i] = [self.tokenizer.convert_tokens_to_ids("<|endoftext|>")] + rows[i], 1
        over = max(0, max(map(len, rows)) - self.context - 1)
        return [self.logprobs(row[over:])[start - over - 1:].sum().item() for row, start in zip(rows, starts)]

    def multiple_choice(self, items):
        found, right, raw, golds = [], 0, 0, collections.Counter()
        for item in items:
            pairs, gold = question(item)
            sums, sizes = self.choices(pairs), [len(text.encode()) for _, text in pairs]
            rates = [s / n for s, n in zip(sums, sizes)]
            right += max(range(len(sums)), key=rates.__getitem__) == gold
            raw += max(range(len(sums)), key=sums.__getitem__) == gold
            golds[gold] += 1
            found.append({"logprobs": sums, "bytes": sizes})
        n = len(items)
        return {"n": n, "score": right / n, "raw": raw / n, "baseline": max(golds.values()) / n, "items": found}

    def bits_per_byte(self, texts):
        nats, size, tokens = 0.0, 0, 0
        for text in texts:
            ids = [self.tokenizer.convert_tokens_to_ids("<|endoftext|>")] + self.encode(text)
            if len(ids) < 2:
                continue
            size += sum(map(self.bytes, ids[1:]))
            tokens += len(ids) - 1
            begin, end, scored = 0, min(len(ids), self.context + 1), 1
            while True:
                nats -= self.logprobs(ids[begin:end])[scored - begin - 1:].sum().item()
                if end == len(ids):
                    break
                step = max(1, self.context // 2)
                begin, end, scored = begin + step, min(end + step, len(ids)), end
        return {"score": nats / size / math.log(2), "bytes": size, "tokens": tokens}

    def report(self, choices, texts, limit):
        files = {pathlib.Path(f).name.split(".")[0]: self.multiple_choice(lines(f)[:limit]) for f in choices}
        texts = [line["text"] for f in texts for line in lines(f)[:limit]]
        return {"choices": files, "bits_per_byte": self.bits_per_byte(texts) if texts else None}


def record():
    source, folder = HERE.parent / "text" / "ours", HERE / "model"
    config = Qwen3Config(
        vocab_size=600, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8, max_position_embeddings=48, tie_word_embeddings=True, bos_token_id=None,
        pad_token_id=None, eos_token_id=None, rope_parameters={"rope_type": "default", "rope_theta": 10_000.0})
    model = Qwen3ForCausalLM._from_config(config, dtype=torch.float32)
    generator = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for param in model.parameters():
            noise = 0.3 * torch.randn(param.shape, generator=generator)
            param.copy_(1 + noise if param.ndim == 1 else noise)
    model.save_pretrained(folder)
    for name in ["tokenizer.json", "tokenizer_config.json"]:
        (folder / name).write_bytes((source / name).read_bytes())
    report = Model(folder).report([HERE / "questions.jsonl"], [HERE / "texts.jsonl"], None)
    (HERE / "golden.json").write_text(json.dumps(report, indent=1) + "\n")


def compare(ours, theirs):
    for name, task in theirs["choices"].items():
        worst, flips = 0.0, 0
        for a, b in zip(ours["choices"][name]["items"], task["items"], strict=True):
            assert a["bytes"] == b["bytes"], (a, b)
            worst = max([worst] + [abs(x - y) for x, y in zip(a["logprobs"], b["logprobs"], strict=True)])
            for scale in (a["bytes"], [1] * len(a["bytes"])):
                top = [max(range(len(scale)), key=lambda i: m["logprobs"][i] / scale[i]) for m in (a, b)]
                flips += top[0] != top[1]
        figures = [(ours["choices"][name][key], task[key]) for key in ("score", "raw", "baseline")]
        print(f"{name}: {task['n']} questions, {flips} answers differ, largest difference of ln p {worst:.2e}, {figures}")
    if theirs["bits_per_byte"]:
        print("bits_per_byte", ours["bits_per_byte"], theirs["bits_per_byte"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a model folder, or: record")
    parser.add_argument("--choices", nargs="*", default=[])
    parser.add_argument("--texts", nargs="*", default=[])
    parser.add_argument("--limit", type=int)
    parser.add_argument("--compare")
    args = parser.parse_args()
    if args.model == "record":
        record()
    else:
        report = Model(args.model).report(args.choices, args.texts, args.limit)
        if args.compare:
            compare(json.loads(pathlib.Path(args.compare).read_text()), report)
        else:
            print(json.dumps(report))
