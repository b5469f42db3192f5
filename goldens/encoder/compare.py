#!/usr/bin/env python3
"""Compares the vectors of a real encoder with those of transformers, and the time for them.

    python goldens/encoder/compare.py MODEL SHUYUAN [--speed]

MODEL is a folder in Hugging Face's layout whose pooling is the mean, normalised (all-MiniLM-L6-v2); SHUYUAN the program.
Prints the largest difference and the least cosine over 20 texts in several languages, and fails above 1e-4. With --speed:
200 texts of about 60 tokens, both on the same number of threads (--threads), in turns, five times each; transformers in
batches of 32, sorted by length, as sentence-transformers does. Only embedding is timed, not loading.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import time

import torch
from transformers import AutoModel, AutoTokenizer

TEXTS = [
    "The cat sat on the mat.",
    "A kitten is lying on a rug.",
    "今天在公园里看见了一只猫。",
    "狮子头是淮扬菜, not a lion's head!",
    "How do I sort a list of dictionaries by a key in Python?",
    "def sort(items): return sorted(items, key=lambda item: item['name'])",
    "Stocks fell 3.5% on Tuesday, the worst day since 2020-03-16.",
    "Der schnelle braune Fuchs springt über den faulen Hund.",
    "Le café était fermé; nous sommes allés ailleurs.",
    "東京は日本の首都です。",
    "Москва — столица России.",
    "a",
    "?!",
    "🦁🐈 emoji and text",
    "UPPER CASE AND lower case",
    "https://example.com/path?query=1&other=2",
    "1234567890 0.001 1e-5",
    "Photosynthesis converts light into chemical energy that is stored in sugars. " * 8,
    "书院里的学生每天读书写字。" * 8,
    "The mitochondrion is the powerhouse of the cell, as every student of biology has read at least once in a textbook.",
]


def theirs(model, tokenizer, texts):
    order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
    vectors = [None] * len(texts)
    for start in range(0, len(order), 32):
        these = order[start : start + 32]
        batch = tokenizer([texts[i] for i in these], padding=True, truncation=True, max_length=256, return_tensors="pt")
        with torch.inference_mode():
            states = model(**batch).last_hidden_state
        mask = batch["attention_mask"].unsqueeze(-1).float()
        found = torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=1)
        for i, vector in zip(these, found):
            vectors[i] = vector
    return torch.stack(vectors)


def ours(program, folder, texts):
    words = [program, "embed", "--model", folder, "--json", "--", *texts]
    return json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("program")
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    args = parser.parse_args()
    # The program takes all cores that it may have.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.threads])
    torch.set_num_threads(args.threads)
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    model = AutoModel.from_pretrained(args.model, dtype=torch.float32).eval()
    expected = theirs(model, tokenizer, TEXTS)
    # One by one there is no padding.
    alone = torch.cat([theirs(model, tokenizer, [text]) for text in TEXTS])
    found = ours(args.program, args.model, TEXTS)
    vectors = torch.tensor(found["vectors"])
    counts = [len(ids) for ids in tokenizer(TEXTS)["input_ids"]]
    assert found["tokens"] == counts, f"tokens {found['tokens']}, transformers {counts}"
    worst = (vectors - expected).abs().max().item()
    cosine = (vectors.double() * expected.double()).sum(1).min().item()
    print(f"{len(TEXTS)} texts of {min(counts)} to {max(counts)} tokens: largest difference {worst:.2e} "
          f"(alone {(vectors - alone).abs().max().item():.2e}), least cosine {cosine:.9f}; transformers in a batch "
          f"and alone differ by {(expected - alone).abs().max().item():.2e}")
    assert worst < 1e-4
    if not args.speed:
        return
    words = [word for text in TEXTS for word in text.split() if word.isascii() and word.isalpha()]
    draw = random.Random(1)
    texts = [" ".join(draw.choices(words, k=draw.randint(35, 55))) for _ in range(200)]
    tokens = sum(len(ids) for ids in tokenizer(texts)["input_ids"])
    print(f"200 texts, {tokens / 200:.1f} tokens each, {args.threads} threads")
    theirs(model, tokenizer, texts)
    times = {"ours": [], "theirs": []}
    for _ in range(5):
        times["ours"].append(ours(args.program, args.model, texts)["seconds"])
        started = time.perf_counter()
        theirs(model, tokenizer, texts)
        times["theirs"].append(time.perf_counter() - started)
    for name, seconds in times.items():
        print(f"{name:6} {' '.join(f'{s:.3f}' for s in seconds)} s; median {200 / statistics.median(seconds):.0f}, "
              f"best {200 / min(seconds):.0f} texts/s")
    ratios = [b / a for a, b in zip(times["ours"], times["theirs"])]
    print(f"ours is {statistics.median(ratios):.2f} times as fast (median of pairs; {min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
