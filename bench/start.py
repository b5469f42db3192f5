#!/usr/bin/env python3
"""From the start of a process to its first token, ours and llama.cpp in turn, with the file in the page cache; one JSON line a
file. Ours is `shuyuan generate` from exec to exit; llama.cpp's is its Python binding from after its import, which does not count.

    cargo build --release && ~/.cache/shuyuan-peers/bin/python bench/start.py [--rounds 5] FILE.gguf…
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

PROMPT = "The capital of France is"
LLAMA = """
import llama_cpp, sys, time
start = time.perf_counter()
llm = llama_cpp.Llama(sys.argv[1], n_ctx=512, n_threads=int(sys.argv[2]), verbose=False)
llm(sys.argv[3], max_tokens=1, temperature=0)
print(time.perf_counter() - start)
"""


def run(*command, **more):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **more)
    if done.returncode:
        sys.exit(f"{command[0]} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def ours(a, file):
    start = time.perf_counter()
    run(a.ours, "generate", "--model", file, "--prompt", PROMPT, "--max-tokens", 1, "--ignore-eos")
    return time.perf_counter() - start


def llama(a, file):
    return float(run(sys.executable, "-c", LLAMA, file, os.cpu_count(), PROMPT).split()[-1])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--ours", default=pathlib.Path(__file__).parent.parent / "target/release/shuyuan")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("files", nargs="+")
    a = p.parse_args()
    for file in a.files:
        ours(a, file), llama(a, file)
        rounds = [(ours(a, file), llama(a, file)) for _ in range(a.rounds)]
        mine, theirs = (sorted(round(seconds, 3) for seconds in all) for all in zip(*rounds))
        print(json.dumps({
            "bench": "start", "file": file, "ours_s": mine, "llama_cpp_s": theirs,
            "ratio": round(statistics.median(m / t for m, t in rounds), 2),
        }))


if __name__ == "__main__":
    main()
