"""Part of decode.sh: rounds of ours, llama.cpp, ik_llama.cpp; medians, extremes and ratios."""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

IK = """
import sys, time
sys.path.insert(0, sys.argv[1])
from ik_llama_cpp.llama import IkLlama
from ik_llama_cpp._internals import make_batch_range, make_batch_single
file, prefill, prompt, written, threads = sys.argv[2], *map(int, sys.argv[3:])
llm = IkLlama(file, n_ctx=max(prefill, prompt + written) + 8, n_threads=threads, verbose=False)
context, step = llm._context, llm._context._n_ubatch
def read(tokens):
    context.kv_cache_clear()
    for i in range(0, len(tokens), step):
        assert context.decode(make_batch_range(tokens[i:i + step], pos_start=i, logits_last=i + step >= len(tokens))) == 0
def rate(n, f):
    start = time.perf_counter()
    f()
    context.get_logits(-1)
    return n / (time.perf_counter() - start)
ids = [i % 100 + 1 for i in range(max(prefill, prompt))]
read(ids[:16])
p = rate(prefill, lambda: read(ids[:prefill]))
read(ids[:prompt])
def write():
    for i in range(written):
        assert context.decode(make_batch_single(i % 100 + 1, prompt + i)) == 0
        context.get_logits(-1)
print(p, rate(written, write))
"""


def run(*cmd):
    out = subprocess.run([str(x) for x in cmd], capture_output=True, text=True)
    if out.returncode != 0:
        sys.exit(f"{cmd[0]} failed:\n{out.stderr[-2000:]}")
    return out.stdout


def ours(a, file):
    threads = ["--threads", a.threads, "--reps", 1, "--json"]
    p = json.loads(run(a.ours, "bench", "prefill", "--model", file, "--prompt-len", a.prefill, *threads))
    d = json.loads(run(a.ours, "bench", "decode", "--model", file, "--prompt-len", a.prompt_len, "--gen-len", a.gen_len, *threads))
    return p["prefill_tokens_per_s"]["median"], d["decode_after_prompt_tokens_per_s"]["median"], d["weight_bytes_per_token"]


def llama(a, file):
    def one(*args):
        out = json.loads(run(a.llama_bench, "-m", file, "-t", a.threads, "-r", 1, "-o", "json", "-ngl", 0, *args))
        return out[0]["samples_ts"][0]
    return one("-p", a.prefill, "-n", 0), one("-p", 0, "-n", a.gen_len, "-d", a.prompt_len)


def ik(a, file):
    return tuple(map(float, run(sys.executable, "-c", IK, a.ik, file, a.prefill, a.prompt_len, a.gen_len, a.threads).split()[-2:]))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--ours", required=True)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--prompt-len", type=int, default=128)
    p.add_argument("--gen-len", type=int, default=64)
    p.add_argument("--prefill", type=int, default=512)
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--llama-bench", default=pathlib.Path(sys.executable).parent.parent / "llama.cpp/bin/llama-bench")
    p.add_argument("--ik", default=os.environ.get("IK", ""))
    p.add_argument("files", nargs="+")
    a = p.parse_args()
    peers = {"llama.cpp": llama, **({"ik_llama.cpp": ik} if a.ik else {})}
    for file in a.files:
        rates = {name: ([], []) for name in ["ours", *peers]}
        load = os.getloadavg()[0]
        for _ in range(a.rounds):
            *found, weights = ours(a, file)
            rounds = {"ours": found, **{name: f(a, file) for name, f in peers.items()}}
            for name, pair in rounds.items():
                for kept, rate in zip(rates[name], pair):
                    kept.append(rate)
        line = {"bench": "decode", "file": pathlib.Path(file).parent.name + "/" + pathlib.Path(file).name, "rounds": a.rounds,
                "prefill": a.prefill, "prompt_len": a.prompt_len, "gen_len": a.gen_len, "load_before": load}
        for i, work in enumerate(["prefill", "decode"]):
            median = {name: statistics.median(both[i]) for name, both in rates.items()}
            line[f"{work}_tokens_per_s"] = {n: [round(median[n], 1), round(min(b[i]), 1), round(max(b[i]), 1)] for n, b in rates.items()}
            line[f"{work}_ratio"] = {name: round(median["ours"] / median[name], 2) for name in peers}
        line["weights_gb_per_s"] = round(weights * statistics.median(rates["ours"][1]) / 1e9, 1)
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
