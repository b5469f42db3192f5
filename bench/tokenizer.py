#!/usr/bin/env python3
"""Times our tokenizer beside rustbpe, tiktoken, riptoken and wordchipper: same text, same split pattern, same merges.

Called by tokenizer.sh, which builds what it needs. Every phase is a process of its own; phases take turns (A B A B …), and
the medians are compared. One JSON line on standard output; progress on standard error.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
           r"|\s*[\r\n]+|\s+(?!\S)|\s+")


def peak_rss_mib():
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) // 1024


def read_jsonl(path):
    return [json.loads(line)["text"] for line in open(path, encoding="utf-8")]


def digest(docs):
    """As examples/bench.rs has it: FNV-1a over lengths and ids."""
    h = 0xCBF29CE484222325
    for doc in docs:
        for word in (len(doc), *doc):
            h = ((h ^ word) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{h:016x}"


def peer(name, a):
    """A Python peer's phase, in this process; what it gives is one dictionary."""
    docs = read_jsonl(a.docs)
    if name == "train_rustbpe":
        import rustbpe
        tok = rustbpe.Tokenizer()
        t = time.perf_counter()
        tok.train_from_iterator(iter(docs), a.vocab, pattern=PATTERN)
        return {"seconds": time.perf_counter() - t, "vocab": tok.vocab_size, "peak_rss_mib": peak_rss_mib()}
    ranks = {bytes.fromhex(line.strip()): i for i, line in enumerate(open(a.ranks))}
    if name.startswith("tiktoken"):
        import tiktoken
        enc = tiktoken.Encoding("bench", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={})
    else:
        import riptoken
        enc = riptoken.CoreBPE(ranks, {}, PATTERN)
    seconds = []
    for _ in range(a.reps):
        t = time.perf_counter()
        ids = [enc.encode_ordinary(d) for d in docs]
        seconds.append(time.perf_counter() - t)
    return {"seconds": statistics.median(seconds), "tokens": sum(map(len, ids)), "digest": digest(ids) if a.check else None}


def byte_of_char():
    keep = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in keep]
    return {**{chr(b): b for b in keep}, **{chr(256 + i): b for i, b in enumerate(rest)}}


def write_ranks(tokenizer_json, path):
    back = byte_of_char()
    vocab = json.load(open(tokenizer_json))["model"]["vocab"]
    with open(path, "w") as f:
        for token in sorted(vocab, key=vocab.get):
            f.write(bytes(back[c] for c in token).hex() + "\n")


def write_docs(paths, limit_mb, out):
    """The first bytes of each file, as many of each; .zst needs `zstandard`."""
    import io
    limit = limit_mb * 1e6 / len(paths)
    total = 0
    with open(out, "w", encoding="utf-8") as f:
        for path in paths:
            raw = open(path, "rb")
            if path.endswith(".zst"):
                import zstandard
                raw = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True)
            size, doc = 0, ""
            for line in io.TextIOWrapper(raw, encoding="utf-8", errors="replace", newline=""):
                if ".jsonl" in path:
                    doc = json.loads(line)["text"]
                else:
                    doc += line
                    if len(doc) < 4096:
                        continue
                f.write(json.dumps({"text": doc}, ensure_ascii=False) + "\n")
                size += len(doc.encode())
                doc = ""
                if size >= limit:
                    break
            total += size
    return total


def run(cmd):
    env = dict(os.environ)
    out = subprocess.run(cmd, stdout=subprocess.PIPE, text=True, env=env)
    if out.returncode != 0:
        sys.exit(f"failed: {' '.join(map(str, cmd))}")
    return json.loads(out.stdout.splitlines()[-1])


def summary(seconds, size):
    m = statistics.median(seconds)
    return {"seconds": round(m, 3), "min": round(min(seconds), 3), "max": round(max(seconds), 3),
            "mb_per_s": round(size / 1e6 / m, 2)}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--input", nargs="+")
    p.add_argument("--limit-mb", type=float, default=40)
    p.add_argument("--vocab", type=int, default=8192)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--reps", type=int, default=1, help="encodings in each round; their median counts")
    p.add_argument("--ours", help="the built example `bench`")
    p.add_argument("--wordchipper", help="the built wordchipper-bench, if there is one")
    p.add_argument("--peer", help=argparse.SUPPRESS)
    p.add_argument("--check", action="store_true", help=argparse.SUPPRESS)
    p.add_argument("--docs", help=argparse.SUPPRESS)
    p.add_argument("--ranks", help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.peer:
        print(json.dumps(peer(a.peer, a)))
        return

    load = round(os.getloadavg()[0], 2)
    with tempfile.TemporaryDirectory() as tmp:
        tmp = pathlib.Path(tmp)
        docs, ranks, ours_dir = tmp / "docs.jsonl", tmp / "ranks", tmp / "ours"
        size = write_docs(a.input, a.limit_mb, docs)
        me = [sys.executable, __file__, "--docs", docs, "--vocab", str(a.vocab), "--reps", str(a.reps), "--ranks", ranks]
        train, encode, digests, rss, all_cores = {}, {}, {}, {}, []

        def note(table, name, r):
            table.setdefault(name, []).append(r["seconds"])
            print(f"{name}: {r['seconds']:.3f} s, {size / 1e6 / r['seconds']:.1f} MB/s", file=sys.stderr)

        for _ in range(a.rounds):
            r = run([a.ours, "--input", docs, "--vocab", str(a.vocab), "--output", ours_dir, "--train-only"])
            note(train, "ours", r["train"])
            rss["ours"] = r["peak_rss_mib"]
            r = run([*me, "--peer", "train_rustbpe"])
            note(train, "rustbpe", r)
            rss["rustbpe"] = r["peak_rss_mib"]
        write_ranks(ours_dir / "tokenizer.json", ranks)
        for round_ in range(a.rounds):
            r = run([a.ours, "--input", docs, "--tokenizer", ours_dir, "--reps", str(a.reps)])
            note(encode, "ours", r["encode_1t"])
            all_cores.append(r["encode_all"]["seconds"])
            digests["ours"], tokens = r["digest"], r["tokens"]
            for name in ("tiktoken", "riptoken"):
                r = run([*me, "--peer", name, *(["--check"] if round_ == 0 else [])])
                note(encode, name, r)
                digests.setdefault(name, r["digest"])
            if a.wordchipper:
                for pattern, name in (("qwen2", "wordchipper"), ("cl100k", "wordchipper_cl100k_lexer")):
                    r = run([a.wordchipper, docs, ranks, pattern, str(a.reps)])
                    note(encode, name, r)
                    if pattern == "qwen2":
                        digests[name] = r["digest"]
    middle = statistics.median
    print(json.dumps({
        "bench": "tokenizer", "bytes": size, "vocab": a.vocab, "bytes_per_token": round(size / tokens, 3),
        "train": {k: {**summary(v, size), "peak_rss_mib": rss[k]} for k, v in train.items()},
        "train_ratio": round(middle(train["rustbpe"]) / middle(train["ours"]), 2),
        "encode_1t": {k: summary(v, size) for k, v in encode.items()},
        "encode_ratio": {k: round(middle(v) / middle(encode["ours"]), 2) for k, v in encode.items() if k != "ours"},
        "encode_all": summary(all_cores, size),
        "same_ids": {k: v == digests["ours"] for k, v in digests.items()},
        "cores": os.cpu_count(), "load_before": load,
    }))


if __name__ == "__main__":
    main()
