#!/usr/bin/env python3
"""Races what the rule takes against sizes and vocabularies taken by hand, and prints a table for each corpus.

A corpus is a folder made by `train_race.py split`; `shuyuan race` trains on it for --minutes, the tokenizer and the rule's own
measurements inside them, and predicts its held-out text. Results go to --work/results.jsonl, one line a race, and what is there
already is not raced again. With --lanes 2 two races run at once, each on its part of the cores: good for an order, too noisy
where another program runs beside them.

`beside the best by hand` is in per cent of its bits: the goal is at most 2.

Example: bench/rule.py /tmp/race /tmp/small --minutes 10 --hand 2m:6400 2m:12800 4m:12800 --work /tmp/rule
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import queue
import shutil
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def race(a, corpus, choice, cores):
    """The race's JSON with what it was of."""
    home = a.work / f"home-{min(cores)}"
    shutil.rmtree(home, ignore_errors=True)
    command = [a.program, "race", "--data", corpus, "--minutes", a.minutes, "--json", "--home", home]
    if choice != "the rule":
        recipe, vocab_size = choice.split(":")
        command += ["--recipe", ROOT / f"recipes/{recipe}.toml", "--vocab-size", vocab_size]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                          preexec_fn=lambda: os.sched_setaffinity(0, cores))
    if done.returncode:
        sys.exit(f"{corpus}, {choice}: failed ({done.returncode}):\n{done.stderr[-2000:]}")
    outcome = json.loads(done.stdout)
    bits = statistics.mean(of for of in (outcome["bpb_zh"], outcome["bpb_en"]) if of is not None)
    return {"corpus": str(corpus), "choice": choice, "minutes": a.minutes, "bits": bits,
            **{key: outcome[key] for key in ("bpb_zh", "bpb_en", "params", "vocab", "tokens", "tokens_per_s")}}


def table(results):
    lines = ["| | parameters | vocabulary | million tokens | bits per byte | beside the best by hand |",
             "| --- | ---: | ---: | ---: | ---: | ---: |"]
    best = min((one["bits"] for one in results if one["choice"] != "the rule"), default=None)
    for one in results:
        beside = f"{100 * (one['bits'] / best - 1):+.1f} %" if best else ""
        lines.append(f"| {one['choice']} | {one['params'] / 1e6:.2f} M | {one['vocab']:,} | {one['tokens'] / 1e6:.1f} "
                     f"| {one['bits']:.3f} | {beside} |")
    return "\n".join(lines)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("corpora", nargs="+", type=pathlib.Path, metavar="DIR")
    p.add_argument("--minutes", type=float, required=True)
    p.add_argument("--hand", nargs="+", required=True, metavar="RECIPE:VOCABULARY")
    p.add_argument("--work", type=pathlib.Path, required=True)
    p.add_argument("--program", type=pathlib.Path, default=ROOT / "target/release/shuyuan")
    p.add_argument("--lanes", type=int, default=1, help="races at a time, each on its part of the cores (default: 1)")
    a = p.parse_args()
    a.work.mkdir(parents=True, exist_ok=True)
    found = a.work / "results.jsonl"
    results = [json.loads(line) for line in found.read_text().splitlines()] if found.exists() else []
    done = {(one["corpus"], one["choice"], one["minutes"]) for one in results}
    lanes, cores = queue.SimpleQueue(), sorted(os.sched_getaffinity(0))
    for lane in range(a.lanes):
        lanes.put(set(cores[lane::a.lanes]))

    def in_lane(job):
        lane = lanes.get()
        try:
            return race(a, *job, lane)
        finally:
            lanes.put(lane)

    todo = [(corpus, choice) for corpus in a.corpora for choice in ["the rule", *a.hand]
            if (str(corpus), choice, a.minutes) not in done]
    with concurrent.futures.ThreadPoolExecutor(a.lanes) as pool:
        for job in concurrent.futures.as_completed([pool.submit(in_lane, job) for job in todo]):
            results.append(job.result())
            with open(found, "a") as file:
                file.write(json.dumps(results[-1]) + "\n")
            print("{corpus}, {choice}: {bits:.4f}".format(**results[-1]), file=sys.stderr, flush=True)
    order = ["the rule", *a.hand]
    for corpus in a.corpora:
        these = [one for one in results if (one["corpus"], one["minutes"]) == (str(corpus), a.minutes) and one["choice"] in order]
        print(f"\n{corpus}, {a.minutes:g} minutes\n\n{table(sorted(these, key=lambda one: order.index(one['choice'])))}")


if __name__ == "__main__":
    main()
